//go:build unix

package layout_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/validate"
)

// inspect opens a layout that may be broken.
func inspect(t *testing.T, dir string) *layout.Store {
	t.Helper()
	return open(t, dir, layout.Options{Inspect: true})
}

func findings(t *testing.T, s *layout.Store, opts validate.Options) []validate.Finding {
	t.Helper()
	var out []validate.Finding
	for f, err := range validate.Layout(t.Context(), s.Reader, opts) {
		if err != nil {
			t.Fatal(err)
		}
		if f.Advice == "" || f.Problem == "" || f.Severity != validate.Must && f.Severity != validate.Should {
			t.Errorf("an incomplete finding: %+v", f)
		}
		out = append(out, f)
	}
	return out
}

func rulesOf(found []validate.Finding) []string {
	var rules []string
	for _, f := range found {
		rules = append(rules, string(f.Rule))
	}
	slices.Sort(rules)
	return slices.Compact(rules)
}

// file is one entry of a layer.
type file struct {
	name, body, link string
	typ              byte
}

func tarOf(t *testing.T, files ...file) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Linkname: f.link, Typeflag: f.typ, Mode: 0o644, Size: int64(len(f.body))}
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, f.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func gzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func zstded(t *testing.T, data []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll(data, nil)
}

// sample is an image that tests make faults in, member by member, as JSON.
type sample struct {
	tar      []byte
	pack     func(*testing.T, []byte) []byte
	layer    map[string]any
	config   map[string]any
	manifest map[string]any
	entry    map[string]any
	// omit is a member of the manifest that is left out.
	omit string
}

func goodSample(t *testing.T) *sample {
	return &sample{
		tar: tarOf(t,
			file{name: "etc/", typ: tar.TypeDir}, file{name: "etc/.wh.old"}, file{name: "etc/a", body: "a"},
			file{name: "etc/b", typ: tar.TypeLink, link: "etc/a"}, file{name: "l", typ: tar.TypeSymlink, link: "../etc"}),
		pack:  gzipped,
		layer: map[string]any{"mediaType": ocispec.MediaTypeImageLayerGzip},
		config: map[string]any{
			"os": "linux", "architecture": "amd64",
			"config":  map[string]any{"Env": []any{"A=b"}, "ExposedPorts": map[string]any{"80/tcp": map[string]any{}, "53": map[string]any{}}},
			"rootfs":  map[string]any{"type": "layers"},
			"history": []any{map[string]any{"created_by": "x"}, map[string]any{"empty_layer": true}},
		},
		manifest: map[string]any{
			"schemaVersion": 2, "mediaType": ocispec.MediaTypeImageManifest,
			"annotations": map[string]any{"org.opencontainers.image.created": "2020-01-02T03:04:05Z"},
		},
		entry: map[string]any{
			"mediaType":   ocispec.MediaTypeImageManifest,
			"platform":    map[string]any{"os": "linux", "architecture": "amd64"},
			"annotations": map[string]any{ocispec.AnnotationRefName: "latest"},
		},
	}
}

func setDefault(m map[string]any, key string, value any) {
	if _, ok := m[key]; !ok {
		m[key] = value
	}
}

// putMap stores a document and describes it in desc.
func putMap(t *testing.T, s *layout.Store, desc, doc map[string]any) {
	t.Helper()
	data, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	d := put(t, s, "x", data)
	setDefault(desc, "digest", d.Digest)
	setDefault(desc, "size", d.Size)
}

// build stores the sample and gives the entry for it.
func (g *sample) build(t *testing.T, s *layout.Store) map[string]any {
	t.Helper()
	l := put(t, s, "x", g.pack(t, g.tar))
	setDefault(g.layer, "digest", l.Digest)
	setDefault(g.layer, "size", l.Size)
	setDefault(g.config["rootfs"].(map[string]any), "diff_ids", []any{digest.FromBytes(g.tar)})
	config := map[string]any{"mediaType": ocispec.MediaTypeImageConfig}
	putMap(t, s, config, g.config)
	setDefault(g.manifest, "config", config)
	setDefault(g.manifest, "layers", []any{g.layer})
	delete(g.manifest, g.omit)
	putMap(t, s, g.entry, g.manifest)
	return g.entry
}

func writeIndex(t *testing.T, s *layout.Store, index map[string]any) {
	t.Helper()
	data, err := json.Marshal(index)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(s.Dir(), "index.json"), string(data))
}

