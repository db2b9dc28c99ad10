package remote

import (
	"context"
	"fmt"
	"time"

	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
)

// helperLimit is how long a credential helper may take: some ask the user.
const helperLimit = time.Minute

// credentialFunc finds credentials by opts.
func credentialFunc(opts Options) (auth.CredentialFunc, error) {
	if opts.Credentials != nil {
		return opts.Credentials, nil
	}
	if opts.RegistryConfig == "" {
		return nil, nil
	}
	store, err := credentials.NewStore(opts.RegistryConfig, credentials.StoreOptions{})
	if err != nil {
		return nil, fmt.Errorf("credentials for registries: %w", err)
	}
	find := credentials.Credential(store)
	return func(ctx context.Context, host string) (Credential, error) {
		return inTime(ctx, opts.RegistryConfig, host, find)
	}, nil
}

// inTime calls find, and does not wait longer than helperLimit: a helper whose
// children hold its output cannot be ended by its context.
func inTime(ctx context.Context, file, host string, find auth.CredentialFunc) (Credential, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, helperLimit, fmt.Errorf("the credential helper took longer than %s", helperLimit))
	defer cancel()
	type answer struct {
		credential Credential
		err        error
	}
	got := make(chan answer, 1)
	go func() {
		credential, err := find(ctx, host)
		got <- answer{credential, err}
	}()
	select {
	case a := <-got:
		if a.err != nil {
			return auth.EmptyCredential, &credentialError{fmt.Errorf("credentials for %s from %s: %w", host, file, a.err)}
		}
		return a.credential, nil
	case <-ctx.Done():
		return auth.EmptyCredential, &credentialError{fmt.Errorf("credentials for %s from %s: %w", host, file, context.Cause(ctx))}
	}
}

// credentialError is an error on the way to a credential, on this side of the wire.
type credentialError struct{ error }

func (e *credentialError) Unwrap() error { return e.error }
