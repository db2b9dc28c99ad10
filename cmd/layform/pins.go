package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/durable"
	"github.com/layform/layform/layout/ref"
	"github.com/layform/layform/planner/base"
	"github.com/layform/layform/spec"
	"github.com/layform/layform/spec/eval"
	"github.com/layform/layform/spec/lock"
)

// pins are the digests of the lock file of a spec, while its bases are looked for.
type pins struct {
	path string
	file *lock.File
	// command is the command that writes the file.
	command  string
	readonly bool

	mu    sync.Mutex
	added bool
}

var _ base.Pins = (*pins)(nil)

// lockPath is the path of the lock file of a spec: layform.lock.hcl in its directory, or
// for a spec of one file, such as web.layform.hcl, web.layform.lock.hcl beside that.
func lockPath(dir, file string) string {
	if file == "" {
		return filepath.Join(dir, lock.Name)
	}
	return filepath.Join(dir, strings.TrimSuffix(strings.TrimSuffix(filepath.Base(file), ".hcl"), ".json")+".lock.hcl")
}

// openPins reads the lock file for a plan that is made or carried out.
func (a *app) openPins(dir, name, mode string) (*pins, hcl.Diagnostics) {
	path, command := lockPath(dir, name), "layform lock"
	if name != "" {
		command += " -f " + filepath.Join(dir, filepath.Base(name))
	}
	file, diags := a.readLock(path)
	if mode == "" && a.getenv("CI") != "" {
		mode = "readonly"
	}
	return &pins{path: path, file: file, command: command, readonly: mode == "readonly"}, diags
}

// readLock reads a lock file. One that does not exist pins nothing.
func (a *app) readLock(path string) (*lock.File, hcl.Diagnostics) {
	data, err := readRegular(path, eval.MaxSourceSize)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Unreadable lock file", Detail: fmt.Sprintf("%s: %v.", path, cause(err))}}
	}
	if err != nil {
		return lock.New(), nil
	}
	if a.files != nil {
		a.files[path] = &hcl.File{Bytes: data}
	}
	return lock.Parse(path, string(data))
}

// writeLock writes a lock file.
func writeLock(path string, file *lock.File) error {
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer root.Close()
	return durable.WriteFile(root, filepath.Base(path), file.Format(), 0o644)
}

// Pin gives the digest of the lock file.
func (p *pins) Pin(b *spec.Base) (digest.Digest, string, error) {
	key := b.LockKey()
	if key == "" {
		return "", "", nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if pin, ok := p.file.Bases[key]; ok {
		place := fmt.Sprintf("%s:%d", p.path, pin.Range.Start.Line)
		if b.From.Transport != ref.Registry { // whose builds take the place of each other
			place += "; to pin what the name leads to today, run " + p.command + " --upgrade"
		}
		return pin.Digest, place, nil
	}
	if p.readonly {
		return "", "", fmt.Errorf("%s has no digest of %s: run %s, and commit the file", p.path, key, p.command)
	}
	return "", "", nil
}

// Found notes what a reference without a pin leads to.
func (p *pins) Found(b *spec.Base, d digest.Digest) {
	key := b.LockKey()
	if key == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.file.Bases[key]; !ok {
		p.file.Bases[key] = lock.Pin{Digest: d}
		p.added = true
	}
}

// save writes what was noted.
func (p *pins) save() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.added {
		return nil
	}
	p.added = false
	return writeLock(p.path, p.file)
}
