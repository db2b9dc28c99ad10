package registry_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/registry"
)

// refNames are the ref names of index.json, sorted.
func refNames(t testing.TB, dir string) []string {
	t.Helper()
	s, err := layout.Open(dir, layout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	x, err := s.Index(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range x.Descriptors() {
		names = append(names, layout.RefName(d))
	}
	slices.Sort(names)
	return names
}

func wantNames(t testing.TB, dir string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if got := refNames(t, dir); !slices.Equal(got, want) {
		t.Errorf("index.json has %q, want %q", got, want)
	}
}

// A tag that moves leaves its manifest behind; a manifest that an index names needs no
// entry of its own.
func TestEntries(t *testing.T) {
	dir := t.TempDir()
	repo := repository(t, open(t, dir, registry.Options{}), "app")
	one := newImage(t, "one", nil).mustPush(t, repo, "latest")
	two := newImage(t, "two", nil).mustPush(t, repo, "latest", "v2")
	wantNames(t, dir, "app:latest", "app:v2", "app@"+string(one.desc.Digest))
	wantResolve(t, repo, string(one.desc.Digest), one.desc.Digest)

	data, index := newIndex(one.desc, two.desc)
	if _, err := repo.PushManifest(t.Context(), data, registry.Put{}); err != nil {
		t.Fatal(err)
	}
	wantNames(t, dir, "app:latest", "app:v2", "app@"+string(index.Digest))
	pushed, err := repo.PushManifest(t.Context(), data, registry.Put{Tags: []string{"all", "latest"}})
	if err != nil || !pushed.Changed || pushed.Descriptor.Digest != index.Digest {
		t.Errorf("pushed %+v, %v", pushed, err)
	}
	wantNames(t, dir, "app:all", "app:latest", "app:v2")
	if pushed, err = repo.PushManifest(t.Context(), data, registry.Put{Tags: []string{"all"}}); err != nil || pushed.Changed {
		t.Errorf("the same again: %+v, %v", pushed, err)
	}

	wantCode(t, repo.DeleteManifest(t.Context(), one.desc.Digest, registry.Condition{}), registry.CodeDenied)
	if err := repo.DeleteTag(t.Context(), "all", registry.Condition{}); err != nil {
		t.Fatal(err)
	}
	wantNames(t, dir, "app:latest", "app:v2")
	if err := repo.DeleteTag(t.Context(), "v2", registry.Condition{}); err != nil {
		t.Fatal(err)
	}
	wantNames(t, dir, "app:latest") // the index has two still
	wantCode(t, repo.DeleteTag(t.Context(), "v2", registry.Condition{}), registry.CodeManifestUnknown)
	if err := repo.DeleteManifest(t.Context(), index.Digest, registry.Condition{}); err != nil {
		t.Fatal(err)
	}
	wantNames(t, dir)
	wantResolve(t, repo, string(two.desc.Digest), "")
	wantCode(t, repo.DeleteManifest(t.Context(), index.Digest, registry.Condition{}), registry.CodeManifestUnknown)
	wantValid(t, dir)
}

// A condition is looked at before anything changes, for each tag.
func TestConditions(t *testing.T) {
	dir := t.TempDir()
	repo := repository(t, open(t, dir, registry.Options{Immutable: []string{"v*"}}), "app")
	one, two := newImage(t, "one", nil), newImage(t, "two", nil)
	two.mustPush(t, repo)
	one.mustPush(t, repo, "latest", "v1")
	for name, test := range map[string]struct {
		tags []string
		when registry.Condition
		have digest.Digest
		fail bool
	}{
		"other digest":        {tags: []string{"latest"}, when: registry.Condition{Digest: two.desc.Digest}, have: one.desc.Digest, fail: true},
		"exists":              {tags: []string{"latest"}, when: registry.Condition{Absent: true}, have: one.desc.Digest, fail: true},
		"does not exist":      {tags: []string{"new"}, when: registry.Condition{Present: true}, fail: true},
		"one of two":          {tags: []string{"new", "latest"}, when: registry.Condition{Absent: true}, have: one.desc.Digest, fail: true},
		"digest of an absent": {tags: []string{"new"}, when: registry.Condition{Digest: one.desc.Digest}, fail: true},
		"the manifest":        {when: registry.Condition{Absent: true}, have: two.desc.Digest, fail: true},
		"met by absence":      {tags: []string{"fresh"}, when: registry.Condition{Absent: true}},
		"met by the digest":   {tags: []string{"fresh2"}, when: registry.Condition{}},
	} {
		before := refNames(t, dir)
		_, err := repo.PushManifest(t.Context(), two.manifest, registry.Put{Tags: test.tags, If: test.when})
		var unmet *registry.PreconditionError
		if errors.As(err, &unmet) != test.fail || !test.fail && err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if test.fail && (unmet.Have != test.have || !slices.Equal(before, refNames(t, dir))) {
			t.Errorf("%s: have %s; index.json has %q", name, unmet.Have, refNames(t, dir))
		}
	}
	if _, err := repo.PushManifest(t.Context(), two.manifest, registry.Put{Tags: []string{"latest"}, If: registry.Condition{Digest: one.desc.Digest}}); err != nil {
		t.Error(err)
	}
	wantResolve(t, repo, "latest", two.desc.Digest)

	_, err := repo.PushManifest(t.Context(), two.manifest, registry.Put{Tags: []string{"latest", "v1"}})
	wantCode(t, err, registry.CodeDenied)
	if err == nil || !strings.Contains(err.Error(), string(one.desc.Digest)) {
		t.Errorf("the error does not tell the digest: %v", err)
	}
	one.mustPush(t, repo, "v1") // the same is no move
	wantCode(t, repo.DeleteTag(t.Context(), "v1", registry.Condition{}), registry.CodeDenied)
	wantCode(t, repo.DeleteManifest(t.Context(), one.desc.Digest, registry.Condition{}), registry.CodeDenied)
	var unmet *registry.PreconditionError
	if err := repo.DeleteTag(t.Context(), "latest", registry.Condition{Digest: one.desc.Digest}); !errors.As(err, &unmet) {
		t.Errorf("deleted against the condition: %v", err)
	}
	wantResolve(t, repo, "v1", one.desc.Digest)
}

// What is no manifest, or not what the request says, is refused with its code, and
// nothing shows.
func TestRefusedManifests(t *testing.T) {
	dir := t.TempDir()
	repo := repository(t, open(t, dir, registry.Options{}), "app")
	i := newImage(t, "one", nil).mustPush(t, repo, "v1")
	edit := func(old, new string) []byte { return []byte(strings.Replace(string(i.manifest), old, new, 1)) }
	for name, test := range map[string]struct {
		data []byte
		put  registry.Put
		code registry.Code
	}{
		"other digest":    {i.manifest, registry.Put{Digest: digest.FromString("x")}, registry.CodeDigestInvalid},
		"no digest":       {i.manifest, registry.Put{Digest: "sha256:../../x"}, registry.CodeDigestInvalid},
		"sha384":          {i.manifest, registry.Put{Digest: digest.SHA384.FromBytes(i.manifest)}, registry.CodeDigestInvalid},
		"no tag":          {i.manifest, registry.Put{Tags: []string{"a", "../x"}}, registry.CodeTagInvalid},
		"other type":      {i.manifest, registry.Put{MediaType: ocispec.MediaTypeImageIndex}, registry.CodeManifestInvalid},
		"unknown type":    {i.manifest, registry.Put{MediaType: "text/html"}, registry.CodeManifestInvalid},
		"no JSON":         {[]byte("x"), registry.Put{MediaType: ocispec.MediaTypeImageManifest}, registry.CodeManifestInvalid},
		"nothing":         {nil, registry.Put{MediaType: ocispec.MediaTypeImageManifest}, registry.CodeManifestInvalid},
		"duplicate keys":  {edit(`"layers"`, `"layers":[],"layers"`), registry.Put{}, registry.CodeManifestInvalid},
		"folded keys":     {edit(`"layers"`, `"Layers":[],"layers"`), registry.Put{}, registry.CodeManifestInvalid},
		"a manifest too":  {edit(`"layers"`, `"manifests":[],"layers"`), registry.Put{}, registry.CodeManifestInvalid},
		"too large":       {make([]byte, 5<<20), registry.Put{}, registry.CodeSizeInvalid},
		"missing layer":   {edit(string(blob(i.layer).Digest), string(digest.FromString("gone"))), registry.Put{}, registry.CodeManifestBlobUnknown},
		"other size":      {edit(`"size":9`, `"size":8`), registry.Put{}, registry.CodeManifestBlobUnknown},
		"missing in tags": {edit(string(blob(i.layer).Digest), string(digest.FromString("gone"))), registry.Put{Tags: []string{"v1"}}, registry.CodeManifestBlobUnknown},
	} {
		if string(test.data) == string(i.manifest) && strings.HasPrefix(name, "missing") {
			t.Fatalf("%s: the manifest is not edited", name)
		}
		_, err := repo.PushManifest(t.Context(), test.data, test.put)
		var e *registry.Error
		if !errors.As(err, &e) || e.Code != test.code {
			t.Errorf("%s: %v, want %s", name, err, test.code)
		}
	}
	wantNames(t, dir, "app:v1")

	gone := blob("gone")
	data, _ := newIndex(gone)
	if _, err := repository(t, open(t, dir, registry.Options{Sparse: true}), "app").PushManifest(t.Context(), data, registry.Put{Tags: []string{"sparse"}}); err != nil {
		t.Error(err)
	}
	long := newImage(t, "sha512", nil)
	long.mustPush(t, repo)
	d := digest.SHA512.FromBytes(long.manifest)
	if pushed, err := repo.PushManifest(t.Context(), long.manifest, registry.Put{Digest: d, Tags: []string{"long"}}); err != nil || pushed.Descriptor.Digest != d {
		t.Errorf("%+v, %v", pushed, err)
	}
	wantResolve(t, repo, "long", d)
	wantResolve(t, repo, string(d), d)
}

// A referrer may come before its subject, and stays without it.
func TestReferrers(t *testing.T) {
	dir := t.TempDir()
	reg := open(t, dir, registry.Options{})
	repo := repository(t, reg, "app")
	subject := newImage(t, "subject", nil)
	var all []digest.Digest
	for _, seed := range []string{"a", "b", "c", "d"} {
		i := newImage(t, seed, &subject.desc).mustPush(t, repo)
		all = append(all, i.desc.Digest)
	}
	slices.Sort(all)
	referrers := func(repo *registry.Repository, artifactType string, page registry.Page) []digest.Digest {
		var out []digest.Digest
		for _, d := range list(t, repo.Referrers(t.Context(), subject.desc.Digest, artifactType, page)) {
			out = append(out, d.Digest)
		}
		return out
	}
	if got := referrers(repo, "", registry.Page{}); !slices.Equal(got, all) {
		t.Errorf("referrers %v, want %v", got, all)
	}
	if got := referrers(repo, "", registry.Page{After: string(all[0]), Limit: 2}); !slices.Equal(got, all[1:3]) {
		t.Errorf("a page is %v, want %v", got, all[1:3])
	}
	if got := referrers(repo, "other/type", registry.Page{}); len(got) > 0 {
		t.Errorf("of another type: %v", got)
	}
	if got := referrers(repository(t, reg, "other"), "", registry.Page{}); len(got) > 0 {
		t.Errorf("in another repository: %v", got)
	}
	subject.mustPush(t, repo, "v1")
	if err := repo.DeleteManifest(t.Context(), subject.desc.Digest, registry.Condition{}); err != nil {
		t.Fatal(err)
	}
	wantResolve(t, repo, string(subject.desc.Digest), "")
	if got := referrers(repo, "", registry.Page{}); !slices.Equal(got, all) {
		t.Errorf("without the subject: %v", got)
	}
	found, err := repo.Predecessors(t.Context(), subject.desc)
	if err != nil || len(found) != 4 {
		t.Errorf("predecessors %v, %v", found, err)
	}
}

// Layouts that others wrote: bare tags, none, hosts, names that mean nothing here, and
// artifacts without a name that belong to the repository of their subject.
func TestForeignNames(t *testing.T) {
	dir := t.TempDir()
	s, err := layout.Open(dir, layout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	app := newImage(t, "image", nil)
	sbom := newImage(t, "sbom", &app.desc)
	other := newImage(t, "other", nil)
	for _, i := range []image{app, sbom, other} {
		for _, data := range []string{i.config, i.layer, string(i.manifest)} {
			if err := s.Push(t.Context(), blob(data), strings.NewReader(data)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, desc := range map[string]ocispec.Descriptor{
		"team/app:v1": app.desc, "bare": app.desc, "registry.example.com/team/app:v1": app.desc, "localhost:5000/app:v1": app.desc,
		"Team/App:v1": app.desc, "a@b": app.desc, string(sbom.desc.Digest): sbom.desc, string(other.desc.Digest): other.desc,
	} {
		if err := s.Tag(t.Context(), desc, name); err != nil {
			t.Fatal(err)
		}
	}
	reg := open(t, dir, registry.Options{})
	if got := list(t, reg.Repositories(t.Context(), registry.Page{})); !slices.Equal(got, []string{"registry.example.com/team/app", "team/app"}) {
		t.Errorf("repositories %q", got)
	}
	if got := list(t, reg.Repositories(t.Context(), registry.Page{After: "s", Limit: 1})); !slices.Equal(got, []string{"team/app"}) {
		t.Errorf("a page is %q", got)
	}
	repo := repository(t, reg, "team/app")
	wantResolve(t, repo, string(sbom.desc.Digest), sbom.desc.Digest)
	wantResolve(t, repo, string(other.desc.Digest), "")
	if found := list(t, repo.Referrers(t.Context(), app.desc.Digest, "", registry.Page{})); len(found) != 1 {
		t.Errorf("referrers %v", found)
	}
	def := repository(t, open(t, dir, registry.Options{DefaultRepo: "lib/default"}), "lib/default")
	wantResolve(t, def, "bare", app.desc.Digest)
	wantResolve(t, def, string(other.desc.Digest), other.desc.Digest)
	other.mustPush(t, def, "bare", "new")
	names := refNames(t, dir)
	for _, name := range []string{"bare", "new", "lib/default@" + string(app.desc.Digest), "localhost:5000/app:v1", "Team/App:v1"} {
		if !slices.Contains(names, name) {
			t.Errorf("index.json has no %s: %q", name, names)
		}
	}
	wantResolve(t, def, string(app.desc.Digest), app.desc.Digest)
	if err := def.DeleteManifest(t.Context(), other.desc.Digest, registry.Condition{}); err != nil {
		t.Error(err)
	}
	wantResolve(t, def, "new", "")
	wantResolve(t, def, string(other.desc.Digest), "")
}

// A manifest that is deleted takes no other one along that index.json gives the same tag.
func TestDeleteOneOfTwo(t *testing.T) {
	dir := t.TempDir()
	repo := repository(t, open(t, dir, registry.Options{DefaultRepo: "app"}), "app")
	one, two := newImage(t, "one", nil).mustPush(t, repo, "v1"), newImage(t, "two", nil).mustPush(t, repo)
	s, err := layout.Open(dir, layout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, _, err := s.Swap(t.Context(), func(x *layout.Index) error {
		x.Remove("app@" + string(two.desc.Digest))
		return x.Set(layout.WithRefName(two.desc, "app:v1")) // as some client writes it
	}); err != nil {
		t.Fatal(err)
	}
	if err := repo.DeleteManifest(t.Context(), one.desc.Digest, registry.Condition{}); err != nil {
		t.Fatal(err)
	}
	wantNames(t, dir, "app:v1")
	wantResolve(t, repo, "v1", two.desc.Digest)
	wantResolve(t, repo, string(one.desc.Digest), "")
}

// Names that registries have and the image spec would not give an entry are valid, and
// can be given by the layout commands: a repository with two underscores, by its digest.
func TestUntaggedName(t *testing.T) {
	dir := t.TempDir()
	i := newImage(t, "one", nil).mustPush(t, repository(t, open(t, dir, registry.Options{}), "a__b/c.d"))
	name := "a__b/c.d@" + string(i.desc.Digest)
	wantNames(t, dir, name)
	if err := imagespec.CheckRefName(name); err != nil {
		t.Errorf("%s %v", name, err)
	}
	wantValid(t, dir)
	for from, want := range map[string]string{"a__b/c.d:v1": name, "v1": "", "localhost:5000/a:v1": "", "": ""} {
		if got := registry.UntaggedName(layout.WithRefName(i.desc, from)); got != want {
			t.Errorf("%q becomes %q, want %q", from, got, want)
		}
	}
}
