package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/layform/layform/layout/printable"
	"github.com/layform/layform/layout/remote"
)

// registryFlags say how registries are reached.
type registryFlags struct {
	RegistryConfig string `name:"registry-config" placeholder:"FILE" group:"registry" help:"Read credentials from this file, in the form of docker's config.json, instead of that in DOCKER_CONFIG or ~/.docker."`
	PlainHTTP      bool   `name:"plain-http" group:"registry" help:"Reach registries by http, unencrypted. Those on the loopback interface are always reached so, unless certificates are given."`
	CAFile         string `name:"ca-file" placeholder:"FILE" group:"registry" help:"Trust these root certificates as well, in PEM."`
	ClientCert     string `name:"client-cert" placeholder:"FILE" group:"registry" help:"Show this client certificate, in PEM, to the registry alone."`
	ClientKey      string `name:"client-key" placeholder:"FILE" group:"registry" help:"The key of the client certificate, in PEM."`
	Offline        bool   `name:"offline" group:"registry" help:"Connect to nothing: fail where a registry would be asked, and say what."`
}

// options gathers the flags and what the environment says. requests counts what
// is sent.
func (f *registryFlags) options(a *app, requests *atomic.Int64) (remote.Options, error) {
	opts := remote.Options{
		RegistryConfig: f.RegistryConfig, Proxy: http.ProxyFromEnvironment, UserAgent: "layform/" + version(), Offline: f.Offline,
		Event: func(e remote.Event) {
			switch e.Kind {
			case remote.EventRequest:
				requests.Add(1)
			case remote.EventWarning:
				_ = writeTo(a.stderr, "layform: "+printable.Line(e.Host+" warns: "+e.Text)+"\n")
			}
		},
	}
	if f.PlainHTTP {
		opts.Scheme = "http"
	}
	switch {
	case f.RegistryConfig != "":
		if _, err := os.Stat(f.RegistryConfig); err != nil {
			return opts, &failure{message: fmt.Sprintf("--registry-config %s: %v", f.RegistryConfig, cause(err)), hint: "docker login writes such a file"}
		}
	case a.getenv("DOCKER_CONFIG") != "":
		opts.RegistryConfig = filepath.Join(a.getenv("DOCKER_CONFIG"), "config.json")
	case a.getenv("HOME") != "":
		opts.RegistryConfig = filepath.Join(a.getenv("HOME"), ".docker", "config.json")
	}
	certificates, err := f.tls()
	if err != nil {
		return opts, err
	}
	if certificates != nil {
		if f.PlainHTTP {
			return opts, &failure{message: "--plain-http goes with no certificates", hint: "leave out --plain-http, or --ca-file, --client-cert and --client-key"}
		}
		opts.TLS = []remote.TLS{*certificates}
	}
	return opts, nil
}

// tls reads the certificates; nil where there are none.
func (f *registryFlags) tls() (*remote.TLS, error) {
	if f.CAFile == "" && f.ClientCert == "" && f.ClientKey == "" {
		return nil, nil
	}
	var out remote.TLS
	if f.CAFile != "" {
		data, err := os.ReadFile(f.CAFile)
		if err != nil {
			return nil, &failure{message: fmt.Sprintf("--ca-file %s: %v", f.CAFile, cause(err))}
		}
		if out.Roots, err = x509.SystemCertPool(); err != nil {
			out.Roots = x509.NewCertPool() // a system without roots trusts those that are given
		}
		if !out.Roots.AppendCertsFromPEM(data) {
			return nil, &failure{message: fmt.Sprintf("--ca-file %s holds no certificate in PEM", f.CAFile)}
		}
	}
	if (f.ClientCert == "") != (f.ClientKey == "") {
		return nil, &failure{message: "--client-cert and --client-key go together", hint: "give both"}
	}
	if f.ClientCert != "" {
		pair, err := tls.LoadX509KeyPair(f.ClientCert, f.ClientKey)
		if err != nil {
			return nil, &failure{message: fmt.Sprintf("--client-cert %s, --client-key %s: %v", f.ClientCert, f.ClientKey, err)}
		}
		out.Certificates = []tls.Certificate{pair}
	}
	return &out, nil
}
