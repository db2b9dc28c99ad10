package walk

import (
	"strings"
	"testing"
)

func TestPortableXattr(t *testing.T) {
	for name, want := range map[string]bool{
		"user.note": true, "user.overlayed": true, "security.capability": true, "system.posix_acl_access": true, "system.posix_acl_default": true,
		"user.overlay.origin": false, "user.fuseoverlayfs.opaque": false, "user.containers.override_stat": false, "user.rootlesscontainers": false,
		"security.selinux": false, "security.ima": false, "security.evm": false, "security.SMACK64": false, "security.apparmor": false,
		"system.nfs4_acl": false, "system.cifs_acl": false, "btrfs.compression": false, "trusted.overlay.opaque": false, "trusted.note": false,
	} {
		if got := portableXattr(name); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestPortableCapabilities(t *testing.T) {
	sets := "\x00\x04\x00\x00\x01\x00\x00\x00" + "\x02\x00\x00\x00\x03\x00\x00\x00"
	second := "\x01\x00\x00\x02" + sets
	for value, want := range map[string]string{
		second: second,
		"\x01\x00\x00\x03" + sets + "\xa0\x86\x01\x00": second,
		"\x00\x00\x00\x03" + sets + "\x00\x00\x00\x00": "\x00\x00\x00\x02" + sets,
		"\x01\x00\x00\x01" + sets[:8]:                  "\x01\x00\x00\x02" + sets[:8] + strings.Repeat("\x00", 8),
		"":                                             "-",
		"\x01\x00\x00\x03" + sets:                      "-", // without the root's number
		"\x01\x00\x00\x04" + sets:                      "-",
		"\x01\x00\x00\x02" + sets[:12]:                 "-",
		second + "\x00":                                "-",
	} {
		got, err := portableValue(CapabilityXattr, value)
		if want == "-" != (err != nil) || err == nil && got != want {
			t.Errorf("%x: got %x, %v, want %x", value, got, err, want)
		}
	}
	if got, err := portableValue("user.x", "any"); got != "any" || err != nil {
		t.Errorf("another xattr: %q, %v", got, err)
	}
}
