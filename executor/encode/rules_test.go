package encode

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/jsondoc"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/layout/validate"
)

// header is a raw header block, with its checksum.
func header(name string, typ byte, size int64, edit ...func(h []byte)) []byte {
	h := make([]byte, 512)
	copy(h, name)
	copy(h[100:], "0000644\x000000000\x000000000\x00")
	copy(h[124:], fmt.Sprintf("%011o\x0000000000000\x00", size))
	h[156] = typ
	copy(h[257:], "ustar\x0000")
	for _, e := range edit {
		e(h)
	}
	copy(h[148:], "        ")
	sum := 0
	for _, b := range h {
		sum += int(b)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return h
}

// padded fills a block.
func padded(s string) []byte { return append([]byte(s), make([]byte, -len(s)&511)...) }

// pax is an extended header with records, key after value.
func pax(typ byte, records ...string) []byte {
	var all strings.Builder
	for i := 0; i < len(records); i += 2 {
		rest := " " + records[i] + "=" + records[i+1] + "\n"
		n := len(rest)
		for n != len(rest)+len(strconv.Itoa(n)) {
			n = len(rest) + len(strconv.Itoa(n))
		}
		all.WriteString(strconv.Itoa(n) + rest)
	}
	return append(header("PaxHeaders/x", typ, int64(all.Len())), padded(all.String())...)
}

// gnuLong is GNU's header of a long name or link.
func gnuLong(typ byte, name string) []byte {
	return append(header("././@LongLink", typ, int64(len(name)+1)), padded(name+"\x00")...)
}

// archiveOf puts blocks together, with the end of a tar.
func archiveOf(parts ...[]byte) []byte {
	return append(slices.Concat(parts...), make([]byte, 1024)...)
}

// hidden is an entry that stands where only some readers look.
func hidden() []byte { return header("hidden", tar.TypeReg, 0) }

// validated gives what Validate says of a layout with an image of one layer.
func validated(t *testing.T, blob []byte) []validate.Finding {
	t.Helper()
	ctx := context.Background()
	store, err := layout.Open(t.TempDir(), layout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	put := func(mediaType string, content []byte) ocispec.Descriptor {
		t.Helper()
		d := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))}
		if err := store.Push(ctx, d, bytes.NewReader(content)); err != nil {
			t.Fatal(err)
		}
		return d
	}
	document := func(v any) []byte {
		t.Helper()
		data, err := jsondoc.Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	image := ocispec.Image{
		Platform: ocispec.Platform{OS: "linux", Architecture: "amd64"},
		RootFS:   ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromBytes(blob)}},
		History:  []ocispec.History{{CreatedBy: "test"}},
	}
	manifest := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageManifest,
		Config:    put(ocispec.MediaTypeImageConfig, document(image)),
		Layers:    []ocispec.Descriptor{put(ocispec.MediaTypeImageLayer, blob)},
	}
	d := put(ocispec.MediaTypeImageManifest, document(manifest))
	if err := store.Tag(ctx, d, "latest"); err != nil {
		t.Fatal(err)
	}
	var found []validate.Finding
	for f, err := range validate.Layout(ctx, store.Reader, validate.Options{}) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, f)
	}
	return found
}

