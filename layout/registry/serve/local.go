package serve

import (
	"net"
	"net/http"
	"net/url"

	"github.com/layform/layform/layout/ref"
)

// local reports whether a request is what a program on this machine sends, as Options.Local
// has it. Browsers tell of pages in Origin and in Sec-Fetch-Site.
func (h *Handler) local(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); r.Header.Get("Origin") != "" || site != "" && site != "none" {
		return false
	}
	if u, err := url.Parse(h.opts.External); err == nil && u.Host != "" && u.Host == r.Host {
		return true
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
		if len(host) > 1 && host[0] == '[' {
			host = host[1 : len(host)-1]
		}
	}
	return ref.IsLoopback(host)
}
