package remote

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strings"

	"github.com/layform/layform/layout/ref"
)

// errStop ends a list whose caller wants no more of it.
var errStop = errors.New("stop")

// Tags lists the tags of the repository, those after the tag after where it is not
// empty, in the order of the registry. The first error ends the list.
func (r *Repository) Tags(ctx context.Context, after string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for page, err := range r.TagPages(ctx, after) {
			if err != nil {
				yield("", err)
				return
			}
			for _, tag := range page {
				if !yield(tag, nil) {
					return
				}
			}
		}
	}
}

// TagPages is Tags by pages, one for each request: a caller that looks for a part of the
// tags sees how far the registry keeps them in order. No tag is listed twice.
func (r *Repository) TagPages(ctx context.Context, after string) iter.Seq2[[]string, error] {
	return func(yield func([]string, error) bool) {
		c := call{doing: "list the tags", method: http.MethodGet, path: "/tags/list", actions: pull}
		if after != "" {
			c.path += "?" + url.Values{"last": {after}}.Encode()
		}
		seen := map[string]bool{}
		err := r.pages(ctx, c, func(data []byte, _ http.Header) error {
			var page struct {
				Tags []string `json:"tags"`
			}
			if err := decode(data, &page); err != nil {
				return r.wrong(c, clean(err.Error()))
			}
			var fresh []string
			for _, tag := range page.Tags {
				switch err := ref.CheckTag(tag); {
				case err != nil:
					return r.wrong(c, fmt.Sprintf("the tag %q %v", clean(tag), err))
				case seen[tag]:
					continue
				case len(seen) >= r.limits.Tags:
					return exceeded{"there are more than %d tags", int64(r.limits.Tags)}
				}
				seen[tag] = true
				fresh = append(fresh, tag)
			}
			if !yield(fresh, nil) {
				return errStop
			}
			return nil
		})
		if err != nil && err != errStop {
			yield(nil, err)
		}
	}
}

// pages reads the pages of a list, from the one that c asks for, and gives them to
// visit.
func (r *Repository) pages(ctx context.Context, c call, visit func([]byte, http.Header) error) error {
	ctx, _ = r.withBudget(ctx)
	first := c
	seen := map[string]bool{}
	for range r.limits.Pages {
		seen[r.url(c)] = true
		data, header, err := r.document(ctx, c, nil)
		if err != nil {
			return err
		}
		if err := visit(data, header); err == errStop {
			return err
		} else if err != nil {
			return r.failure(first).failed(ctx, err)
		}
		next, err := r.nextPage(c, header)
		switch {
		case err != nil || next == "":
			return err
		case seen[next]:
			return r.wrong(first, "its pages go in a circle")
		}
		c.path = next
	}
	return r.failure(first).failed(ctx, exceeded{"the list has more than %d pages", int64(r.limits.Pages)})
}

// nextPage is the URL of the page behind the one that c asked for, which has to be
// at the registry's own origin; empty for none.
func (r *Repository) nextPage(c call, header http.Header) (string, error) {
	given := nextLink(header.Values("Link"))
	if given == "" {
		return "", nil
	}
	f := r.failure(c)
	base, err := url.Parse(r.url(c))
	if err != nil {
		return "", err
	}
	u, err := base.Parse(given)
	if err != nil {
		return "", r.wrong(c, "the link to its next page is no URL")
	}
	if originOf(u) != r.origin || u.User != nil {
		f.Message = fmt.Sprintf("the next page of the list is at %s, which is not %s", originOf(u), r.origin)
		return "", &UntrustedError{f}
	}
	u.Host, u.Fragment = base.Host, ""
	return u.String(), nil
}

// nextLink finds the target of the link with rel=next. A link without a rel counts.
func nextLink(headers []string) string {
	for _, header := range headers {
		for rest := header; ; {
			_, after, ok := strings.Cut(rest, "<")
			if !ok {
				break
			}
			target, after, ok := strings.Cut(after, ">")
			if !ok {
				break
			}
			params, _, _ := strings.Cut(after, "<")
			params = strings.ToLower(strings.ReplaceAll(params, `"`, ""))
			if !strings.Contains(params, "rel=") || strings.Contains(params, "rel=next") {
				return target
			}
			rest = after
		}
	}
	return ""
}
