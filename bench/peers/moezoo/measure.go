package main

import (
	"encoding/json"
	"os"
	"syscall"
	"time"
)

// answer runs f a number of times and writes the mean milliseconds of one as a line.
func answer(count int, f func() error) error {
	start, used := time.Now(), processorTime()
	for range count {
		if err := f(); err != nil {
			return err
		}
	}
	wall, cpu := time.Since(start), processorTime()-used
	per := func(d time.Duration) float64 { return d.Seconds() * 1e3 / float64(count) }
	return json.NewEncoder(os.Stdout).Encode(map[string]float64{"wall_ms": per(wall), "cpu_ms": per(cpu)})
}

// processorTime is what this process has used so far.
func processorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
