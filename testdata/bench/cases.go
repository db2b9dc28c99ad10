package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// blobs is the glob of the blobs of a layout in a case's folder.
func blobs(layout string) string { return layout + "/blobs/sha256/*" }

// benches are all cases.
func benches() []bench { return slices.Concat(cold(), warm(), transfers()) }

// cold are the cases that build a layer from nothing.
func cold() []bench {
	return []bench{
		{
			name: "tree", title: "the Go toolchain, cold, gzip", prepare: toolchain,
			contenders: []contender{
				{name: "layform apply", before: "rm -rf out", run: "layform apply --auto-approve", size: blobs("out")},
				{name: "umoci insert", needs: []string{"umoci"}, before: "rm -rf um && umoci init --layout um && umoci new --image um:x", run: "umoci insert --image um:x tree /usr/local/go", size: blobs("um")},
				{name: "buildah copy", needs: []string{"buildah"}, before: "rm -rf ba", run: `c=$(buildah --storage-driver vfs from scratch); buildah --storage-driver vfs copy -q $c tree /usr/local/go; buildah --storage-driver vfs commit -q --rm --format oci $c oci:ba:x`, size: blobs("ba")},
				{name: "crane append", needs: []string{"crane", "pigz"}, before: "rm -f crane.tar layer.tar.gz", run: "tar -cf - tree | pigz > layer.tar.gz; crane append --oci-empty-base -f layer.tar.gz -t x -o crane.tar", size: "layer.tar.gz"},
				{name: "oras-go push", needs: []string{"pigz"}, before: "rm -rf or layer.tar.gz", run: `tar -cf - tree | pigz > layer.tar.gz; "$BENCH" -oras or layer.tar.gz`, size: blobs("or")},
				{name: "skopeo copy", needs: []string{"skopeo", "umoci"}, before: "rm -rf sk", run: "skopeo copy -q oci:um:x oci:sk:x", size: blobs("sk")},
				{name: "tar | pigz | sha256sum", needs: []string{"pigz"}, run: "tar -cf - tree | pigz | tee pigz.gz | sha256sum", size: "pigz.gz"},
			},
		},
		{
			name: "zstd", title: "the Go toolchain, cold, zstd", prepare: zstdToolchain,
			contenders: []contender{
				{name: "layform apply", before: "rm -rf out", run: "layform apply --auto-approve", size: blobs("out")},
				{name: "tar | zstd -T0 | sha256sum", needs: []string{"zstd"}, run: "tar -cf - tree | zstd -T0 | tee tree.zst | sha256sum", size: "tree.zst"},
			},
		},
		{
			name: "big", title: "one file of 4 GiB, cold; compare the peak with that of tree", prepare: bigFile,
			contenders: []contender{
				{name: "layform apply", before: "rm -rf out", run: "layform apply --auto-approve", size: blobs("out")},
				{name: "tar | pigz | sha256sum", needs: []string{"pigz"}, run: "tar -cf - tree | pigz | tee pigz.gz | sha256sum", size: "pigz.gz"},
			},
		},
	}
}

// middle changes the file that stands in the middle of the tree's bytes.
const middle = `
find tree -type f -printf '%s %p\n' | LC_ALL=C sort -k2 |
	awk '{ n[NR] = $2; s[NR] = t += $1 } END { for (i = 1; s[i] < t/2; i++); print n[i] }' > middle
date +%N >> "$(cat middle)"; sleep 0.1`

