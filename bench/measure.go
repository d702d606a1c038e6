package bench

import (
	"slices"
	"syscall"
	"time"
)

// Times are those of one row over its repeats, in milliseconds.
type Times struct {
	Best   float64 `json:"best_ms"`
	Median float64 `json:"median_ms"`
	Worst  float64 `json:"worst_ms"`
	// CPU is the median of the processor time of all threads. On an idle machine it is about
	// the wall clock's times the number of threads that work.
	CPU float64 `json:"cpu_ms"`
}

// repeat runs f, after once to warm up, as often as asked.
func repeat(repeats int, f func() error) (Times, error) {
	if err := f(); err != nil {
		return Times{}, err
	}
	wall, cpu := make([]float64, repeats), make([]float64, repeats)
	for i := range wall {
		start, used := time.Now(), processorTime()
		if err := f(); err != nil {
			return Times{}, err
		}
		wall[i], cpu[i] = milliseconds(time.Since(start)), milliseconds(processorTime()-used)
	}
	slices.Sort(wall)
	slices.Sort(cpu)
	return Times{Best: wall[0], Median: wall[repeats/2], Worst: wall[repeats-1], CPU: cpu[repeats/2]}, nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

// processorTime is what this process has used so far.
func processorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peakMemory is the largest resident set so far, in bytes.
func peakMemory() int {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return int(u.Maxrss) * rssUnit
}
