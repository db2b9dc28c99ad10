package serve

import (
	"bytes"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/registry"
)

// maxPage is the number of names in a page, also where more are asked for. pageBytes is
// the length of a page of referrers, which must stay below what clients read of an
// index.
const (
	maxPage   = 10_000
	pageBytes = 4<<20 - 64<<10
)

// page is what n and last of a list ask for.
type page struct {
	after string
	limit int
}

func parsePage(query url.Values) (page, *Error) {
	p := page{after: query.Get("last"), limit: maxPage}
	if !query.Has("n") {
		return p, nil
	}
	n, err := strconv.Atoi(query.Get("n"))
	if err != nil || n < 0 {
		return p, newError(http.StatusBadRequest, codeNumberInvalid, "n is the number of names to list, and not negative")
	}
	p.limit = min(n, maxPage)
	return p, nil
}

// take takes the names of a page, and reports whether there are more behind it.
func (p page) take(names iter.Seq2[string, error]) (list []string, more bool, err error) {
	list = []string{}
	for name, err := range names {
		if err != nil {
			return nil, false, err
		}
		if len(list) == p.limit {
			return list, true, nil
		}
		list = append(list, name)
	}
	return list, false, nil
}

// linkNext sets the header that leads to the next page, of the names behind last.
func (x *exchange) linkNext(last string) {
	query := x.r.URL.Query()
	query.Set("last", last)
	x.w.Header().Set("Link", "<"+x.r.URL.EscapedPath()+"?"+query.Encode()+`>; rel="next"`)
}

// sendList sends a list of names.
func (x *exchange) sendList(v any, list []string, more bool) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if more && len(list) > 0 {
		x.linkNext(list[len(list)-1])
	}
	x.w.Header().Set("Cache-Control", cacheAgain)
	writeJSON(x.w, x.r, body)
	return nil
}

// serveTags lists the tags of a repository.
func (x *exchange) serveTags(repo *registry.Repository) error {
	p, bad := parsePage(x.r.URL.Query())
	if bad != nil {
		return bad
	}
	// One more is asked for, which tells whether there is a next page. An empty page is
	// that of a repository that exists, too.
	list, more, err := p.take(repo.Tags(x.r.Context(), registry.Page{After: p.after, Limit: p.limit + 1}))
	if err != nil {
		return err
	}
	return x.sendList(struct {
		Name string   `json:"name"`
		Tags []string `json:"tags"`
	}{x.at.Repo, list}, list, more)
}

// serveCatalog lists the repositories of all mounts.
func (x *exchange) serveCatalog() error {
	p, bad := parsePage(x.r.URL.Query())
	if bad != nil {
		return bad
	}
	list, more, err := p.take(x.h.repositories(x.r, p))
	if err != nil {
		return err
	}
	return x.sendList(struct {
		Repositories []string `json:"repositories"`
	}{list}, list, more)
}

// repositories lists the names of the repositories behind those of a page, as clients
// write them.
func (h *Handler) repositories(r *http.Request, p page) iter.Seq2[string, error] {
	if len(h.mounts) == 1 && h.mounts[0].Prefix == "" {
		return h.mounts[0].Registry.Repositories(r.Context(), registry.Page{After: p.after, Limit: p.limit + 1})
	}
	return func(yield func(string, error) bool) {
		var names []string
		for _, m := range h.mounts {
			for name, err := range m.Registry.Repositories(r.Context(), registry.Page{}) {
				if err != nil {
					yield("", err)
					return
				}
				if name = m.outer(name); name > p.after && h.leadsTo(name, m) {
					names = append(names, name)
				}
			}
		}
		slices.Sort(names)
		for _, name := range names {
			if !yield(name, nil) {
				return
			}
		}
	}
}

// leadsTo reports whether a name leads clients to a mount: the names of one may be
// those of another, whose prefix comes first.
func (h *Handler) leadsTo(name string, want Mount) bool {
	for _, m := range h.mounts {
		if _, ok := m.inner(name); ok {
			return m == want
		}
	}
	return false
}

// serveReferrers lists what refers to a digest, as an index. Nothing does to one that
// is unknown.
func (x *exchange) serveReferrers(repo *registry.Repository) error {
	query := x.r.URL.Query()
	artifactType := query.Get("artifactType")
	var body bytes.Buffer
	body.WriteString(`{"schemaVersion":2,"mediaType":"` + ocispec.MediaTypeImageIndex + `","manifests":[`)
	last := ""
	for desc, err := range repo.Referrers(x.r.Context(), x.at.Digest, artifactType, registry.Page{After: query.Get("last")}) {
		if err != nil {
			return err
		}
		entry, err := json.Marshal(desc)
		if err != nil {
			return err
		}
		if last != "" && body.Len()+len(entry) > pageBytes {
			x.linkNext(last)
			break
		}
		if last != "" {
			body.WriteByte(',')
		}
		body.Write(entry)
		last = desc.Digest.String()
	}
	body.WriteString("]}")
	x.w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
	x.w.Header().Set("Cache-Control", cacheAgain)
	if artifactType != "" {
		x.w.Header().Set("OCI-Filters-Applied", "artifactType")
	}
	writeJSON(x.w, x.r, body.Bytes())
	return nil
}