// warm are the cases in which little or nothing changed.
func warm() []bench {
	return []bench{
		{
			name: "plan", title: "the Go toolchain, nothing changed", prepare: committed(toolchain),
			contenders: []contender{
				{name: "layform plan", run: "layform plan"},
				{name: "git status", needs: []string{"git"}, run: "git -C tree status --short"},
			},
		},
		{
			name: "small", title: "100,000 small files, nothing changed", prepare: committed(smallFiles),
			contenders: []contender{
				{name: "layform plan", run: "layform plan"},
				{name: "git status", needs: []string{"git"}, run: "git -C tree status --short"},
			},
		},
		{
			name: "edit", title: "the Go toolchain, one file changed: in the middle of the layer, or its first", prepare: applied(toolchain),
			contenders: []contender{
				{name: "layform apply", before: middle, run: "layform apply --auto-approve"},
				{name: "layform apply, first", before: `date +%N >> "$(find tree -type f | LC_ALL=C sort | head -1)"; sleep 0.1`, run: "layform apply --auto-approve"},
				{name: "layform apply, cold", before: "rm -rf cold && mkdir cold && sed 's/\"out\"/\"cold\"/' layform.hcl > cold.hcl", run: "layform apply --auto-approve -f cold.hcl"},
				{name: "umoci insert", needs: []string{"umoci"}, before: "rm -rf um && umoci init --layout um && umoci new --image um:x", run: "umoci insert --image um:x tree /usr/local/go"},
			},
		},
		{
			name: "layers", title: "20 layers of 50 MB, one file of one changed", prepare: twentyLayers,
			contenders: []contender{
				{name: "layform apply, 20 layers", before: "date +%N >> all/l07/f00; sleep 0.1", run: "layform -C all apply --auto-approve"},
				{name: "layform apply, 1 layer", before: "date +%N >> one/l07/f00; sleep 0.1", run: "layform -C one apply --auto-approve"},
			},
		},
		{
			name: "many", title: "1,000 layers and 1,000 manifests, nothing changed; at most 11 times 100 of each", prepare: manyObjects,
			contenders: []contender{
				{name: "layform plan, 1,000", run: "layform -C 1000 plan"},
				{name: "layform plan, 100", run: "layform -C 100 plan"},
			},
		},
		{
			name: "shared", title: "1,000 layers of one file each from a directory of 1,000, nothing changed; at most 11 times 100 of 100, in 64 MiB", prepare: sharedDirectory,
			contenders: []contender{
				{name: "layform plan, 1,000", run: "layform -C 1000 plan"},
				{name: "layform plan, 100", run: "layform -C 100 plan"},
			},
		},
	}
}

// spec writes the spec of one layer that is made of the folder tree.
func (l *lab) spec(compression string) error {
	return os.WriteFile(filepath.Join(l.dir, "layform.hcl"), []byte(fmt.Sprintf(`layout { path = "out" }
layer "x" {
  compression = %q
  copy {
    from = "tree"
    to   = "/usr/local/go"
  }
}
config "x" { platform = "linux/amd64" }
manifest "x" {
  config = config.x
  layers = [layer.x]
  tags   = ["x"]
}
`, compression)), 0o644)
}

// toolchain copies the Go toolchain of this machine, a real tree of about
// 270 MB and 15,000 files.
func toolchain(l *lab) error {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return err
	}
	line := fmt.Sprintf("[ -e tree ] || cp -a %q tree", strings.TrimSpace(string(out)))
	if out, err := l.shell(line).CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return l.spec("gzip")
}

func zstdToolchain(l *lab) error {
	if err := toolchain(l); err != nil {
		return err
	}
	return l.spec("zstd")
}

// applied applies the spec once after prepare.
func applied(prepare func(*lab) error) func(*lab) error {
	return func(l *lab) error {
		if err := prepare(l); err != nil {
			return err
		}
		return l.do("layform apply --auto-approve")
	}
}

// committed applies the spec, commits the tree to git, and lets both see it at
// rest once.
func committed(prepare func(*lab) error) func(*lab) error {
	return func(l *lab) error {
		if err := applied(prepare)(l); err != nil {
			return err
		}
		return l.do("[ -e tree/.git ] || (cd tree && git init -q && git add -Af . && git -c user.name=x -c user.email=x@example.com commit -qm x)\n" +
			`sed -i 's/to   = .*/&\n    exclude = [".git"]/' layform.hcl; layform apply --auto-approve; git -C tree status --short; layform plan`)
	}
}

