//go:build unix

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// measured is a program that runs layform and writes to file descriptor 3 what
// it took. The test itself cannot tell: a process begins with the peak memory of
// the one that starts it.
func measured() {
	cmd := exec.Command("layform", os.Args[1:]...)
	cmd.Stderr = os.Stderr
	hung := time.AfterFunc(5*time.Minute, func() { _ = cmd.Process.Kill() })
	_ = cmd.Run()
	hung.Stop()
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	err := json.NewEncoder(os.NewFile(3, "usage")).Encode(taken{
		Resident: usage.Maxrss >> 10, Processor: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), Exit: cmd.ProcessState.ExitCode(),
	})
	if err != nil {
		panic(err)
	}
}

// taken is what a run took: MiB of memory and time of a processor.
type taken struct {
	Resident  int64
	Processor time.Duration
	Exit      int
}
