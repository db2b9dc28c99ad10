package walk

import (
	"io/fs"
	"os"
)

// Loss is the mode of a source with which an entry loses something when its
// metadata is normalised: rights are widened for others, or setuid, setgid,
// sticky or capabilities dropped. It is 0 where nothing is lost.
type Loss uint16

// The bits of a Loss beside those of the mode: that there is one, and that there
// are capabilities.
const (
	lossFound      Loss = 1 << 14
	lossCapability Loss = 1 << 15
)

// lossOf compares a mode, as the system has it, with what normalising makes of it.
func lossOf(mode, normalised uint32, capable bool) Loss {
	const others, special = 0o077, 0o7000
	l := Loss(mode&0o7777) | lossFound
	switch {
	case capable:
		return l | lossCapability
	case normalised&^mode&others != 0, mode&special != 0:
		return l
	}
	return 0
}

// Capability reports whether capabilities are lost.
func (l Loss) Capability() bool { return l&lossCapability != 0 }

// Mode is the mode of the source.
func (l Loss) Mode() uint32 { return uint32(l & 0o7777) }

// systemMode is the permissions of a stat as the system has them.
func systemMode(mode fs.FileMode) uint32 {
	out := uint32(mode.Perm())
	for bit, is := range map[fs.FileMode]uint32{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if mode&bit != 0 {
			out |= is
		}
	}
	return out
}

// LossIn is the Loss of name in dir, which is a file with that stat and the
// normalised mode.
func LossIn(dir *os.Root, name string, info fs.FileInfo, normalised uint32) Loss {
	capable := info.Mode().IsRegular() && info.Mode()&0o111 != 0 && hasCapability(dir, name)
	return lossOf(systemMode(info.Mode()), normalised, capable)
}
