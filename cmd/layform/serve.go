package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/ref"
	"github.com/layform/layform/layout/registry"
	"github.com/layform/layform/layout/registry/serve"
)

// serveCmd serves layouts as a registry.
type serveCmd struct {
	Dirs          []string          `arg:"" name:"dir" help:"The layout, or several, each below its name: that of its directory, or NAME in NAME=DIR."`
	Listen        string            `name:"listen" default:"127.0.0.1:5000" placeholder:"HOST:PORT" help:"Listen on this address; the port 0 is any that is free."`
	Writable      bool              `name:"writable" help:"Let clients push and delete. A layout that does not exist is made with the first push."`
	DefaultRepo   string            `name:"default-repo" placeholder:"NAME" help:"The repository of tags without one, such as latest; the name of the directory unless given."`
	PerRepository bool              `name:"per-repository" help:"DIR is a folder with a layout for each repository: team/app is DIR/team/app."`
	Immutable     []string          `name:"immutable" sep:"none" placeholder:"GLOB" help:"Tags that may be made, and never moved or deleted, such as v*. Repeatable."`
	Sparse        bool              `name:"sparse" help:"Take in manifests of which not all content is there."`
	Namespace     map[string]string `name:"namespace" placeholder:"HOST=PREFIX" help:"As a mirror of this registry, serve the repositories below this prefix, such as docker.io=hub. Repeatable."`
	Metrics       string            `name:"metrics" placeholder:"HOST:PORT" help:"Answer there with metrics in the text form of Prometheus."`
	Quiet         bool              `name:"quiet" help:"Log only what goes wrong, and not every request."`
	serveAccessFlags
	serveLimitFlags
}

// serveAccessFlags say who may use the registry.
type serveAccessFlags struct {
	Htpasswd      string `name:"htpasswd" placeholder:"FILE" help:"Ask for a user of this file and its password; htpasswd -Bc FILE USER makes it."`
	AnonymousRead bool   `name:"anonymous-read" help:"With --htpasswd: everybody may read, and only users write."`
	Anyone        bool   `name:"anyone" help:"Let everybody who can connect write, also from other machines, by any host name, and pages in browsers."`
	TLSCert       string `name:"tls-cert" placeholder:"FILE" help:"Serve HTTPS with this certificate, in PEM; it is read again when it changes."`
	TLSKey        string `name:"tls-key" placeholder:"FILE" help:"The key of the certificate, in PEM."`
	ClientCA      string `name:"client-ca" placeholder:"FILE" help:"Ask clients for a certificate of these authorities, in PEM."`
	ExternalURL   string `name:"external-url" placeholder:"URL" help:"How clients reach the server where a proxy stands before it."`
}

// serveLimitFlags bound what clients can make the server do.
type serveLimitFlags struct {
	MaxBlob     int64 `name:"max-blob" default:"256" placeholder:"GIB" help:"Take in no blob that is longer, in GiB."`
	MaxRequests int   `name:"max-requests" default:"2048" placeholder:"N" help:"Answer this many requests at once."`
	MaxUploads  int   `name:"max-uploads" default:"256" placeholder:"N" help:"Take in this many uploads at once."`
}

// Help shows how it is used.
func (c *serveCmd) Help() string {
	return `What apply writes into the layout shows with the next request.

  layform serve dist/hello                                 read-only: docker pull localhost:5000/hello
  layform serve --writable cache                           a registry for this machine
  layform serve --writable --per-repository registry       with a layout for each repository
  layform serve --listen :5000 --writable --htpasswd users --anonymous-read --tls-cert crt.pem --tls-key key.pem registry`
}