// TestOneSetOfRules: what one of import, validation and DeriveTOC says of a tar
// follows from the same rules as what the others say.
func TestOneSetOfRules(t *testing.T) {
	file := func(name string) []byte { return header(name, tar.TypeReg, 0) }
	link := func(name string, typ byte, target string) []byte {
		return header(name, typ, 0, func(h []byte) { copy(h[157:], target) })
	}
	dir := func(name string) []byte { return header(name, tar.TypeDir, 0) }
	gnu := func(h []byte) { copy(h[257:], "ustar  \x00") }
	old := func(h []byte) { clear(h[257:265]) }
	long := strings.Repeat("n", 120)
	for name, c := range map[string]struct {
		tar   []byte
		rules []layer.Rule
	}{
		"good":          {archiveOf(dir("d/"), file("d/a"), link("d/b", tar.TypeLink, "d/a"), link("l", tar.TypeSymlink, "../x")), nil},
		"good with PAX": {archiveOf(pax('x', "path", long, "mtime", "1.5"), file("n"), pax('x', "size", "3"), header("m", tar.TypeReg, 3), padded("abc")), nil},
		"good with GNU": {archiveOf(gnuLong('L', long), header("n", tar.TypeReg, 0, gnu), gnuLong('K', long), gnuLong('L', long+"l"), header("l", tar.TypeSymlink, 0, gnu)), nil},
		"good and old":  {archiveOf(header("d/", 0, 0, old), header("d/f", 0, 3, old), padded("abc"), header("g", tar.TypeReg, 0, gnu, func(h []byte) { copy(h[345:], "13412345670\x0013412345670\x00") })), nil},
		"good from git": {archiveOf(pax('g', "comment", "0123456789abcdef"), file("f")), nil},

		"root as a symlink":                {archiveOf(link("./", tar.TypeSymlink, "/etc")), []layer.Rule{layer.RuleRoot, layer.RuleHeader}},
		"root as a file":                   {archiveOf(file(".")), []layer.Rule{layer.RuleRoot}},
		"root as a FIFO":                   {archiveOf(header("./.", tar.TypeFifo, 0)), []layer.Rule{layer.RuleRoot}},
		"root as a hard link":              {archiveOf(file("a"), link(".", tar.TypeLink, "a")), []layer.Rule{layer.RuleRoot}},
		"an empty name":                    {archiveOf(file("")), []layer.Rule{layer.RuleRoot}},
		"an empty name of a symlink":       {archiveOf(link("", tar.TypeSymlink, "a")), []layer.Rule{layer.RuleRoot}},
		"root by a detour":                 {archiveOf(file("a/..")), []layer.Rule{layer.RuleRoot, layer.RulePath}},
		"root by a slash":                  {archiveOf(dir("/"), file("a")), nil},
		"root as a directory":              {archiveOf(dir("./"), file("./a")), nil},
		"hard link to a directory":         {archiveOf(dir("d/"), link("l", tar.TypeLink, "d")), []layer.Rule{layer.RuleHardlink}},
		"hard link to a directory, slash":  {archiveOf(dir("d/"), link("l", tar.TypeLink, "d/")), []layer.Rule{layer.RuleHardlink}},
		"hard link to the root":            {archiveOf(dir("./"), link("l", tar.TypeLink, "./")), []layer.Rule{layer.RuleHardlink}},
		"hard link, absolute":              {archiveOf(file("a"), link("l", tar.TypeLink, "/a")), []layer.Rule{layer.RuleAbsolute}},
		"hard link to a whiteout":          {archiveOf(file(".wh.a"), link("l", tar.TypeLink, ".wh.a")), []layer.Rule{layer.RuleHardlink}},
		"hard link out":                    {archiveOf(link("l", tar.TypeLink, "../a")), []layer.Rule{layer.RuleHardlink}},
		"hard link to nothing":             {archiveOf(link("l", tar.TypeLink, "a")), []layer.Rule{layer.RuleHardlinkLower}},
		"hard link too early":              {archiveOf(link("l", tar.TypeLink, "a"), file("a")), []layer.Rule{layer.RuleHardlinkLower, layer.RuleHardlink}},
		"hard link through a symlink":      {archiveOf(link("s", tar.TypeSymlink, "/"), link("l", tar.TypeLink, "s/a")), []layer.Rule{layer.RuleHardlink}},
		"whiteout of the directory":        {archiveOf(file(".wh..")), []layer.Rule{layer.RuleWhiteoutName}},
		"whiteout of the one above":        {archiveOf(dir("d/"), file("d/.wh...")), []layer.Rule{layer.RuleWhiteoutName}},
		"whiteout of nothing":              {archiveOf(file("etc/.wh.")), []layer.Rule{layer.RuleWhiteoutName}},
		"whiteout with content":            {archiveOf(header(".wh.a", tar.TypeReg, 1), padded("x")), []layer.Rule{layer.RuleWhiteoutForm}},
		"whiteout as a directory":          {archiveOf(dir(".wh.a/")), []layer.Rule{layer.RuleWhiteoutForm}},
		"a file of AUFS":                   {archiveOf(file(".wh..wh.plnk")), []layer.Rule{layer.RuleWhiteoutReserved}},
		"whiteout of its own":              {archiveOf(file("a"), file(".wh.a")), []layer.Rule{layer.RuleWhiteoutOwn, layer.RuleWhiteoutOrder}},
		"whiteout after a sibling":         {archiveOf(file("a"), file(".wh.b")), []layer.Rule{layer.RuleWhiteoutOrder}},
		"out of the layer":                 {archiveOf(file("../a")), []layer.Rule{layer.RulePath}},
		"absolute":                         {archiveOf(file("/a")), []layer.Rule{layer.RuleAbsolute}},
		"twice":                            {archiveOf(file("a"), file("./a")), []layer.Rule{layer.RuleDuplicate}},
		"a directory twice":                {archiveOf(dir("a/"), dir("a")), []layer.Rule{layer.RuleDuplicate}},
		"below a file":                     {archiveOf(file("a"), file("a/b")), []layer.Rule{layer.RuleBelowFile}},
		"below a file, the file later":     {archiveOf(file("a/b"), file("a")), []layer.Rule{layer.RuleBelowFile}},
		"below a symlink":                  {archiveOf(link("a", tar.TypeSymlink, "/etc"), file("a/b")), []layer.Rule{layer.RuleThroughLink}},
		"Latin-1":                          {archiveOf(file("caf\xe9")), []layer.Rule{layer.RuleName}},
		"contiguous":                       {archiveOf(header("a", tar.TypeCont, 0)), []layer.Rule{layer.RuleEntryType}},
		"a volume label":                   {archiveOf(header("a", 'V', 0)), []layer.Rule{layer.RuleEntryType}},
		"a Solaris header":                 {archiveOf(pax('X', "path", "a"), file("f")), []layer.Rule{layer.RuleEntryType}},
		"sparse":                           {archiveOf(header("s", 'S', 0, gnu)), []layer.Rule{layer.RuleSparse}},
		"sparse by star":                   {archiveOf(pax('x', "SCHILY.realsize", "1000000"), file("s")), []layer.Rule{layer.RuleSparse}},
		"no end":                           {file("a"), []layer.Rule{layer.RuleEnd}},
		"half an end":                      {append(file("a"), make([]byte, 512)...), []layer.Rule{layer.RuleEnd}},
		"data behind the end":              {append(archiveOf(file("a")), hidden()...), []layer.Rule{layer.RuleTrailing}},
		"cut off":                          {append(header("a", tar.TypeReg, 1000), 'x'), []layer.Rule{layer.RuleUnreadable}},
		"no tar":                           {archiveOf(file("a"), bytes.Repeat([]byte("no tar "), 1000)), []layer.Rule{layer.RuleUnreadable}},
		"a lone zero block":                {archiveOf(file("a"), make([]byte, 512), hidden()), []layer.Rule{layer.RuleUnreadable}},
		"size of a symlink":                {archiveOf(header("l", tar.TypeSymlink, 512, func(h []byte) { copy(h[157:], "x") }), hidden()), []layer.Rule{layer.RuleEntrySize}},
		"size of a hard link":              {archiveOf(file("a"), header("l", tar.TypeLink, 512, func(h []byte) { copy(h[157:], "a") }), hidden()), []layer.Rule{layer.RuleEntrySize}},
		"size of a FIFO":                   {archiveOf(header("p", tar.TypeFifo, 512), hidden()), []layer.Rule{layer.RuleEntrySize}},
		"size of a device":                 {archiveOf(header("c", tar.TypeChar, 512), hidden()), []layer.Rule{layer.RuleEntrySize}},
		"size of a directory":              {archiveOf(header("d/", tar.TypeDir, 512), hidden()), []layer.Rule{layer.RuleEntrySize}},
		"size of an old directory":         {archiveOf(header("d/", 0, 512, old), hidden()), []layer.Rule{layer.RuleEntrySize}},
		"PAX size of a symlink":            {archiveOf(pax('x', "size", "512"), link("l", tar.TypeSymlink, "x"), hidden()), []layer.Rule{layer.RuleEntrySize}},
		"PAX size above":                   {archiveOf(pax('x', "size", "512"), file("f"), hidden()), []layer.Rule{layer.RuleEntrySize}},
		"PAX size below":                   {archiveOf(pax('x', "size", "0"), header("f", tar.TypeReg, 512), hidden()), []layer.Rule{layer.RuleEntrySize}},
		"an empty PAX size":                {archiveOf(pax('x', "size", ""), header("f", tar.TypeReg, 3), padded("abc")), []layer.Rule{layer.RuleHeader}},
		"a size behind a NUL":              {archiveOf(header("f", tar.TypeReg, 0, func(h []byte) { copy(h[124:], "\x000000001000\x00") }), hidden()), []layer.Rule{layer.RuleHeader}},
		"global path":                      {archiveOf(pax('g', "path", "../../evil"), file("f")), []layer.Rule{layer.RuleHeader}},
		"global linkpath":                  {archiveOf(pax('g', "linkpath", "/etc/passwd"), link("l", tar.TypeSymlink, "x")), []layer.Rule{layer.RuleHeader}},
		"global size":                      {archiveOf(pax('g', "comment", "x", "size", "512"), file("f"), hidden()), []layer.Rule{layer.RuleHeader}},
		"global owner":                     {archiveOf(pax('g', "uid", "0"), file("f")), []layer.Rule{layer.RuleHeader}},
		"a global header within":           {archiveOf(pax('x', "path", "other"), pax('g', "comment", "x"), file("f")), []layer.Rule{layer.RuleHeader}},
		"a global header after a long one": {archiveOf(gnuLong('L', "other"), pax('g', "comment", "x"), file("f")), []layer.Rule{layer.RuleHeader}},
		"GNU and PAX name":                 {archiveOf(gnuLong('L', "one"), pax('x', "path", "two"), file("f")), []layer.Rule{layer.RuleHeader}},
		"PAX and GNU name":                 {archiveOf(pax('x', "path", "two"), gnuLong('L', "one"), file("f")), []layer.Rule{layer.RuleHeader}},
		"GNU and PAX target":               {archiveOf(gnuLong('K', "one"), pax('x', "linkpath", "two"), link("l", tar.TypeSymlink, "x")), []layer.Rule{layer.RuleHeader}},
		"GNU name and PAX time":            {archiveOf(pax('x', "mtime", "1.5"), gnuLong('L', "one"), file("f")), nil},
		"two PAX headers":                  {archiveOf(pax('x', "path", "one"), pax('x', "mtime", "1"), file("f")), []layer.Rule{layer.RuleHeader}},
		"two long names":                   {archiveOf(gnuLong('L', "one"), gnuLong('L', "two"), file("f")), []layer.Rule{layer.RuleHeader}},
		"a PAX name twice":                 {archiveOf(pax('x', "path", "one", "path", "two"), file("f")), []layer.Rule{layer.RuleHeader}},
		"an extended header alone":         {archiveOf(file("f"), pax('x', "path", "one")), []layer.Rule{layer.RuleHeader}},
		"a file with a slash":              {archiveOf(file("f/")), []layer.Rule{layer.RuleHeader}},
		"a symlink with a slash":           {archiveOf(link("f/", tar.TypeSymlink, "x")), []layer.Rule{layer.RuleHeader}},
		"a prefix that is not POSIX's":     {archiveOf(header("f", tar.TypeReg, 0, old, func(h []byte) { copy(h[345:], "../evil") })), []layer.Rule{layer.RuleHeader}},
		"a prefix in a header of GNU's":    {archiveOf(header("f", tar.TypeReg, 0, gnu, func(h []byte) { copy(h[345:], "evil") })), []layer.Rule{layer.RuleHeader}},
		"a name that is too long":          {archiveOf(gnuLong('L', strings.Repeat("n", 300)), file("f")), []layer.Rule{layer.RulePath}},
		"a target that is too long":        {archiveOf(gnuLong('K', strings.Repeat("n", 5000)), link("l", tar.TypeSymlink, "x")), []layer.Rule{layer.RulePath}},
	} {
		t.Run(name, func(t *testing.T) { checkRules(t, c.tar, c.rules) })
	}
}

