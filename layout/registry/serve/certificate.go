package serve

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// TLS are the files of an HTTPS server. Certificate and key are read again when they
// change, so that a renewed certificate needs no restart.
type TLS struct {
	// Certificate and Key are PEM files: the certificate with those that it is signed by.
	Certificate, Key string
	// ClientCA is a PEM file of the authorities whose certificates clients must show;
	// empty where they need none.
	ClientCA string
	// Failed, where it is set, gets the error of files that changed and cannot be read;
	// the certificate from before is used then.
	Failed func(error)
}

// Config reads the files, and gives what a server needs.
func (t TLS) Config() (*tls.Config, error) {
	pair := watched[*tls.Certificate]{paths: []string{t.Certificate, t.Key}, failed: t.Failed, read: func() (*tls.Certificate, error) {
		c, err := tls.LoadX509KeyPair(t.Certificate, t.Key)
		if err != nil {
			return nil, fmt.Errorf("the certificate %s with the key %s: %w", t.Certificate, t.Key, err)
		}
		return &c, nil
	}}
	if err := pair.load(); err != nil {
		return nil, err
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return pair.value(), nil }}
	if t.ClientCA == "" {
		return config, nil
	}
	data, err := os.ReadFile(t.ClientCA)
	if err != nil {
		return nil, err
	}
	config.ClientCAs = x509.NewCertPool()
	if !config.ClientCAs.AppendCertsFromPEM(data) {
		return nil, errors.New(t.ClientCA + " holds no certificate in PEM")
	}
	config.ClientAuth = tls.RequireAndVerifyClientCert
	return config, nil
}
