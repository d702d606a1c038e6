//go:build !linux

package bench

// rssUnit is the unit of Rusage.Maxrss.
const rssUnit = 1

// resetPeakMemory cannot: the largest resident set is that of the whole run.
func resetPeakMemory() {}