// check finds flags that do not go together.
func (c *serveCmd) check() error {
	switch {
	case (c.TLSCert == "") != (c.TLSKey == ""):
		return &failure{message: "--tls-cert and --tls-key go together", hint: "give both"}
	case c.ClientCA != "" && c.TLSCert == "":
		return &failure{message: "--client-ca needs HTTPS", hint: "give --tls-cert and --tls-key"}
	case c.AnonymousRead && c.Htpasswd == "":
		return &failure{message: "--anonymous-read is about those who are not in --htpasswd, which is missing", hint: "without --htpasswd everybody may read"}
	case c.MaxBlob < 1 || c.MaxBlob > 1<<23 || c.MaxRequests < 1 || c.MaxUploads < 1:
		return &failure{message: "--max-blob, --max-requests and --max-uploads are at least 1"}
	case c.PerRepository && c.DefaultRepo != "":
		return &failure{message: "--default-repo is about the tags of one layout, and with --per-repository each has its own", hint: "leave one of them out"}
	case c.ExternalURL != "" && !isBaseURL(c.ExternalURL):
		return &failure{message: fmt.Sprintf("--external-url %q is no URL of a server", c.ExternalURL), hint: "write https://HOST[:PORT]"}
	case !c.Writable && len(c.Immutable) > 0:
		return &failure{message: "--immutable is about tags that clients write", hint: "give --writable, or leave it out"}
	case c.Anyone && c.Htpasswd != "":
		return &failure{message: "--anyone lets everybody in, and --htpasswd only users", hint: "leave one of them out; --anonymous-read lets everybody read"}
	case c.Writable && c.Htpasswd == "" && c.ClientCA == "" && !c.Anyone && !onLoopback(c.Listen):
		return &failure{message: fmt.Sprintf("--listen %s with --writable lets everybody on the network write", c.Listen), hint: "give --htpasswd, or --anyone if that is meant"}
	}
	return nil
}

// isBaseURL reports whether a text is a URL to which /token can be appended.
func isBaseURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == "" && !strings.ContainsAny(text, "\"\\")
}

// onLoopback reports whether an address can be reached from this machine alone.
func onLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && ref.IsLoopback(host)
}

// Run serves until a signal comes.
func (c *serveCmd) Run(ctx context.Context, a *app) (err error) {
	if err := c.check(); err != nil {
		return err
	}
	log := &accessLog{to: a.stderr, quiet: c.Quiet}
	mounts, err := c.open(ctx)
	defer func() {
		for _, m := range mounts {
			err = errors.Join(err, m.Registry.Close())
		}
	}()
	if err != nil {
		return err
	}
	opts, err := c.options(log)
	if err != nil {
		return err
	}
	handler := serve.NewMounted(mounts, opts)
	server := handler.Server()
	server.ErrorLog = log.server()
	scheme := "http"
	if c.TLSCert != "" {
		scheme = "https"
		if server.TLSConfig, err = (serve.TLS{Certificate: c.TLSCert, Key: c.TLSKey, ClientCA: c.ClientCA, Failed: log.failed}).Config(); err != nil {
			return err
		}
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return &failure{message: fmt.Sprintf("--listen %s: %v", c.Listen, err), err: err}
	}
	if c.Metrics != "" {
		stop, err := serveMetrics(ctx, c.Metrics, handler)
		if err != nil {
			return errors.Join(err, l.Close())
		}
		defer stop()
	}
	if err := c.announce(a, scheme+"://"+l.Addr().String(), mounts); err != nil {
		return errors.Join(err, l.Close())
	}
	a.patience.extend(opts.Limits.Grace)
	collectClosely()
	expiring, stop := context.WithCancel(ctx)
	defer stop()
	if c.Writable {
		go expire(expiring, mounts, log)
	}
	return handler.Serve(ctx, server, l)
}

// announce says where the registry is and what it serves.
func (c *serveCmd) announce(a *app, url string, mounts []serve.Mount) error {
	out := &view.Serving{URL: url, Writable: c.Writable, Layouts: c.Dirs}
	if a.json {
		return a.print(view.Document{Type: view.TypeServing, Serving: out})
	}
	how := "read-only"
	if c.Writable {
		how = "writable"
	}
	return writeTo(a.stdout, fmt.Sprintf("Serving %s, %s, at %s\n", strings.Join(c.Dirs, ", "), how, url))
}

// options are those of the handler.
func (c *serveCmd) options(log *accessLog) (serve.Options, error) {
	opts := serve.Options{
		AnonymousRead: c.AnonymousRead, External: c.ExternalURL, Namespaces: c.Namespace, Event: log.event,
		Limits:     serve.Limits{Blob: c.MaxBlob << 30, Requests: c.MaxRequests, Uploads: c.MaxUploads, Grace: 30 * time.Second},
		HowToWrite: "this registry is read-only: layform serve --writable lets clients write",
		Local:      c.Htpasswd == "" && c.ClientCA == "" && !c.Anyone && onLoopback(c.Listen),
	}
	for host, prefix := range c.Namespace {
		if err := ref.CheckHost(host); err != nil {
			return opts, &failure{message: fmt.Sprintf("--namespace %s=%s: the host %v", host, prefix, err), hint: "write it as clients do, such as docker.io"}
		}
		if err := ref.CheckRepository(prefix); err != nil {
			return opts, &failure{message: fmt.Sprintf("--namespace %s=%s: the prefix %v", host, prefix, err)}
		}
	}
	if c.Htpasswd == "" {
		return opts, nil
	}
	users, err := serve.OpenUsers(c.Htpasswd, log.failed)
	if err != nil {
		return opts, &failure{message: fmt.Sprintf("--htpasswd %s: %v", c.Htpasswd, cause(err)), err: err}
	}
	opts.Users = users
	return opts, nil
}

