package serve

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/crypto/bcrypt"
)

// maxCost is the highest cost of a bcrypt hash: one of it takes about a second.
const maxCost = 14

// maxVerified is the number of verified passwords that are remembered.
const maxVerified = 1024

// Users are the user names and passwords of an htpasswd file. Its hashes are bcrypt's,
// as htpasswd -B writes them. The file is read again when it changes.
type Users struct {
	file watched[*htpasswd]
	// busy bounds the hashes that are computed at once.
	busy chan struct{}
	key  [32]byte

	mu       sync.Mutex
	verified map[[sha256.Size]byte]bool
}

// OpenUsers reads an htpasswd file. The error names the line that is wrong. failed, which
// may be nil, gets that of a file that changed and cannot be read: its users from before
// stay the users then, those that were to be removed as well.
func OpenUsers(path string, failed func(error)) (*Users, error) {
	u := &Users{busy: make(chan struct{}, runtime.GOMAXPROCS(0)), verified: map[[sha256.Size]byte]bool{}}
	rand.Read(u.key[:])
	u.file = watched[*htpasswd]{paths: []string{path}, failed: failed, read: func() (*htpasswd, error) {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		users, err := parseHtpasswd(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return users, nil
	}}
	return u, u.file.load()
}

// htpasswd is the content of an htpasswd file.
type htpasswd struct {
	hashes map[string][]byte
	// decoy is the hash of a password that nobody knows, to compare with where there is
	// no user: the time of an answer does not tell which users exist.
	decoy []byte
}

// parseHtpasswd parses the lines NAME:HASH of an htpasswd file.
func parseHtpasswd(data []byte) (*htpasswd, error) {
	users, most := map[string][]byte{}, 0
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, hash, ok := strings.Cut(line, ":")
		if !ok || name == "" {
			return nil, fmt.Errorf("line %d is not of the form NAME:HASH", n)
		}
		if users[name] != nil {
			return nil, fmt.Errorf("line %d: the user %q is there twice", n, name)
		}
		cost, err := bcrypt.Cost([]byte(hash))
		if err != nil {
			return nil, fmt.Errorf("line %d: the hash of %q is not one of bcrypt: write it with htpasswd -B", n, name)
		}
		if cost > maxCost {
			return nil, fmt.Errorf("line %d: the hash of %q has the cost %d, which takes too long for each request: use at most %d", n, name, cost, maxCost)
		}
		users[name], most = []byte(hash), max(most, cost)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(users) == 0 {
		return nil, errors.New("there is no user in it: add one with htpasswd -B")
	}
	secret := make([]byte, 16)
	rand.Read(secret)
	decoy, err := bcrypt.GenerateFromPassword(secret, most)
	return &htpasswd{users, decoy}, err
}

// Verify reports whether a password is that of a user. Each hash takes a while: those
// that were right are remembered until the file changes. The error is that of ctx.
func (u *Users) Verify(ctx context.Context, name, password string) (bool, error) {
	file := u.file.value()
	hash, ok := file.hashes[name]
	if !ok {
		hash = file.decoy
	}
	sum := u.sum(name, password, hash)
	u.mu.Lock()
	known := u.verified[sum]
	u.mu.Unlock()
	if known && ok {
		return true, nil
	}
	select {
	case u.busy <- struct{}{}:
		defer func() { <-u.busy }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	if bcrypt.CompareHashAndPassword(hash, []byte(password)) != nil || !ok {
		return false, nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.verified) >= maxVerified {
		clear(u.verified)
	}
	u.verified[sum] = true
	return true, nil
}

// sum is the name of what was verified, in memory alone and under a key of this
// process.
func (u *Users) sum(name, password string, hash []byte) (sum [sha256.Size]byte) {
	h := hmac.New(sha256.New, u.key[:])
	for _, part := range [][]byte{[]byte(name), []byte(password), hash} {
		fmt.Fprintf(h, "%d:", len(part))
		h.Write(part)
	}
	h.Sum(sum[:0])
	return sum
}
