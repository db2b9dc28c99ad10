package source

import (
	"encoding/hex"
	"strings"
	"testing"
)

// TestCapabilities compares with what setcap writes.
func TestCapabilities(t *testing.T) {
	for text, want := range map[string]string{
		"net_bind_service=+ep":                 "0100000200040000000000000000000000000000",
		"cap_net_bind_service=ep":              "0100000200040000000000000000000000000000",
		"CAP_NET_RAW,cap_net_admin+p":          "0000000200300000000000000000000000000000",
		"chown=eip":                            "0100000201000000010000000000000000000000",
		"bpf=p":                                "0000000200000000000000008000000000000000",
		"all=p net_raw-p":                      "00000002ffdfffff00000000ff01000000000000",
		"net_raw=p net_raw+i":                  "0000000200200000002000000000000000000000",
		"net_raw+eip-i":                        "0100000200200000000000000000000000000000",
		"":                                     "0000000200000000000000000000000000000000",
		"=p cap_chown-p":                       "00000002feffffff00000000ff01000000000000",
		"net_raw=p chown=":                     "0000000200200000000000000000000000000000",
		"net_admin,net_raw=ep dac_override+ep": "0100000202300000000000000000000000000000",
	} {
		got, err := encodeCapabilities(text)
		if err != nil || hex.EncodeToString([]byte(got)) != want {
			t.Errorf("%q gives %x, %v; want %s", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"net_raw":            `in "net_raw", there is no operator`,
		"net_raw+x":          `the flags are "x"`,
		"+ep":                "no capability is named",
		"nope=ep":            "the capability \"nope\" does not exist",
		"net_raw=p chown=ep": "all or none",
		"net_raw, chown=ep":  "no operator",
	} {
		if _, err := encodeCapabilities(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q gives %v, want %q", text, err, want)
		}
	}
}