// checkRules compares the verdicts on a tar with those that the rules it breaks
// demand.
func checkRules(t *testing.T, content []byte, rules []layer.Rule) {
	t.Helper()
	found := map[layer.Rule]validate.Severity{}
	for _, f := range validated(t, content) {
		found[layer.Rule(f.Rule)] = f.Severity
	}
	for _, r := range rules {
		if !r.Reported() {
			continue
		}
		want := validate.Should
		if r.Must() {
			want = validate.Must
		}
		if found[r] != want {
			t.Errorf("validate says %q of %s, want %s", found[r], r, want)
		}
		delete(found, r)
	}
	for r := range found {
		t.Errorf("validate finds %s", r)
	}
	refused := func(by func(*layer.Breach) error) bool {
		return slices.ContainsFunc(rules, func(r layer.Rule) bool { return by(&layer.Breach{Rule: r}) != nil })
	}
	verdict := func(who string, err error, want bool) {
		t.Helper()
		var b *layer.Breach
		switch {
		case !want && err != nil:
			t.Errorf("%s: %v", who, err)
		case want && err == nil:
			t.Errorf("%s takes it", who)
		case want && (!errors.As(err, &b) || !slices.Contains(rules, b.Rule)):
			t.Errorf("%s: the error %v is about another rule", who, err)
		}
	}
	for _, archive := range [][]byte{content, gzipped(t, content)} {
		_, _, err := importFile(t, archive, imagespec.Compression{Algorithm: imagespec.Zstd})
		verdict("import", err, refused(layer.RefuseArchive))
		_, err = layer.DeriveTOC(context.Background(), bytes.NewReader(archive), "")
		verdict("DeriveTOC", err, refused(layer.RefuseForeign))
	}
}
