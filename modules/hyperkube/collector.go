package main

import (
	"os"
	"runtime/debug"
	"syscall"
	"time"
)

const (
	startSeconds = 180
	startPercent = 400 // of what is in use, instead of 100
	memoryShare  = 8   // of the machine's memory: the part that a component may grow to for this
)

// startLazily lets the garbage collector rest while a component starts: nearly all that it allocates then it keeps, and
// looking for garbage again and again would take a quarter of the processor time of its start.
func startLazily() {
	var machine syscall.Sysinfo_t
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" || syscall.Sysinfo(&machine) != nil {
		return
	}
	percent := debug.SetGCPercent(startPercent)
	limit := debug.SetMemoryLimit(int64(machine.Totalram) * int64(machine.Unit) / memoryShare)
	time.AfterFunc(startSeconds*time.Second, func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	})
}
