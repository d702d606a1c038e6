package bench

import "os"

// rssUnit is the unit of Rusage.Maxrss.
const rssUnit = 1 << 10

// resetPeakMemory lets the largest resident set begin anew. Where that is not allowed, it
// stays that of the whole run.
func resetPeakMemory() { _ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }
