package disk

import "syscall"

func changeTime(sys *syscall.Stat_t) syscall.Timespec { return sys.Ctim }