func indexOf(entries ...any) map[string]any {
	return map[string]any{"schemaVersion": 2, "mediaType": ocispec.MediaTypeImageIndex, "manifests": entries}
}

func initialised(t *testing.T) *layout.Store {
	t.Helper()
	s := open(t, t.TempDir(), layout.Options{NoSync: true, Inspect: true})
	if err := s.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestValidLayoutsHaveNoFindings(t *testing.T) {
	for name, pack := range map[string]struct {
		mediaType string
		pack      func(*testing.T, []byte) []byte
	}{
		"plain": {ocispec.MediaTypeImageLayer, func(_ *testing.T, b []byte) []byte { return b }},
		"gzip":  {ocispec.MediaTypeImageLayerGzip, gzipped},
		"zstd":  {ocispec.MediaTypeImageLayerZstd, zstded},
		"members of gzip": {ocispec.MediaTypeImageLayerGzip, func(t *testing.T, b []byte) []byte {
			return append(gzipped(t, b[:700]), gzipped(t, b[700:])...)
		}},
		"frames of zstd": {ocispec.MediaTypeImageLayerZstd, func(t *testing.T, b []byte) []byte {
			skipped := []byte{0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3}
			return slices.Concat(skipped, zstded(t, b[:700]), skipped, zstded(t, b[700:]))
		}},
	} {
		s := initialised(t)
		g := goodSample(t)
		g.pack, g.layer["mediaType"] = pack.pack, pack.mediaType
		writeIndex(t, s, indexOf(g.build(t, s)))
		mkdir(t, filepath.Join(s.Dir(), "blobs/blake3"))
		writeFile(t, filepath.Join(s.Dir(), "manifest.json"), "extra files are allowed")
		for _, opts := range []validate.Options{{}, {Quick: true}, {Sparse: true}, {SkipLayers: true}, {Parallelism: 1}} {
			if diff := cmp.Diff([]validate.Finding(nil), findings(t, s, opts)); diff != "" {
				t.Errorf("%s, %+v: %s", name, opts, diff)
			}
		}
	}
	validateOddNames(t)
	s := open(t, t.TempDir(), layout.Options{})
	img := putImage(t, s, "a", "a")
	art := putArtifact(t, s, putIndex(t, s, img.manifest))
	setTag(t, s, art, "")
	setTag(t, s, putArtifact(t, s, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString("elsewhere"), Size: 9}), "")
	if diff := cmp.Diff([]validate.Finding(nil), findings(t, s, validate.Options{})); diff != "" {
		t.Error(diff)
	}
}

// validateOddNames checks that what is unusual, and sound on Linux, is no finding.
func validateOddNames(t *testing.T) {
	t.Helper()
	s := initialised(t)
	g := goodSample(t)
	g.tar = tarOf(t,
		file{name: strings.Repeat("d/", 1000) + "f"}, file{name: "README"}, file{name: "readme"}, file{name: "NUL"}, file{name: "con.txt"}, file{name: `..\x`},
		file{name: "c", typ: tar.TypeChar}, file{name: "b", typ: tar.TypeBlock}, file{name: "p", typ: tar.TypeFifo}, file{name: "l", typ: tar.TypeSymlink, link: "../../etc"})
	writeIndex(t, s, indexOf(g.build(t, s)))
	if diff := cmp.Diff([]validate.Finding(nil), findings(t, s, validate.Options{})); diff != "" {
		t.Error(diff)
	}
}

// fault is one fault and the rules that Validate must name: those and no others.
type fault struct {
	rules []validate.Rule
	// change changes the image before it is stored, index the index.json, and
	// plant the layout when all is in place.
	change func(t *testing.T, s *layout.Store, g *sample)
	index  func(t *testing.T, s *layout.Store, index map[string]any)
	plant  func(t *testing.T, s *layout.Store)
	// quick is set when the fault can be seen without reading blobs.
	quick bool
	// quickRules are those that can be seen, when only some can.
	quickRules []validate.Rule
}

