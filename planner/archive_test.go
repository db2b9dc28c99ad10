package planner

import (
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/stage"
)

// archived has an archive that the last apply wrote, of the layout as it is.
func archived(s *scene) {
	s.prior.Stage.Archive = &stage.Archive{Path: "../x.tar", Digest: "sha256:tar", Index: s.prior.Index}
	s.prior.Archive = ObservedArchive{Path: "x.tar", Is: "sha256:tar", Ours: true}
}

// TestDiffArchive holds what becomes of the layout's archive in each situation.
func TestDiffArchive(t *testing.T) {
	changed := func(s *scene) {
		e := s.prior.Evaluated["layer.a"]
		e.Fingerprint, e.Known = digest.FromString("another"), false
		s.prior.Evaluated["layer.a"] = e
	}
	for name, test := range map[string]struct {
		set  []func(*scene)
		want string
	}{
		"none":          {nil, ""},
		"at rest":       {[]func(*scene){archived}, "no-op x.tar tar→tar"},
		"new":           {[]func(*scene){archived, func(s *scene) { s.prior.Stage.Archive, s.prior.Archive.Ours, s.prior.Archive.Is = nil, false, "" }}, "create x.tar →"},
		"gone":          {[]func(*scene){archived, func(s *scene) { s.prior.Archive.Is = "" }}, "create x.tar →tar; drift archive-gone"},
		"other bytes":   {[]func(*scene){archived, func(s *scene) { s.prior.Archive.Is = "sha256:other" }}, "update x.tar other→tar; drift archive-changed"},
		"layout change": {[]func(*scene){archived, changed}, "update x.tar tar→"},
		"foreign entry": {[]func(*scene){archived, func(s *scene) { s.prior.Index = "sha256:else" }}, "update x.tar tar→"},
		"other bytes and a change": {[]func(*scene){archived, changed, func(s *scene) { s.prior.Archive.Is = "sha256:other" }},
			"update x.tar other→; drift archive-changed"},
		"not ours": {[]func(*scene){archived, func(s *scene) { s.prior.Stage.Archive, s.prior.Archive.Ours = nil, false }}, "error: this spec did not write it"},
		"not ours, but the layout's": {[]func(*scene){archived, changed, func(s *scene) {
			s.prior.Stage.Archive, s.prior.Archive.Ours, s.prior.Archive.Equal = nil, false, true
		}}, "update x.tar tar→"},
		"not ours, adopted": {[]func(*scene){archived, func(s *scene) {
			s.prior.Stage.Archive, s.prior.Archive.Ours, s.opts.Adopt = nil, false, true
		}}, "update x.tar tar→ adopted"},
		"no file":   {[]func(*scene){archived, func(s *scene) { s.prior.Archive.Odd = "a directory" }}, "error: is a directory"},
		"not asked": {[]func(*scene){archived, func(s *scene) { s.prior.Archive = ObservedArchive{Former: "x.tar", FormerIs: "sha256:tar"} }}, "delete x.tar tar→"},
		"moved": {[]func(*scene){archived, func(s *scene) {
			s.prior.Archive = ObservedArchive{Path: "y.tar", Former: "x.tar", FormerIs: "sha256:tar"}
		}}, "delete x.tar tar→; create y.tar →"},
		"not asked, theirs": {[]func(*scene){archived, func(s *scene) { s.prior.Archive = ObservedArchive{Former: "x.tar", FormerIs: "sha256:other"} }},
			"delete x.tar other→ stays"},
		"destroy":              {[]func(*scene){archived, func(s *scene) { s.opts.Destroy = true }}, "delete x.tar tar→"},
		"destroy, theirs":      {[]func(*scene){archived, func(s *scene) { s.opts.Destroy, s.prior.Archive.Is = true, "sha256:other" }}, "delete x.tar other→ stays"},
		"destroy, never there": {[]func(*scene){archived, func(s *scene) { s.opts.Destroy, s.prior.Stage.Archive, s.prior.Archive.Ours = true, nil, false }}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene()
			for _, set := range test.set {
				set(s)
			}
			plan, err := Diff(s.graph, s.prior, s.opts)
			if want, refused := strings.CutPrefix(test.want, "error: "); refused {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %s", err, want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, a := range plan.Archives {
				text := fmt.Sprintf("%s %s %s→%s", a.Action, a.Path, encoded(a.Before), encoded(a.After))
				if a.Adopted {
					text += " adopted"
				}
				if a.Stays {
					text += " stays"
				}
				got = append(got, text)
				if a.Action != NoOp && plan.Empty() {
					t.Error("the plan is empty")
				}
			}
			for _, drift := range plan.Drift {
				got = append(got, "drift "+string(drift.Kind))
			}
			if text := strings.Join(got, "; "); text != test.want {
				t.Errorf("got %q, want %q", text, test.want)
			}
		})
	}
}

func encoded(dgst digest.Digest) string {
	if dgst == "" {
		return ""
	}
	return dgst.Encoded()
}
