//go:build amd64 && !noasm

package kernel

import "testing"

// BenchmarkPeak is the roof the products are measured against.
func BenchmarkPeak(b *testing.B) {
	if len(levels()) < 2 {
		b.Skip("no AVX2")
	}
	const n = 100_000
	for b.Loop() {
		avxPeak(n)
	}
	b.ReportMetric(384*n/float64(b.Elapsed().Nanoseconds())*float64(b.N), "GFLOP/s")
}
