package layout

import (
	"archive/tar"
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
)

const (
	// sameRule is how many findings of one rule are reported for one layer.
	sameRule = 20
)

var (
	errRatio = fmt.Errorf("the layer decompresses to more than %d times its size", imagespec.MaxRatio)
	errTotal = errors.New("the layer decompresses to more bytes than the limit allows")
)

// layerAudit looks into one layer.
type layerAudit struct {
	name     string
	findings []Finding
	counts   map[Rule]int
	// seen are all paths, links the symbolic links, hidden what whiteouts of the
	// layer hide, parents the directories that have an entry.
	seen, links, hidden, parents paths
}

type paths = layer.Paths[struct{}]

// throughLink gives the symbolic link of the layer that a path leads through.
func (l *layerAudit) throughLink(name string) (string, bool) {
	link, _, ok := l.links.Above(name, func(struct{}) bool { return true })
	return link, ok
}

// auditLayer reads the layer in and says all that is wrong with it. It may
// leave bytes of in unread. limit is the number of bytes that it reads of the tar.
func auditLayer(name string, in *hashing, limit int64, uses []layerUse, buf []byte) []Finding {
	set := layer.NewPaths[struct{}]
	l := &layerAudit{name: name, counts: map[Rule]int{}, seen: set(), links: set(), hidden: set(), parents: set()}
	src := bufio.NewReaderSize(in, 64<<10)
	is := detect(src)
	for _, u := range uses {
		if u.algorithm != is {
			l.find(RuleLayerCompression, "", fmt.Sprintf("the layer is %s, but %s of %s says that it is %s", compressionText(is), u.place, u.object, compressionText(u.algorithm)))
			break
		}
	}
	plain, closePlain, err := decompress(src, is)
	if err != nil {
		l.find(RuleLayerUnreadable, "", err.Error())
		return l.done()
	}
	defer closePlain()
	diff := digest.SHA256.Digester()
	out := &hashing{r: &rationed{r: plain, in: in, limit: limit}, hash: diff.Hash()}
	l.tar(out)
	l.rest(out, buf)
	if in.err != nil {
		return nil // the system's fault, which the caller reports
	}
	if out.err == nil {
		l.diffIDs(uses, diff.Digest())
	}
	return l.done()
}

// compressionText names a compression in a message.
func compressionText(c imagespec.Algorithm) string {
	if c == imagespec.Uncompressed {
		return "not compressed"
	}
	return "compressed with " + string(c)
}

// detect tells the compression by the first bytes.
func detect(r *bufio.Reader) imagespec.Algorithm {
	head, _ := r.Peek(4) // a shorter file is not compressed
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return imagespec.Gzip
	case bytes.Equal(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return imagespec.Zstd
	case len(head) == 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:], []byte{0x2a, 0x4d, 0x18}):
		return imagespec.Zstd // a frame that is skipped
	}
	return imagespec.Uncompressed
}

// decompress gives the layer's tar stream.
func decompress(r *bufio.Reader, c imagespec.Algorithm) (io.Reader, func(), error) {
	switch c {
	case imagespec.Gzip:
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, nil, err
		}
		return z, func() { z.Close() }, nil
	case imagespec.Zstd:
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(imagespec.MaxWindow))
		if err != nil {
			return nil, nil, err
		}
		return z, z.Close, nil
	}
	return r, func() {}, nil
}

// rationed ends with an error when far more comes out than went in, or more than
// the limit.
type rationed struct {
	r     io.Reader
	in    *hashing
	limit int64
	n     int64
}

// Read gives errRatio or errTotal when too much came out.
func (r *rationed) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.n += int64(n)
	if imagespec.GrowsTooMuch(r.in.size, r.n) {
		return n, errRatio
	}
	if r.n > r.limit {
		return n, errTotal
	}
	return n, err
}

// find keeps a finding, up to a number for each rule.
func (l *layerAudit) find(rule Rule, place, problem string) {
	if l.counts[rule]++; l.counts[rule] <= sameRule {
		l.findings = append(l.findings, Finding{Rule: rule, Object: l.name, Place: place, Problem: problem})
	}
}

// done gives the findings, with the number of those that were left out.
func (l *layerAudit) done() []Finding {
	for _, text := range imageRules() {
		if n := l.counts[text.Rule]; n > sameRule {
			l.findings = append(l.findings, Finding{Rule: text.Rule, Object: l.name, Problem: fmt.Sprintf("and %d more of this kind", n-sameRule)})
		}
	}
	return l.findings
}

// unreadable reports an error of the stream, and whether there was one.
func (l *layerAudit) unreadable(out *hashing) bool {
	switch {
	case out.err == nil:
		return false
	case errors.Is(out.err, errRatio), errors.Is(out.err, errTotal):
		l.find(RuleLayerRatio, "", out.err.Error()+"; the rest was not checked")
	case errors.Is(out.err, gzip.ErrHeader), errors.Is(out.err, zstd.ErrMagicMismatch):
		l.find(RuleLayerTrailing, "", "data follows the end of the compressed stream")
		// The stream itself is whole: it has a diffID.
		out.err = nil
	case errors.Is(out.err, zstd.ErrWindowSizeExceeded), errors.Is(out.err, zstd.ErrDecoderSizeExceeded):
		l.find(RuleLayerUnreadable, "", fmt.Sprintf("its zstd frames have a window of more than %d bytes, which readers refuse", imagespec.MaxWindow))
	default:
		l.find(RuleLayerUnreadable, "", "it cannot be decompressed: "+out.err.Error())
	}
	return true
}

