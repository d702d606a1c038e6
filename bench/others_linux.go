package bench

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// watchOthers begins to watch what other programs do. The function that it answers tells which
// share of the machine's processor time they took since, nil where that is not known.
func watchOthers() func() *float64 {
	began, all, own := time.Now(), busyTime(), processorTime()
	return func() *float64 {
		elapsed := time.Since(began) * time.Duration(runtime.NumCPU())
		now := busyTime()
		if all < 0 || now < 0 || elapsed <= 0 {
			return nil
		}
		share := min(max(float64((now-all)-(processorTime()-own))/float64(elapsed), 0), 1)
		return &share
	}
}

// busyTime is what all processors together have worked since the machine was started, -1 where
// the system does not tell.
func busyTime() time.Duration {
	raw, err := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(raw), "\n")
	fields := strings.Fields(line) // cpu user nice system idle iowait irq softirq steal …
	if err != nil || len(fields) < 9 || fields[0] != "cpu" {
		return -1
	}
	ticks := int64(0)
	for _, i := range []int{1, 2, 3, 6, 7, 8} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return -1
		}
		ticks += n
	}
	return time.Duration(ticks) * (time.Second / 100) // the unit that Linux shows programs
}