// open opens the layouts. What was opened before an error is returned with it.
func (c *serveCmd) open(ctx context.Context) (mounts []serve.Mount, err error) {
	for _, arg := range c.Dirs {
		name, dir, named := strings.Cut(arg, "=")
		if !named {
			name, dir = "", arg
		}
		m, err := c.openOne(ctx, name, dir)
		if err != nil {
			return mounts, err
		}
		mounts = append(mounts, m)
	}
	for i, m := range mounts {
		for _, other := range mounts[:i] {
			if m.Prefix == other.Prefix {
				return mounts, &failure{message: fmt.Sprintf("two layouts would be %q", m.Prefix), hint: "name one of them: NAME=DIR"}
			}
		}
	}
	return mounts, nil
}

// openOne opens one layout, or a folder of them, below its name where there are several
// or it was given one.
func (c *serveCmd) openOne(ctx context.Context, name, dir string) (m serve.Mount, err error) {
	if dir, err = wholeLayout(dir); err != nil {
		return m, err
	}
	if err := c.present(dir); err != nil {
		return m, instead(dir, err)
	}
	mounted := name != "" || len(c.Dirs) > 1
	opts := registry.Options{PerRepository: c.PerRepository, ReadOnly: !c.Writable, Immutable: c.Immutable, Sparse: c.Sparse}
	if !c.PerRepository {
		opts.DefaultRepo = c.DefaultRepo
	}
	if mounted || !c.PerRepository && c.DefaultRepo == "" {
		if name, err = layoutName(name, dir); err != nil {
			return m, err
		}
		if !c.PerRepository && c.DefaultRepo == "" {
			opts.DefaultRepo = name
		}
	}
	if mounted {
		m.Prefix, m.Default = name, opts.DefaultRepo
	}
	if m.Registry, err = registry.Open(dir, opts); err != nil {
		return m, instead(dir, err)
	}
	if err := m.Registry.Ping(ctx); err != nil {
		return m, errors.Join(err, m.Registry.Close())
	}
	return m, nil
}

// layoutName is the name of a layout: the one that was given, or that of its directory.
func layoutName(name, dir string) (string, error) {
	if name == "" {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return "", err
		}
		name = strings.ToLower(filepath.Base(abs))
	}
	if err := ref.CheckRepository(name); err != nil {
		return "", &failure{message: fmt.Sprintf("the name %q of %s %v", name, dir, err), hint: "give it one: NAME=DIR, or --default-repo NAME for a single layout"}
	}
	return name, nil
}

// present fails where there is nothing to serve, unless a client may make it.
func (c *serveCmd) present(dir string) error {
	if c.Writable {
		return nil
	}
	if c.PerRepository {
		if _, err := os.Stat(dir); err != nil {
			return &failure{message: fmt.Sprintf("%s: %v", dir, cause(err)), hint: "check the path, or give --writable to begin with nothing", err: err}
		}
		return nil
	}
	store, err := openExisting(dir, layout.Options{})
	if err != nil {
		return err
	}
	return store.Close()
}

// instead adds to the error about what is no layout how it can be served.
func instead(dir string, err error) error {
	var none *layout.NotLayoutError
	if !errors.As(err, &none) {
		return err
	}
	hint := "a folder of layouts is served with --per-repository"
	if info, statErr := os.Stat(dir); statErr == nil && !info.IsDir() {
		hint = "copy a tar into a directory first: layform layout copy"
	}
	return &failure{message: err.Error(), hint: hint, err: err}
}

// serveMetrics serves metrics until stop is called.
func serveMetrics(ctx context.Context, address string, h *serve.Handler) (stop func(), err error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, &failure{message: fmt.Sprintf("--metrics %s: %v", address, err), err: err}
	}
	server := &http.Server{Handler: h.Metrics(), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, WriteTimeout: 10 * time.Second}
	go func() { _ = server.Serve(l) }() // it ends with Close
	return func() { _ = server.Close() }, nil
}

// expire removes what clients left, now and every hour.
func expire(ctx context.Context, mounts []serve.Mount, log *accessLog) {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		for _, m := range mounts {
			if _, err := m.Registry.Expire(ctx); err != nil && ctx.Err() == nil {
				log.failed(err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
