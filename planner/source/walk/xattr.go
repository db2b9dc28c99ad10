package walk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// CapabilityXattr is the xattr in which Linux keeps a file's capabilities.
const CapabilityXattr = "security.capability"

// storageXattrs begin the names of xattrs of users in which overlay file systems
// and rootless container stores keep their books.
var storageXattrs = []string{"user.overlay.", "user.fuseoverlayfs.", "user.containers.", "user.rootlesscontainers"}

// portableXattr reports whether an xattr is preserved: capabilities, access control lists,
// whose owners are preserved as well, and what users note on a file.
func portableXattr(name string) bool {
	// All else belongs to the machine that the file lies on: labels and measurements
	// (other names of security.), what file systems keep of themselves (of system.,
	// btrfs. and others), and what only root can see (trusted.), with which a layer
	// would depend on who builds it.
	switch name {
	case CapabilityXattr, "system.posix_acl_access", "system.posix_acl_default":
		return true
	}
	for _, prefix := range storageXattrs {
		if strings.HasPrefix(name, prefix) {
			return false
		}
	}
	return strings.HasPrefix(name, "user.")
}

// portableValue is the value of a portable xattr as a layer holds it. The one of
// capabilities comes in revisions: the third holds for the root user of one user
// namespace, whose number means nothing elsewhere, and becomes the second.
func portableValue(name, value string) (string, error) {
	if name != CapabilityXattr {
		return value, nil
	}
	const (
		revision1, revision2, revision3 = 0x01000000, 0x02000000, 0x03000000
		flags, sets, root               = 0x00ffffff, 8, 4
	)
	if len(value) < 4 {
		return "", errors.New("it is too short for capabilities")
	}
	magic := binary.LittleEndian.Uint32([]byte(value))
	head := string(binary.LittleEndian.AppendUint32(nil, magic&flags|revision2))
	switch revision := magic &^ flags; {
	case revision == revision2 && len(value) == 4+2*sets:
		return value, nil
	case revision == revision3 && len(value) == 4+2*sets+root:
		return head + value[4:4+2*sets], nil
	case revision == revision1 && len(value) == 4+sets:
		return head + value[4:] + strings.Repeat("\x00", sets), nil
	}
	return "", fmt.Errorf("its %d bytes are no capabilities of a revision that is known", len(value))
}
