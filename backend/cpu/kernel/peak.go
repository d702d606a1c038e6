package kernel

import (
	"time"
	"unsafe"
)

// Peak is what the machine can do at best, measured for a short while on all threads of a
// pool at once.
type Peak struct {
	GFLOPS    float64 // multiply-adds of float32 in registers, two operations each
	ReadGBPS  float64 // reading memory far larger than the caches
	Threads   int
	ReadBytes int // that one pass read
}

// peakBuffer is how much memory each thread reads.
const peakBuffer = 64 << 20

// MeasurePeak runs both loops repeats times and keeps the best. allocate makes the memory
// that is read, of a number of bytes: weights lie in memory of the same kind.
func MeasurePeak(p *Pool, repeats int, allocate func(n int) []byte) Peak {
	n := p.Threads()
	best := Peak{Threads: n, ReadBytes: n * peakBuffer}
	flops := &peakTask{}
	read := &readTask{buffers: make([][]float32, n), sums: make([]float32, 16*n)}
	for i := range read.buffers {
		read.buffers[i] = unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(allocate(peakBuffer)))), peakBuffer/4)
		for j := range read.buffers[i] {
			read.buffers[i][j] = 1
		}
	}
	for range max(repeats, 1) {
		start := time.Now()
		p.RunTask(n, flops)
		best.GFLOPS = max(best.GFLOPS, float64(n)*peakIterations*active.peakOps/float64(time.Since(start).Nanoseconds()))
		start = time.Now()
		p.RunTask(n, read)
		best.ReadGBPS = max(best.ReadGBPS, float64(best.ReadBytes)/float64(time.Since(start).Nanoseconds()))
	}
	return best
}

// peakIterations of the register loop take some 20 ms.
const peakIterations = 5_000_000

type peakTask struct{}

func (peakTask) Do(int, int) { active.peak(peakIterations) }

type readTask struct {
	buffers [][]float32
	sums    []float32 // 64 bytes apart
}

func (t *readTask) Do(item, _ int) { t.sums[16*item] = active.sum(t.buffers[item]) }

// peakGeneric does 16 operations an iteration: eight multiply-adds that wait for nothing.
func peakGeneric(iterations int) {
	var a, b, c, d, e, f, g, h float32
	x := peakFactor
	for range iterations {
		a, b, c, d = a*x+x, b*x+x, c*x+x, d*x+x
		e, f, g, h = e*x+x, f*x+x, g*x+x, h*x+x
	}
	peakSink = a + b + c + d + e + f + g + h
}

var (
	peakFactor float32 = 0.5
	peakSink   float32 //nolint:unused // nobody reads it: it keeps the loop from being left out
)
