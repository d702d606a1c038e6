package kernel

import "testing"

// BenchmarkPeak is the roof the products are measured against.
func BenchmarkPeak(b *testing.B) {
	eachLevelBench(b, func(b *testing.B, p *Pool) {
		best(b, float64(p.Threads())*peakIterations*active.peakOps, "GFLOP/s", func() { p.RunTask(p.Threads(), peakTask{}) })
	})
}