func checkFault(t *testing.T, f fault) map[validate.Rule]bool {
	t.Helper()
	s := initialised(t)
	g := goodSample(t)
	if f.change != nil {
		f.change(t, s, g)
	}
	index := indexOf(g.build(t, s))
	if f.index != nil {
		f.index(t, s, index)
	}
	writeIndex(t, s, index)
	if f.plant != nil {
		f.plant(t, s)
	}
	var want []string
	seen := map[validate.Rule]bool{}
	for _, r := range f.rules {
		want = append(want, string(r))
		seen[r] = true
	}
	slices.Sort(want)
	before := snapshot(t, s.Dir())
	found := findings(t, s, validate.Options{})
	if diff := cmp.Diff(want, rulesOf(found)); diff != "" {
		t.Errorf("%s\n%+v", diff, found)
	}
	quick := findings(t, s, validate.Options{Quick: true})
	if !f.quick {
		want = nil
		for _, r := range f.quickRules {
			want = append(want, string(r))
		}
	}
	if diff := cmp.Diff(want, rulesOf(quick)); diff != "" {
		t.Errorf("quick: %s\n%+v", diff, quick)
	}
	if diff := cmp.Diff(before, snapshot(t, s.Dir())); diff != "" {
		t.Errorf("validation changed the layout: %s", diff)
	}
	return seen
}

func TestPlantedFaults(t *testing.T) {
	all := map[string]map[string]fault{"files": fileFaults(), "documents": documentFaults(), "descriptors": descriptorFaults(), "images": imageFaults(), "layers": layerFaults(t)}
	seen := map[validate.Rule]bool{}
	n := 0
	for group, faults := range all {
		for name, f := range faults {
			n++
			t.Run(group+"/"+name, func(t *testing.T) {
				for r := range checkFault(t, f) {
					seen[r] = true
				}
			})
		}
	}
	if n < 50 {
		t.Errorf("only %d faults", n)
	}
	// The rules that need an archive or a layout of their own have their own tests.
	for _, r := range []validate.Rule{validate.RuleArchivePath, validate.RuleArchiveDuplicate, validate.RuleArchiveUnreadable, validate.RuleGraphSize, validate.RuleGraphDepth, validate.RuleLayerRatio, validate.RuleBlobElsewhere} {
		seen[r] = true
	}
	for _, r := range validate.Rules() {
		if !seen[r.Rule] {
			t.Errorf("no fault for the rule %s", r.Rule)
		}
	}
}

// TestValidateRepetitions: what documents repeat without measure is not looked at without
// measure, and findings of one kind about one document are so many at most.
func TestValidateRepetitions(t *testing.T) {
	s := open(t, t.TempDir(), layout.Options{NoSync: true, Limits: layout.Limits{Descriptors: 200}})
	absent := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString("absent"), Size: 2}
	list := slices.Repeat([]ocispec.Descriptor{absent}, 1500)
	setTag(t, s, putIndex(t, s, list...), "many")
	count := func(rule validate.Rule) (n int, last string) {
		for f, err := range validate.Layout(t.Context(), s.Reader, validate.Options{}) {
			if err != nil {
				t.Fatal(err)
			}
			if f.Rule == rule {
				n, last = n+1, f.Problem
			}
		}
		return n, last
	}
	if n, last := count(validate.RuleBlobMissing); n != 1001 || last != "and 500 more of this kind" {
		t.Errorf("%d findings, the last one %q", n, last)
	}
	if n, _ := count(validate.RuleGraphSize); n != 0 {
		t.Error("1,500 repetitions are too many")
	}
	setTag(t, s, putIndex(t, s, append(list, absent)...), "more")
	if n, last := count(validate.RuleGraphSize); n != 1 || last != "there are more than 200 descriptors, or 2000 with repetitions; the rest was not checked" {
		t.Errorf("%d findings, the last one %q", n, last)
	}
}

// TestValidateHomes: a blob that is absent and known to be in a repository is not missing.
func TestValidateHomes(t *testing.T) {
	s := open(t, t.TempDir(), layout.Options{NoSync: true})
	absent := descriptor("absent", "")
	setTag(t, s, absent, "absent")
	for home, want := range map[string]validate.Rule{"": validate.RuleBlobMissing, "registry.example/team/app": validate.RuleBlobElsewhere} {
		var found []validate.Rule
		for f, err := range validate.Layout(t.Context(), s.Reader, validate.Options{Homes: map[digest.Digest]string{absent.Digest: home}}) {
			if err != nil {
				t.Fatal(err)
			}
			if f.Rule == validate.RuleBlobMissing || f.Rule == validate.RuleBlobElsewhere {
				found = append(found, f.Rule)
			}
		}
		if diff := cmp.Diff([]validate.Rule{want}, found); diff != "" {
			t.Errorf("home %q: %s", home, diff)
		}
	}
}
