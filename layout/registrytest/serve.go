package registrytest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// serve answers a request as a registry does.
func (reg *Registry) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the client went in the middle of its request
	}
	reg.mu.Lock()
	defer reg.mu.Unlock()
	path, ok := strings.CutPrefix(r.URL.Path, "/v2/")
	if !ok {
		fail(w, http.StatusNotFound, "NOT_FOUND", "no such path")
		return
	}
	if path == "" {
		return
	}
	for _, route := range []struct {
		mark  string
		serve func(w http.ResponseWriter, r *http.Request, repo, rest string, body []byte)
	}{
		{"/blobs/uploads/", reg.serveUpload},
		{"/blobs/", reg.serveBlob},
		{"/manifests/", reg.serveManifest},
		{"/tags/list", reg.serveTags},
		{"/referrers/", reg.serveReferrers},
	} {
		if repo, rest, ok := strings.Cut(path, route.mark); ok {
			route.serve(w, r, repo, rest, body)
			return
		}
	}
	fail(w, http.StatusNotFound, "NAME_UNKNOWN", "no such path")
}

func fail(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"errors":[{"code":%q,"message":%q}]}`, code, message)
}

func (reg *Registry) serveBlob(w http.ResponseWriter, r *http.Request, repo, rest string, _ []byte) {
	d := digest.Digest(rest)
	data, ok := reg.repo(repo).blobs[d]
	if !ok {
		fail(w, http.StatusNotFound, "BLOB_UNKNOWN", "no such blob")
		return
	}
	h := w.Header()
	h.Set("Docker-Content-Digest", rest)
	switch r.Method {
	case http.MethodDelete:
		delete(reg.repo(repo).blobs, d)
		w.WriteHeader(http.StatusAccepted)
		return
	case http.MethodGet, http.MethodHead:
	default:
		fail(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "not for blobs")
		return
	}
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Accept-Ranges", "bytes")
	total := len(data)
	if from, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok {
		begin, end, _ := strings.Cut(from, "-")
		start, err := strconv.Atoi(begin)
		if err != nil || start >= total {
			fail(w, http.StatusRequestedRangeNotSatisfiable, "RANGE_INVALID", "no such range")
			return
		}
		last := total - 1
		if n, err := strconv.Atoi(end); err == nil && n < last {
			last = n
		}
		data = data[start : last+1]
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", start, last, total))
		defer w.WriteHeader(http.StatusPartialContent)
	}
	h.Set("Content-Length", strconv.Itoa(len(data)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(data)
	}
}

func (reg *Registry) serveUpload(w http.ResponseWriter, r *http.Request, repo, id string, body []byte) {
	query := r.URL.Query()
	if r.Method == http.MethodPost {
		from, d := query.Get("from"), digest.Digest(query.Get("mount"))
		if data, ok := reg.repo(from).blobs[d]; ok && from != "" && !reg.NoMount {
			reg.repo(repo).blobs[d] = data
			reg.stored(w, repo, d)
			return
		}
		reg.serial++
		id = strconv.Itoa(reg.serial)
		reg.uploads[id] = &upload{repo: repo}
		w.Header().Set("Location", "/v2/"+repo+"/blobs/uploads/"+id+"?state=s%2Be%3D"+id)
		w.WriteHeader(http.StatusAccepted)
		return
	}
	u := reg.uploads[id]
	if u == nil || u.repo != repo || query.Get("state") != "s+e="+id {
		fail(w, http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN", "no such upload")
		return
	}
	switch r.Method {
	case http.MethodPatch:
		u.data = append(u.data, body...)
		w.Header().Set("Location", r.URL.String())
		w.WriteHeader(http.StatusAccepted)
	case http.MethodPut:
		delete(reg.uploads, id)
		data, d := append(u.data, body...), digest.Digest(query.Get("digest"))
		if d.Validate() != nil || d.Algorithm().FromBytes(data) != d {
			fail(w, http.StatusBadRequest, "DIGEST_INVALID", "the content has another digest")
			return
		}
		reg.repo(repo).blobs[d] = data
		reg.stored(w, repo, d)
	case http.MethodDelete:
		delete(reg.uploads, id)
		w.WriteHeader(http.StatusNoContent)
	default:
		fail(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "not for uploads")
	}
}

func (reg *Registry) stored(w http.ResponseWriter, repo string, d digest.Digest) {
	w.Header().Set("Location", "/v2/"+repo+"/blobs/"+d.String())
	w.Header().Set("Docker-Content-Digest", d.String())
	w.WriteHeader(http.StatusCreated)
}

func (reg *Registry) serveManifest(w http.ResponseWriter, r *http.Request, repo, reference string, body []byte) {
	rp := reg.repo(repo)
	d := digest.Digest(reference)
	tagged := !strings.Contains(reference, ":")
	if tagged {
		d = rp.tags[reference]
	}
	if r.Method == http.MethodPut {
		reg.putManifest(w, r, repo, reference, body)
		return
	}
	m, ok := rp.manifests[d]
	if !ok && reg.NameUnknown && len(rp.manifests) == 0 {
		fail(w, http.StatusNotFound, "NAME_UNKNOWN", "no such repository")
		return
	}
	if !ok {
		fail(w, http.StatusNotFound, "MANIFEST_UNKNOWN", "no such manifest")
		return
	}
	h := w.Header()
	h.Set("Docker-Content-Digest", d.String())
	h.Set("ETag", `"`+d.String()+`"`)
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		h.Set("Content-Type", m.mediaType)
		h.Set("Content-Length", strconv.Itoa(len(m.data)))
		if r.Method == http.MethodGet {
			_, _ = w.Write(m.data)
		}
	case http.MethodDelete:
		switch {
		case tagged && reg.NoTagDelete:
			fail(w, http.StatusBadRequest, "DIGEST_INVALID", "a digest is needed")
			return
		case !reg.permitted(r, d):
			fail(w, http.StatusPreconditionFailed, "DENIED", "the tag is another")
			return
		case tagged:
			delete(rp.tags, reference)
		default:
			delete(rp.manifests, d)
			maps.DeleteFunc(rp.tags, func(_ string, other digest.Digest) bool { return other == d })
		}
		w.WriteHeader(http.StatusAccepted)
	default:
		fail(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "not for manifests")
	}
}

// permitted reports whether the conditions of a request hold for a tag.
func (reg *Registry) permitted(r *http.Request, have digest.Digest) bool {
	if reg.NoConditions {
		return true
	}
	if want := r.Header.Get("If-Match"); want != "" && want != `"`+have.String()+`"` {
		return false
	}
	return r.Header.Get("If-None-Match") != "*" || have == ""
}

func (reg *Registry) putManifest(w http.ResponseWriter, r *http.Request, repo, reference string, body []byte) {
	rp := reg.repo(repo)
	d := digest.FromBytes(body)
	var tags []string
	if strings.Contains(reference, ":") {
		if d = digest.Digest(reference); d.Validate() != nil || d.Algorithm().FromBytes(body) != d {
			fail(w, http.StatusBadRequest, "DIGEST_INVALID", "the content has another digest")
			return
		}
		if !reg.NoMultiTag {
			tags = r.URL.Query()["tag"]
		}
	} else {
		tags = []string{reference}
	}
	for _, tag := range tags {
		switch have := rp.tags[tag]; {
		case !reg.permitted(r, have):
			fail(w, http.StatusPreconditionFailed, "DENIED", "the tag "+tag+" is "+have.String())
			return
		case reg.Immutable && have != "":
			fail(w, http.StatusConflict, "TAG_INVALID", "the tag "+tag+" is immutable")
			return
		}
	}
	var doc ocispec.Manifest
	if json.Unmarshal(body, &doc) != nil {
		fail(w, http.StatusBadRequest, "MANIFEST_INVALID", "no JSON")
		return
	}
	for _, child := range append(doc.Layers, doc.Config) {
		if _, ok := rp.blobs[child.Digest]; !ok && child.Digest != "" {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprintf(w, `{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown","detail":{"digest":%q}}]}`, child.Digest)
			return
		}
	}
	rp.manifests[d] = manifest{r.Header.Get("Content-Type"), body}
	for _, tag := range tags {
		rp.tags[tag] = d
		if tag != reference {
			w.Header().Add("OCI-Tag", tag)
		}
	}
	if doc.Subject != nil && !reg.NoReferrers {
		w.Header().Set("OCI-Subject", doc.Subject.Digest.String())
	}
	reg.stored(w, repo, d)
}

