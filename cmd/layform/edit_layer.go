package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/layout/printable"
	"github.com/layform/layform/spec/addr"
	"github.com/layform/layform/spec/edit"
)

// addLayerCmd adds a layer.
type addLayerCmd struct {
	Source         string   `arg:"" name:"layer" help:"The file of the layer, in the directory of the spec or below it: a tar, plain or compressed with gzip or zstd, or with --media-type any other file."`
	Name           string   `name:"name" placeholder:"NAME" help:"The name of the block; made of that of the file unless set."`
	CompressFormat string   `name:"compress-format" enum:"gzip,zstd,none" default:"gzip" placeholder:"FORMAT" help:"What a plain tar is compressed with: gzip, zstd or none. One that is compressed already is used as it is."`
	MediaType      string   `name:"media-type" placeholder:"TYPE" help:"The media type of the layer; that of the tar, which is shown, unless set."`
	Annotation     []string `name:"annotation" sep:"none" placeholder:"KEY=VALUE" help:"An annotation of the layer's descriptor. Repeatable."`
	To             []string `name:"to" sep:"none" placeholder:"ADDRESS" help:"The manifest that gets it as its last layer; the only one unless set. Repeatable."`
	editFlags
}

// Help shows how the command is used.
func (c *addLayerCmd) Help() string {
	return `For example:
  layform add layer rootfs.tar.gz
  layform add layer patches.tar --compress-format zstd --annotation com.example.role=patches --apply
  layform add layer model.onnx --media-type application/vnd.example.model --to manifest.model`
}

// Run edits the spec.
func (c *addLayerCmd) Run(ctx context.Context, a *app) error {
	annotations, err := pairs("--annotation", c.Annotation)
	if err != nil {
		return err
	}
	return c.run(ctx, a, func(e *editing) error {
		settings, err := c.settings(ctx, e)
		if err != nil {
			return err
		}
		users, err := e.users(c.To)
		if err != nil {
			return err
		}
		to, err := e.name(addr.Layer, cmp.Or(c.Name, layerName(c.Source)))
		if err != nil {
			return err
		}
		if err := e.AddBlock(to, neighbour(users), settings); err != nil {
			return err
		}
		if err := e.SetMap(to, "annotations", annotations, false); err != nil {
			return err
		}
		for _, m := range users {
			if err := e.AppendReference(m, "layers", to); err != nil {
				return err
			}
		}
		return nil
	})
}

// layerName is the name of a file without the ends that archives have.
func layerName(file string) string {
	name := filepath.Base(file)
	for _, end := range []string{".gz", ".zst", ".tgz", ".tzst", ".tar"} {
		name = strings.TrimSuffix(name, end)
	}
	return name
}

// settings are the attributes of the layer.
func (c *addLayerCmd) settings(ctx context.Context, e *editing) ([]edit.Setting, error) {
	file, err := e.inside(c.Source)
	if err != nil {
		return nil, err
	}
	found, sniffed, err := sniffFile(c.Source)
	if err != nil {
		return nil, err
	}
	if found == imagespec.Uncompressed && c.CompressFormat != "none" {
		if err := writeTo(e.a.stderr, fmt.Sprintf("layform: %s is not compressed; apply compresses it with %s\n", printable.Line(c.Source), c.CompressFormat)); err != nil {
			return nil, err
		}
	}
	proposed := ""
	if sniffed == nil {
		proposed = map[imagespec.Algorithm]string{
			imagespec.Gzip: ocispec.MediaTypeImageLayerGzip, imagespec.Zstd: ocispec.MediaTypeImageLayerZstd, imagespec.Uncompressed: ocispec.MediaTypeImageLayer,
		}[c.becomes(found)]
	}
	mediaType, err := c.decide(ctx, e.a, proposed, sniffed)
	if err != nil {
		return nil, err
	}
	if sniffed != nil || mediaType != proposed && !strings.Contains(mediaType, ".tar") {
		return quoteAll(addr.Layer, edit.Pair{Key: "blob", Value: file}, edit.Pair{Key: "media_type", Value: mediaType})
	}
	settings := []edit.Pair{{Key: "archive", Value: file}}
	if found == imagespec.Uncompressed && c.CompressFormat != "gzip" {
		settings = append(settings, edit.Pair{Key: "compression", Value: c.CompressFormat})
	}
	if mediaType != proposed {
		settings = append(settings, edit.Pair{Key: "media_type", Value: mediaType})
	}
	return quoteAll(addr.Layer, settings...)
}

// becomes is the compression of the layer that is made of a tar with another.
func (c *addLayerCmd) becomes(found imagespec.Algorithm) imagespec.Algorithm {
	if found != imagespec.Uncompressed {
		return found
	}
	return imagespec.Algorithm(c.CompressFormat)
}

// decide is the media type of the layer: that of the flag, or the proposed one, which is
// shown and on a terminal confirmed.
func (c *addLayerCmd) decide(ctx context.Context, a *app, proposed string, sniffed error) (string, error) {
	asks := a.terminal.in && !a.json
	switch {
	case c.MediaType != "":
		return c.MediaType, nil
	case proposed == "" && !asks:
		return "", &failure{message: fmt.Sprintf("%s: %v, and its media type cannot be told", c.Source, sniffed), hint: "add --media-type TYPE for a file that is no tar"}
	case proposed != "":
		shown := fmt.Sprintf("Detected media type for %s:\n  %s\n", printable.Line(c.Source), proposed)
		if err := writeTo(a.stderr, shown); err != nil || !asks {
			return proposed, err
		}
		answer, err := a.readLine(ctx, "Accept? [Y/n]: ")
		if err != nil || !strings.HasPrefix(strings.ToLower(answer), "n") {
			return proposed, err
		}
	}
	answer, err := a.readLine(ctx, "Enter media type: ")
	if err == nil && answer == "" {
		err = &failure{message: "there is no media type; nothing was edited", hint: "answer, or add --media-type TYPE"}
	}
	return answer, err
}

// sniffFile finds what a tar is compressed with; unknown says why the file is none.
func sniffFile(name string) (found imagespec.Algorithm, unknown, err error) {
	info, err := os.Stat(name)
	if err != nil {
		return "", nil, &failure{message: fmt.Sprintf("%s: %v", name, cause(err)), hint: "name the file of the layer; -f is the file of the spec"}
	}
	if !info.Mode().IsRegular() {
		return "", nil, &failure{message: name + " is not a regular file", hint: "a directory goes into a layer with a copy block: layform reference copy"}
	}
	f, err := os.Open(name)
	if err != nil {
		return "", nil, err
	}
	defer f.Close()
	head, err := io.ReadAll(io.LimitReader(f, layer.HeadSize))
	if err != nil {
		return "", nil, err
	}
	found, unknown = layer.Sniff(head)
	return found, unknown, nil
}

// inside is the path of a file of the command line as the spec writes it: relative to the
// spec's directory, which it must be in.
func (e *editing) inside(name string) (string, error) {
	dir, err := filepath.Abs(e.dir)
	if err != nil {
		return "", err
	}
	file, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(dir, file)
	if err != nil || !filepath.IsLocal(rel) {
		return "", &failure{message: fmt.Sprintf("%s is not in the directory of the spec", name), hint: "a spec uses files of its own directory: copy or link it there"}
	}
	return filepath.ToSlash(rel), nil
}
