package source

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// capabilityNames are the capabilities of Linux, each at its number.
var capabilityNames = [...]string{
	"chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill",
	"setgid", "setuid", "setpcap", "linux_immutable", "net_bind_service",
	"net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner",
	"sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct",
	"sys_admin", "sys_boot", "sys_nice", "sys_resource", "sys_time",
	"sys_tty_config", "mknod", "lease", "audit_write", "audit_control",
	"setfcap", "mac_override", "mac_admin", "syslog", "wake_alarm",
	"block_suspend", "audit_read", "perfmon", "bpf", "checkpoint_restore",
}

// capabilitySets are the three sets that a file carries, as bits by number.
type capabilitySets struct{ effective, permitted, inheritable uint64 }

// encodeCapabilities turns the text form of cap_from_text(3) into the value of
// the xattr, revision 2 of the kernel's format. The prefix "cap_" may be left
// out. The kernel keeps one effective bit for all: capabilities that are
// effective must be all of those that are permitted or inheritable.
func encodeCapabilities(text string) (string, error) {
	var sets capabilitySets
	for clause := range strings.FieldsSeq(text) {
		if err := sets.apply(clause); err != nil {
			return "", fmt.Errorf("in %q, %w", clause, err)
		}
	}
	const (
		revision2     = 0x02000000
		flagEffective = 0x000001
	)
	magic := uint32(revision2)
	if sets.effective != 0 {
		if all := sets.permitted | sets.inheritable; sets.effective != all {
			return "", errors.New("a file's effective capabilities are all or none of the others; write +ep or +eip for each")
		}
		magic |= flagEffective
	}
	out := binary.LittleEndian.AppendUint32(nil, magic)
	for _, shift := range []uint{0, 32} {
		out = binary.LittleEndian.AppendUint32(out, uint32(sets.permitted>>shift))
		out = binary.LittleEndian.AppendUint32(out, uint32(sets.inheritable>>shift))
	}
	return string(out), nil
}

// apply carries out one clause: names, then operators with flags.
func (s *capabilitySets) apply(clause string) error {
	at := strings.IndexAny(clause, "=+-")
	if at < 0 {
		return errors.New("there is no operator; write for example net_bind_service=+ep")
	}
	mask, err := capabilityMask(clause[:at], clause[at])
	if err != nil {
		return err
	}
	for rest := clause[at:]; rest != ""; {
		operator := rest[0]
		rest = rest[1:]
		end := strings.IndexAny(rest, "=+-")
		if end < 0 {
			end = len(rest)
		}
		if strings.Trim(rest[:end], "eip") != "" {
			return fmt.Errorf("the flags are %q, but must be of e, i and p", rest[:end])
		}
		s.change(operator, rest[:end], mask)
		rest = rest[end:]
	}
	return nil
}

func (s *capabilitySets) change(operator byte, flags string, mask uint64) {
	for flag, set := range map[string]*uint64{"e": &s.effective, "i": &s.inheritable, "p": &s.permitted} {
		named := strings.Contains(flags, flag)
		switch {
		case operator == '=' && !named, operator == '-' && named:
			*set &^= mask
		case operator != '-' && named:
			*set |= mask
		}
	}
}

// capabilityMask converts a list of names to bits; an empty list before "=" means all.
func capabilityMask(list string, operator byte) (uint64, error) {
	const all = 1<<len(capabilityNames) - 1
	if list == "" {
		if operator == '=' {
			return all, nil
		}
		return 0, errors.New("no capability is named")
	}
	var mask uint64
	for name := range strings.SplitSeq(strings.ToLower(list), ",") {
		if name == "all" {
			mask |= all
			continue
		}
		i := slices.Index(capabilityNames[:], strings.TrimPrefix(name, "cap_"))
		if i < 0 {
			return 0, fmt.Errorf("the capability %q does not exist", name)
		}
		mask |= 1 << i
	}
	return mask, nil
}
