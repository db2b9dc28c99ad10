package source

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"github.com/layform/layform/planner/source/walk"
	"github.com/layform/layform/spec"
)

// TestLoss: a block whose sources lose something when they are normalised warns
// once, with the number and the first path, whatever reads the tree.
func TestLoss(t *testing.T) {
	dir, root := folder(t, map[string]string{
		"plain/a": "", "plain/d/b": "", "keys/id_rsa": "k", "keys/id_rsa.pub": "k", "keys/other/x": "", "tmp/": "", "bin/su": "", "bin/ping": "", "bin/ok": "", "priv/x": "", "link/l": "->../keys/id_rsa",
	})
	for name, mode := range map[string]uint32{
		"keys/id_rsa": 0o600, "keys/other/x": 0o640, "keys/other": 0o700, "tmp": 0o1777, "bin/su": 0o4755, "bin/ping": 0o755, "bin/ok": 0o775, "priv": 0o700, "plain/a": 0o444,
	} {
		must(t, unix.Chmod(filepath.Join(dir, name), mode))
	}
	capable := os.Getuid() == 0
	if capable {
		value, err := encodeCapabilities("net_raw=+ep")
		must(t, err)
		capable = unix.Setxattr(filepath.Join(dir, "bin/ping"), walk.CapabilityXattr, []byte(value), 0) == nil
	}
	mode := ptr(uint32(0o600))
	for _, c := range []struct {
		name string
		node spec.FileOp
		want string
	}{
		{"nothing", spec.FileOp{Kind: spec.OpCopy, From: "plain", To: "x"}, ""},
		{"three", spec.FileOp{Kind: spec.OpCopy, From: "keys", To: "x"}, `of 3 files or directories, first of "keys/id_rsa": 0600 becomes 0644.`},
		{"files with a mode", spec.FileOp{Kind: spec.OpCopy, From: "keys", To: "x", Mode: mode}, `of "keys/other": 0700 becomes 0755.`},
		{"all with a mode", spec.FileOp{Kind: spec.OpCopy, From: "keys", To: "x", Mode: mode, DirMode: mode}, ""},
		{"excluded", spec.FileOp{Kind: spec.OpCopy, From: "keys", To: "x", Exclude: []string{"id_rsa", "other"}}, ""},
		{"preserved", spec.FileOp{Kind: spec.OpCopy, From: "keys", To: "x", Metadata: spec.Preserve}, ""},
		{"sticky", spec.FileOp{Kind: spec.OpCopy, From: "tmp", To: "tmp"}, `of "tmp": 1777 becomes 0755.`},
		{"a directory that is dropped", spec.FileOp{Kind: spec.OpCopy, From: "keys", To: "x", Include: []string{"other/x", "*.pub"}, Exclude: []string{"other/x"}}, ""},
		{"no entry of the root", spec.FileOp{Kind: spec.OpCopy, From: "priv"}, ""},
		{"the directory itself", spec.FileOp{Kind: spec.OpCopy, From: "priv", To: "x"}, `of "priv": 0700 becomes 0755.`},
		{"setuid of one file", spec.FileOp{Kind: spec.OpCopy, From: "bin/su", To: "su"}, `of "bin/su": 4755 becomes 0755.`},
		{"links have no mode", spec.FileOp{Kind: spec.OpCopy, From: "link"}, ""},
		{"a file block", spec.FileOp{Kind: spec.OpFile, To: "k", Source: "keys/id_rsa"}, `of "keys/id_rsa": 0600 becomes 0644. Say what it should have with mode`},
		{"a file block with a mode", spec.FileOp{Kind: spec.OpFile, To: "k", Source: "keys/id_rsa", Mode: mode}, ""},
		{"capabilities", spec.FileOp{Kind: spec.OpCopy, From: "bin", Exclude: []string{"su"}}, `of "bin/ping": its capabilities are dropped.`},
		{"capabilities of one file", spec.FileOp{Kind: spec.OpCopy, From: "bin/ping"}, `of "bin/ping": its capabilities are dropped.`},
		{"capabilities that are set", spec.FileOp{Kind: spec.OpCopy, From: "bin/ping", Capabilities: "net_raw=+p"}, ""},
	} {
		if strings.HasPrefix(c.name, "capabilities") && !capable {
			continue
		}
		var all []string
		// A Digester that knows no folders has the tree read in the portable way.
		for _, opts := range []Options{{}, {Hash: true, Digests: &memory{known: map[string]digest.Digest{}}}} {
			_, diags := Observe(context.Background(), root, at(c.node), opts)
			if diags.HasErrors() || len(diags) > 1 {
				t.Fatalf("%s: %v", c.name, diags)
			}
			text := ""
			if len(diags) == 1 {
				text = diags[0].Detail
			}
			all = append(all, text)
			if c.want == "" && text != "" || !strings.Contains(text, c.want) {
				t.Errorf("%s: got %q, want %q", c.name, text, c.want)
			}
		}
		if diff := cmp.Diff(all[0], all[1]); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}