func (l *lab) do(line string) error {
	if out, err := l.shell(line).CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// smallFiles makes 100,000 files of about 100 bytes in folders of 100.
func smallFiles(l *lab) error {
	n := int(100_000 * l.scale)
	for i := range n {
		dir := filepath.Join(l.dir, "tree", fmt.Sprintf("d%03d", i/10_000), fmt.Sprintf("e%03d", i/100%100))
		if i%100 == 0 {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
		}
		text := strings.Repeat(fmt.Sprintf("file %d\n", i), 8)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("f%05d", i)), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return l.spec("gzip")
}

// fill writes about size bytes that compress like program text does.
func fill(name string, size int64, seed uint64) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	random := rand.New(rand.NewPCG(seed, 1))
	words := make([]string, 4096)
	for i := range words {
		words[i] = fmt.Sprintf("%x ", random.Uint64()>>(random.IntN(6)*8))
	}
	for size > 0 {
		n, err := w.WriteString(words[random.IntN(len(words))])
		if err != nil {
			return err
		}
		size -= int64(n)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

// twentyLayers makes a spec of 20 layers of 50 MB, and one of a single such layer.
func twentyLayers(l *lab) error {
	size := int64(50e6 * l.scale / 20)
	for _, spec := range []struct {
		dir    string
		layers []int
	}{{"all", upTo(20)}, {"one", []int{7}}} {
		var text strings.Builder
		text.WriteString("layout { path = \"out\" }\nconfig \"x\" { platform = \"linux/amd64\" }\n")
		var names []string
		for _, n := range spec.layers {
			name := fmt.Sprintf("l%02d", n)
			names = append(names, "layer."+name)
			fmt.Fprintf(&text, "layer %q {\n  copy { from = %q }\n}\n", name, name)
			for f := range 20 {
				if err := fill(filepath.Join(l.dir, spec.dir, name, fmt.Sprintf("f%02d", f)), size, uint64(n*100+f)); err != nil {
					return err
				}
			}
		}
		fmt.Fprintf(&text, "manifest \"x\" {\n  config = config.x\n  layers = [%s]\n  tags   = [\"x\"]\n}\n", strings.Join(names, ", "))
		if err := os.WriteFile(filepath.Join(l.dir, spec.dir, "layform.hcl"), []byte(text.String()), 0o644); err != nil {
			return err
		}
		if err := l.do("layform -C " + spec.dir + " apply --auto-approve"); err != nil {
			return err
		}
	}
	return nil
}

func upTo(n int) []int {
	var out []int
	for i := range n {
		out = append(out, i)
	}
	return out
}

// bigFile makes one file of 4 GiB.
func bigFile(l *lab) error {
	if err := fill(filepath.Join(l.dir, "tree", "big"), int64(float64(4<<30)*l.scale), 1); err != nil {
		return err
	}
	return l.spec("gzip")
}

// manyObjects makes specs of many small layers and manifests.
func manyObjects(l *lab) error {
	for _, n := range []int{100, 1000} {
		dir := filepath.Join(l.dir, fmt.Sprint(n))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		var text strings.Builder
		text.WriteString("layout { path = \"out\" }\n")
		for i := range n {
			fmt.Fprintf(&text, "layer \"l%d\" {\n  file \"/f\" { content = \"%d\" }\n}\nconfig \"c%d\" { platform = \"linux/amd64\" }\nmanifest \"m%d\" {\n  config = config.c%d\n  layers = [layer.l%d]\n  tags   = [\"t%d\"]\n}\n", i, i, i, i, i, i, i)
		}
		if err := os.WriteFile(filepath.Join(dir, "layform.hcl"), []byte(text.String()), 0o644); err != nil {
			return err
		}
		if err := l.do("layform -C " + fmt.Sprint(n) + " apply --auto-approve"); err != nil {
			return err
		}
	}
	return nil
}

// sharedDirectory makes specs of layers that each include one file of the same
// directory.
func sharedDirectory(l *lab) error {
	for _, n := range []int{100, 1000} {
		dir := filepath.Join(l.dir, fmt.Sprint(n))
		if err := os.MkdirAll(filepath.Join(dir, "files"), 0o755); err != nil {
			return err
		}
		var text strings.Builder
		text.WriteString("layout { path = \"out\" }\n")
		for i := range n {
			if err := os.WriteFile(filepath.Join(dir, "files", fmt.Sprintf("f%04d", i)), []byte(fmt.Sprint(i)), 0o644); err != nil {
				return err
			}
			fmt.Fprintf(&text, "layer \"l%d\" {\n  copy {\n    from    = \"files\"\n    include = [\"f%04d\"]\n  }\n}\nmanifest \"m%d\" {\n  artifact_type = \"application/vnd.example\"\n  layers        = [layer.l%d]\n  tags          = [\"t%d\"]\n}\n", i, i, i, i, i)
		}
		if err := os.WriteFile(filepath.Join(dir, "layform.hcl"), []byte(text.String()), 0o644); err != nil {
			return err
		}
		if err := l.do("sleep 0.1; layform -C " + fmt.Sprint(n) + " apply --auto-approve; layform -C " + fmt.Sprint(n) + " plan"); err != nil {
			return err
		}
	}
	return nil
}