func (reg *Registry) serveTags(w http.ResponseWriter, r *http.Request, repo, _ string, _ []byte) {
	if len(reg.repo(repo).manifests) == 0 {
		fail(w, http.StatusNotFound, "NAME_UNKNOWN", "no such repository")
		return
	}
	tags := slices.Sorted(maps.Keys(reg.repo(repo).tags))
	last := r.URL.Query().Get("last")
	if reg.Reverse {
		slices.Reverse(tags)
		last = ""
	}
	tags = slices.DeleteFunc(tags, func(t string) bool { return last != "" && t <= last })
	if reg.Page > 0 && len(tags) > reg.Page {
		tags = tags[:reg.Page]
		w.Header().Set("Link", fmt.Sprintf(`</v2/%s/tags/list?%s>; rel="next"`, repo, url.Values{"last": {tags[len(tags)-1]}}.Encode()))
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"name": repo, "tags": tags})
}

func (reg *Registry) serveReferrers(w http.ResponseWriter, r *http.Request, repo, subject string, _ []byte) {
	if reg.NoReferrers {
		fail(w, http.StatusNotFound, "NOT_FOUND", "no such path")
		return
	}
	list := []ocispec.Descriptor{}
	for d, m := range reg.repo(repo).manifests {
		var doc ocispec.Manifest
		if json.Unmarshal(m.data, &doc) != nil || doc.Subject == nil || doc.Subject.Digest.String() != subject {
			continue
		}
		artifactType := doc.ArtifactType
		if artifactType == "" {
			artifactType = doc.Config.MediaType
		}
		list = append(list, ocispec.Descriptor{MediaType: m.mediaType, Digest: d, Size: int64(len(m.data)), ArtifactType: artifactType, Annotations: doc.Annotations})
	}
	slices.SortFunc(list, func(a, b ocispec.Descriptor) int { return strings.Compare(a.Digest.String(), b.Digest.String()) })
	query := r.URL.Query()
	if want := query.Get("artifactType"); want != "" {
		list = slices.DeleteFunc(list, func(d ocispec.Descriptor) bool { return d.ArtifactType != want })
		w.Header().Set("OCI-Filters-Applied", "artifactType")
	}
	if last := query.Get("last"); last != "" {
		list = slices.DeleteFunc(list, func(d ocispec.Descriptor) bool { return d.Digest.String() <= last })
	}
	if reg.Page > 0 && len(list) > reg.Page {
		list = list[:reg.Page]
		query.Set("last", list[len(list)-1].Digest.String())
		w.Header().Set("Link", fmt.Sprintf(`</v2/%s/referrers/%s?%s>; rel="next"`, repo, subject, query.Encode()))
	}
	w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
	_ = json.NewEncoder(w).Encode(map[string]any{"schemaVersion": 2, "mediaType": ocispec.MediaTypeImageIndex, "manifests": list})
}