// tar reads the entries.
func (l *layerAudit) tar(out *hashing) {
	in := layer.NewUstarReader(out)
	tr := tar.NewReader(in)
	for n := 0; ; n++ {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			if !l.unreadable(out) {
				l.find(RuleLayerUnreadable, "", fmt.Sprintf("it is no tar after %d entries: %v", n, err))
			}
			return
		}
		l.entry(h)
		if size, ok := in.Disagrees(h); ok {
			l.find(RuleLayerEntrySize, h.Name, fmt.Sprintf("its PAX header says %d bytes, but its ustar header %d", h.Size, size))
		}
	}
}

// rest reads what follows the tar's end: nothing but zeros, if all is well.
func (l *layerAudit) rest(out *hashing, buf []byte) {
	dirty := l.counts[RuleLayerUnreadable] > 0 || l.counts[RuleLayerTrailing] > 0
	for {
		n, err := out.Read(buf)
		if !dirty && len(bytes.Trim(buf[:n], "\x00")) > 0 {
			dirty = true
			l.find(RuleLayerTrailing, "", "data follows the end of the tar")
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			if l.counts[RuleLayerUnreadable]+l.counts[RuleLayerRatio]+l.counts[RuleLayerTrailing] == 0 {
				l.unreadable(out)
			}
			return
		}
	}
}

// diffIDs compares the digest of the tar with those of the configs.
func (l *layerAudit) diffIDs(uses []layerUse, got digest.Digest) {
	for _, u := range uses {
		if u.diffID == "" || u.diffID.Algorithm() != digest.SHA256 || u.diffID == got {
			continue
		}
		l.find(RuleDiffID, "", fmt.Sprintf("its diffID is %s, but %s says %s for %s of %s", got, u.config, u.diffID, u.place, u.object))
	}
}

// entry checks one entry.
func (l *layerAudit) entry(h *tar.Header) {
	name := strings.TrimSuffix(h.Name, "/")
	clean := path.Clean("/" + name)[1:]
	if imagespec.TooLong(clean) {
		// What nobody can unpack leads nowhere, and would take long to look at.
		l.find(RuleLayerPath, shortened(h.Name), fmt.Sprintf("the path is longer than Linux allows: %d bytes for a name, %d for a path", imagespec.MaxName, imagespec.MaxPath))
		return
	}
	switch {
	case layer.Outside(strings.TrimLeft(name, "/")):
		l.find(RuleLayerPath, h.Name, "the path leaves the root")
	case layer.Outside(name):
		l.find(RuleLayerAbsolute, h.Name, "the path is absolute")
	}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeDir, tar.TypeSymlink, tar.TypeLink, tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
	default:
		l.find(RuleLayerEntryType, h.Name, fmt.Sprintf("entries of the type %q have no meaning in a layer", h.Typeflag))
		return
	}
	if link, ok := l.throughLink(clean); ok {
		l.find(RuleLayerThroughLink, h.Name, fmt.Sprintf("its directory %q is a symbolic link", link))
	}
	if !l.seen.Add(clean, struct{}{}) {
		l.find(RuleLayerDuplicate, h.Name, "the path stands twice in the layer")
	}
	if h.Typeflag == tar.TypeSymlink {
		l.links.Add(clean, struct{}{})
	}
	if h.Typeflag == tar.TypeLink {
		l.hardlink(h)
	}
	if imagespec.IsWhiteout(path.Base(clean)) {
		l.whiteout(h, clean)
		return
	}
	if l.hidden.Has(clean) {
		l.find(RuleWhiteoutOwn, h.Name, "a whiteout of the same layer is for this path")
	}
	l.parents.Add(path.Dir(clean), struct{}{})
}

// hardlink checks the target of a hard link.
func (l *layerAudit) hardlink(h *tar.Header) {
	target := path.Clean("/" + h.Linkname)[1:]
	switch link, through := l.throughLink(target); {
	case layer.Outside(strings.TrimLeft(h.Linkname, "/")):
		l.find(RuleLayerHardlink, h.Name, fmt.Sprintf("the target %q leaves the root", shortened(h.Linkname)))
	case through:
		l.find(RuleLayerHardlink, h.Name, fmt.Sprintf("the target %q lies behind the symbolic link %q", shortened(h.Linkname), shortened(link)))
	case !l.seen.Has(target):
		l.find(RuleLayerHardlinkLower, h.Name, fmt.Sprintf("the target %q does not come before it in the layer", shortened(h.Linkname)))
	case layer.Outside(h.Linkname):
		l.find(RuleLayerAbsolute, h.Name, fmt.Sprintf("the target %q is absolute", shortened(h.Linkname)))
	}
}

// whiteout checks a whiteout.
func (l *layerAudit) whiteout(h *tar.Header, clean string) {
	dir, base := path.Split(clean)
	if h.Typeflag != tar.TypeReg || h.Size != 0 {
		l.find(RuleWhiteoutForm, h.Name, "the whiteout is no empty regular file")
	}
	hidden, err := imagespec.Hidden(base)
	if err != nil {
		l.find(RuleWhiteoutName, h.Name, "the whiteout "+err.Error())
		return
	}
	if hidden != "" {
		l.hidden.Add(dir+hidden, struct{}{})
		if l.seen.Has(dir + hidden) {
			l.find(RuleWhiteoutOwn, h.Name, "the file that it hides is in the same layer")
		}
	}
	if l.parents.Has(path.Clean("/" + dir)[1:]) || dir == "" && l.parents.Has(".") {
		l.find(RuleWhiteoutOrder, h.Name, "the whiteout comes after a sibling")
	}
}

// shortened is the beginning of a name that is too long for a message.
func shortened(name string) string {
	if len(name) > 64 {
		return name[:64] + "…"
	}
	return name
}
