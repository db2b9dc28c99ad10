package schema

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/layform/layform/spec/addr"
)

// TestComplete holds that every block and attribute says what the reference shows,
// and that examples and defaults are values of the attribute's type.
func TestComplete(t *testing.T) {
	count := 0
	Walk(func(path []string, b *Block) {
		name := strings.Join(path, ".")
		if !strings.HasSuffix(b.Text, ".") || b.Example == "" {
			t.Errorf("%s: the text is %q, the example %q", name, b.Text, b.Example)
		}
		seen := map[string]bool{}
		for i := range b.Attributes {
			a := &b.Attributes[i]
			count++
			if seen[a.Name] || !strings.HasSuffix(a.Text, ".") || a.Example == "" || a.TypeText() == "" {
				t.Errorf("%s.%s is there twice, or has no text, type or example: %+v", name, a.Name, a)
			}
			seen[a.Name] = true
			if len(a.Refers) > 0 || a.Form != Expression {
				continue
			}
			v, ok := literal(a.Example)
			if !ok {
				continue // it refers to something, or calls a function
			}
			if err := fits(v, a); err != nil {
				t.Errorf("%s.%s: the example %s: %v", name, a.Name, a.Example, err)
			}
			if a.Values != nil && !slices.Contains(a.Values, v.AsString()) {
				t.Errorf("%s.%s: the example %s is none of %v", name, a.Name, a.Example, a.Values)
			}
			if v, ok := literal(a.Default); ok {
				if err := fits(v, a); err != nil {
					t.Errorf("%s.%s: the default %s: %v", name, a.Name, a.Default, err)
				}
			}
		}
	})
	if count < 100 {
		t.Errorf("the language has only %d attributes", count)
	}
}

// literal is the value of an expression that needs no names and functions.
func literal(text string) (cty.Value, bool) {
	e, diags := hclsyntax.ParseExpression([]byte(text), "x", hcl.InitialPos)
	if diags.HasErrors() {
		return cty.NilVal, false
	}
	v, diags := e.Value(nil)
	return v, !diags.HasErrors()
}

// fits holds a value against the types of an attribute.
func fits(v cty.Value, a *Attribute) error {
	_, err := convert.Convert(v, a.Type)
	for _, t := range a.Forms {
		if _, other := convert.Convert(v, t); other == nil {
			return nil
		}
	}
	return err
}

// TestDecides lists the attributes that do not decide the blob of their object.
func TestDecides(t *testing.T) {
	want := map[string]Effect{
		"layer.created_by": History, "layer.author": History, "layer.comment": History, "layer.created": History,
		"layer.annotations": Descriptor, "layer.urls": Descriptor, "config.annotations": Descriptor,
		"manifest.descriptor_annotations": Descriptor, "manifest.platform": Descriptor, "manifest.os_version": Descriptor, "manifest.os_features": Descriptor, "manifest.tags": Entry,
		"index.descriptor_annotations": Descriptor, "index.tags": Entry,
	}
	got := map[string]Effect{}
	for _, kind := range []addr.Kind{addr.Base, addr.Layer, addr.Config, addr.Manifest, addr.Index} {
		for _, a := range Of(kind).Attributes {
			if e := Decides(kind, a.Name); e != Blob {
				got[string(kind)+"."+a.Name] = e
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, kind := range []addr.Kind{addr.Layer, "thing", ""} {
		if got := Decides(kind, "nothing"); got != Blob {
			t.Errorf("an unknown attribute of %q decides %s", kind, got)
		}
	}
	if got := (Blob | History | Entry).String(); got != "blob, history, entry of index.json" {
		t.Errorf("effects are written %q", got)
	}
}

// TestReserved lists the members that extra may not hold.
func TestReserved(t *testing.T) {
	for _, c := range []struct {
		kind     addr.Kind
		inConfig bool
		want     []string
	}{
		{addr.Config, false, []string{"architecture", "author", "config", "created", "history", "os", "os.features", "os.version", "rootfs", "variant"}},
		{addr.Config, true, []string{"ArgsEscaped", "Cmd", "Entrypoint", "Env", "ExposedPorts", "Labels", "StopSignal", "User", "Volumes", "WorkingDir"}},
		{addr.Manifest, false, []string{"annotations", "artifactType", "config", "layers", "manifests", "mediaType", "schemaVersion", "subject"}},
		{addr.Index, false, []string{"annotations", "artifactType", "config", "layers", "manifests", "mediaType", "schemaVersion", "subject"}},
	} {
		got := Of(c.kind).Reserved(c.inConfig)
		slices.Sort(got)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s %v: %s", c.kind, c.inConfig, diff)
		}
	}
}

// TestContent: a name that is not expected is answered with the one that was meant,
// or with those that are expected.
func TestContent(t *testing.T) {
	details := func(b *Block, text string) string {
		f, diags := hclsyntax.ParseConfig([]byte(text+"\n"), "x", hcl.InitialPos)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		_, diags = b.Content(f.Body)
		all := ""
		for _, d := range diags {
			all += d.Detail + "\n"
		}
		return all
	}
	Walk(func(path []string, b *Block) {
		if b.Open {
			return
		}
		for _, a := range b.Attributes {
			if got := details(b, a.Name+"x = 1"); !strings.Contains(got, "Did you mean \"") && !strings.Contains(got, "Expected is one of") {
				t.Errorf("%s.%sx: %s", strings.Join(path, "."), a.Name, got)
			}
		}
		want := "Expected is one of " + oneOf(append(b.AttributeNames(), blockNames(b.Blocks)...))
		if got := details(b, "zzzzzzzz = 1"); !strings.Contains(got, want) {
			t.Errorf("%s: %s; want %s", strings.Join(path, "."), got, want)
		}
	})
	if got := details(Of(addr.Layer), "fil \"a\" {}"); !strings.Contains(got, `Did you mean "file"?`) {
		t.Error(got)
	}
	if got := details(Of(addr.Layer), "zzzzzz \"a\" {}"); !strings.Contains(got, "Expected is one of compression, copy, file") {
		t.Error(got)
	}
}

// TestFirstTries: what the language has in the place of a name is in the language, and
// the name is none that the block has for itself.
func TestFirstTries(t *testing.T) {
	attributes := map[string]bool{"name": true, "value": true} // those of locals and of objects
	Walk(func(_ []string, b *Block) {
		for _, a := range b.Attributes {
			attributes[a.Name] = true
		}
	})
	code := regexp.MustCompile(`([a-z_]+) = (?:\{[^}]*\})?`) // keys in braces are the user's
	check := func(b *Block, tries []try) {
		for _, try := range tries {
			for _, name := range strings.Fields(try.names) {
				if b.firstTry(name) == "" {
					t.Errorf("%q has a hint that is not found", name)
				}
			}
			for _, m := range code.FindAllStringSubmatch(try.hint, -1) {
				if !attributes[m[1]] {
					t.Errorf("%s: there is no attribute %s: %s", try.names, m[1], try.hint)
				}
			}
		}
	}
	tried := 0
	for _, b := range append([]*Block{file}, root...) {
		tried += len(triesIn(b.Name))
		check(b, triesIn(b.Name))
	}
	if tried < 50 {
		t.Errorf("%d tries are known", tried)
	}
	check(file, triesAnywhere())
}
