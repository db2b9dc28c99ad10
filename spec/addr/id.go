package addr

import (
	"cmp"
	"fmt"
	"strings"
)

// ID names one thing to build: an object or, for a config that manifests with
// different layers share, the config as one of them uses it.
type ID struct {
	Address Address
	// Use is the first manifest of a config's use; zero where there is but one.
	Use Address
}

// separator is the text between the address and the use of an ID.
const separator = " for "

// String writes the ID: config.app, or config.app for manifest.web["arm64"].
func (id ID) String() string {
	if id.Use.IsZero() {
		return id.Address.String()
	}
	return id.Address.String() + separator + id.Use.String()
}

// Compare orders IDs by address, then by use.
func (id ID) Compare(other ID) int {
	return cmp.Or(id.Address.Compare(other.Address), id.Use.Compare(other.Use))
}

// MarshalText is String for an ID that names something.
func (id ID) MarshalText() ([]byte, error) {
	if id.Address.IsZero() {
		return nil, errEmpty
	}
	return []byte(id.String()), nil
}

// UnmarshalText is ParseID.
func (id *ID) UnmarshalText(text []byte) error {
	parsed, err := ParseID(string(text))
	if err == nil {
		*id = parsed
	}
	return err
}

// ParseID reads an ID as ID.String writes it. Configs alone have uses, and
// manifests alone are ones.
func ParseID(text string) (ID, error) {
	address, use, shared := text, "", false
	if at := separatorIn(text); at >= 0 {
		address, use, shared = text[:at], text[at+len(separator):], true
	}
	a, err := Parse(address)
	if err != nil || !shared {
		return ID{Address: a}, err
	}
	u, err := Parse(use)
	if err != nil {
		return ID{}, err
	}
	if a.Kind != Config || u.Kind != Manifest {
		return ID{}, fmt.Errorf("%q names no object: a config is used by a manifest, and nothing else has a use", text)
	}
	return ID{Address: a, Use: u}, nil
}

// separatorIn is the place of the first separator outside of quotation marks;
// -1 where there is none.
func separatorIn(text string) int {
	quoted := false
	for i := 0; i < len(text); i++ {
		switch {
		case quoted && text[i] == '\\':
			i++
		case text[i] == '"':
			quoted = !quoted
		case !quoted && strings.HasPrefix(text[i:], separator):
			return i
		}
	}
	return -1
}
