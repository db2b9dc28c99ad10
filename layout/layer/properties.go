package layer

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// Property names a property in which two entries of a path can differ.
type Property string

// The properties of an entry, in the order in which differences list them.
const (
	PropertyType    Property = "type"
	PropertyContent Property = "content"
	PropertyMode    Property = "mode"
	PropertyOwner   Property = "owner"
	PropertyMtime   Property = "mtime"
	PropertyTarget  Property = "target"
	PropertyXattrs  Property = "xattrs"
	PropertyDevice  Property = "device"
)

// Properties are an entry without its path, in the form in which plans and
// listings carry it: modes are octal and times are RFC 3339 in JSON. Members
// that are absent there are 0 or empty; an absent mtime is 1970-01-01T00:00:00Z.
type Properties struct {
	Type  Type  `json:"type"`
	Mode  Mode  `json:"mode"`
	UID   int   `json:"uid,omitempty"`
	GID   int   `json:"gid,omitempty"`
	Mtime Mtime `json:"mtime,omitzero"`
	// Size is the content's length in bytes.
	Size int64 `json:"size,omitempty"`
	// Digest is the digest of a regular file's content, where it is given.
	Digest digest.Digest `json:"digest,omitempty"`
	// Target is a symlink's target, or the path that a hard link shares.
	Target Bytes `json:"target,omitempty"`
	// Xattrs are bytes by name, which is the text of Bytes; JSON has them in base64.
	Xattrs   map[string][]byte `json:"xattrs,omitempty"`
	Devmajor int64             `json:"devmajor,omitempty"`
	Devminor int64             `json:"devminor,omitempty"`
}

// Properties returns the entry's properties; they share no memory that changes.
func (e *Entry) Properties() Properties {
	p := Properties{
		Type: e.Type, Mode: Mode(e.Mode), UID: e.UID, GID: e.GID, Mtime: Mtime(e.Mtime),
		Size: e.Size, Digest: e.Digest, Target: Bytes(e.Linkname), Devmajor: e.Devmajor, Devminor: e.Devminor,
	}
	if len(e.Xattrs) > 0 {
		p.Xattrs = make(map[string][]byte, len(e.Xattrs))
		for name, value := range e.Xattrs {
			p.Xattrs[Bytes(name).String()] = []byte(value)
		}
	}
	return p
}

// Mode is a file mode: the permission bits with setuid (04000), setgid (02000)
// and sticky (01000). Its text is octal, as chmod takes it: "0644".
type Mode uint32

// String is the mode in octal, with four digits or more.
func (m Mode) String() string { return fmt.Sprintf("%04o", uint32(m)) }

// MarshalText writes String.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads octal digits.
func (m *Mode) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 8, 32)
	if err != nil {
		return fmt.Errorf("%q is not a mode in octal digits, such as \"0644\"", text)
	}
	*m = Mode(n)
	return nil
}

// Mtime is a modification time in seconds since 1970 in UTC. Its text is RFC 3339,
// and for years that RFC 3339 does not have, "@" with the seconds.
type Mtime int64

// The seconds in which the years 0 and 10000 of RFC 3339 begin.
const (
	firstSecond = -62167219200
	afterLast   = 253402300800
)

// String is the time in RFC 3339 where it can be.
func (t Mtime) String() string {
	if t < firstSecond || t >= afterLast {
		return "@" + strconv.FormatInt(int64(t), 10)
	}
	return time.Unix(int64(t), 0).UTC().Format(time.RFC3339)
}

// MarshalText writes String.
func (t Mtime) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads the form of MarshalText, and RFC 3339 in any zone.
func (t *Mtime) UnmarshalText(text []byte) error {
	if seconds, ok := strings.CutPrefix(string(text), "@"); ok {
		n, err := strconv.ParseInt(seconds, 10, 64)
		if err != nil {
			return fmt.Errorf("%q is not \"@\" with seconds since 1970", text)
		}
		*t = Mtime(n)
		return nil
	}
	parsed, err := time.Parse(time.RFC3339, string(text))
	if err != nil {
		return fmt.Errorf("%q is not a time in RFC 3339", text)
	}
	*t = Mtime(parsed.Unix())
	return nil
}
