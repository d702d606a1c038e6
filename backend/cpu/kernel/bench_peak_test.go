package kernel

import "testing"

// BenchmarkPeak is the roof the products are measured against.
func BenchmarkPeak(b *testing.B) {
	eachLevelBench(b, func(b *testing.B, p *Pool) {
		for b.Loop() {
			p.RunTask(p.Threads(), peakTask{})
		}
		b.ReportMetric(float64(p.Threads())*peakIterations*active.peakOps/float64(b.Elapsed().Nanoseconds())*float64(b.N), "GFLOP/s")
	})
}
