package layer

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/jsondoc"
)

// TestProperties holds the JSON of properties, which plans and listings carry.
func TestProperties(t *testing.T) {
	content := digest.FromString("x")
	tests := []struct {
		entry Entry
		want  string
	}{
		{Entry{Path: "a", Type: Regular, Mode: 0o4755, UID: 7, GID: 8, Mtime: 1_600_000_000, Size: 3, Digest: content},
			`{"type":"file","mode":"4755","uid":7,"gid":8,"mtime":"2020-09-13T12:26:40Z","size":3,"digest":"` + string(content) + `"}`},
		{Entry{Path: ".", Type: Directory, Mode: 0o1777}, `{"type":"directory","mode":"1777"}`},
		{Entry{Path: "n", Type: Directory}, `{"type":"directory","mode":"0000"}`},
		{Entry{Path: "l", Type: Symlink, Mode: 0o777, Linkname: "../<&>", Mtime: -1}, `{"type":"symlink","mode":"0777","mtime":"1969-12-31T23:59:59Z","target":"../<&>"}`},
		{Entry{Path: "c", Type: Char, Mode: 0o600, Devmajor: 5, Devminor: 1}, `{"type":"char","mode":"0600","devmajor":5,"devminor":1}`},
		{Entry{Path: "x", Type: Regular, Mode: 0o644, Xattrs: map[string]string{"user.b": "\xff\x00", "user.a": ""}},
			`{"type":"file","mode":"0644","xattrs":{"user.a":"","user.b":"/wA="}}`},
	}
	for _, tt := range tests {
		p := tt.entry.Properties()
		data, err := jsondoc.Encode(p)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(data); got != tt.want+"\n" {
			t.Errorf("%s: %s, want %s", tt.entry.Path, got, tt.want)
		}
		var back Properties
		if err := jsondoc.Decode(data, jsondoc.Limits{}, &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p, back); diff != "" {
			t.Errorf("%s changed on its way (-want +got):\n%s", tt.entry.Path, diff)
		}
	}
}

// TestMtimeText: every second has a text that leads back to it.
func TestMtimeText(t *testing.T) {
	for second, want := range map[Mtime]string{
		0:               "1970-01-01T00:00:00Z",
		firstSecond:     "0000-01-01T00:00:00Z",
		firstSecond - 1: "@-62167219201",
		afterLast - 1:   "9999-12-31T23:59:59Z",
		afterLast:       "@253402300800",
		math.MaxInt64:   "@9223372036854775807",
		math.MinInt64:   "@-9223372036854775808",
	} {
		var back Mtime
		if err := back.UnmarshalText([]byte(second.String())); second.String() != want || err != nil || back != second {
			t.Errorf("%d is %s (want %s), read as %d: %v", second, second, want, back, err)
		}
	}
	for _, text := range []string{`"0o644"`, `"888"`, `""`, `420`} {
		if err := json.Unmarshal([]byte(text), new(Mode)); err == nil {
			t.Errorf("the mode %s was taken", text)
		}
	}
	for _, text := range []string{`"@"`, `"@1.5"`, `"yesterday"`, `""`, `0`} {
		if err := json.Unmarshal([]byte(text), new(Mtime)); err == nil {
			t.Errorf("the time %s was taken", text)
		}
	}
}
