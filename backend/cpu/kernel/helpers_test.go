package kernel

import (
	"fmt"
	"math"
	"math/rand"
	"testing"
)

// eachLevel runs a test on every level this machine has.
func eachLevel(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	saved := active
	defer func() { active = saved }()
	for _, l := range levels() {
		active = l
		t.Run(l.name, f)
	}
}

// eachThreads runs f with pools of 1, 2 and 4 threads and fails unless the
// values it returns are equal bit by bit.
func eachThreads(t *testing.T, f func(p *Pool) [][]float32) [][]float32 {
	t.Helper()
	var want [][]float32
	for _, n := range []int{1, 2, 4} {
		p := NewPool(n)
		got := f(p)
		p.Close()
		if want == nil {
			want = got
			continue
		}
		for i := range got {
			for j := range got[i] {
				if math.Float32bits(got[i][j]) != math.Float32bits(want[i][j]) {
					t.Fatalf("%d threads: output %d[%d] = %v, with 1 thread %v", n, i, j, got[i][j], want[i][j])
				}
			}
		}
	}
	return want
}

type source struct{ *rand.Rand }

func newSource(seed int64) source { return source{rand.New(rand.NewSource(seed))} }

func (r source) slice(n int, lo, hi float32) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = lo + (hi-lo)*r.Float32()
	}
	return s
}

// garbage is scratch that shows when a kernel relies on its content.
func garbage(n int) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = float32(math.NaN())
	}
	return s
}

func wide(x []float32) []float64 {
	if x == nil {
		return nil
	}
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

// near fails unless |got-want| ≤ tol·(1+largest |want|) everywhere.
func near(t *testing.T, what string, got []float32, want []float64, tol float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	size := 1.0
	for _, v := range want {
		if !math.IsInf(v, 0) {
			size = max(size, math.Abs(v))
		}
	}
	for i, v := range got {
		if float64(v) == want[i] {
			continue
		}
		if !(math.Abs(float64(v)-want[i]) <= tol*size) {
			t.Fatalf("%s[%d] = %v, want %v (tolerance %g)", what, i, v, want[i], tol*size)
		}
	}
}

// gradients compares gradients with central differences of a float64 model.
// model maps inputs to outputs; dy are the outputs' gradients, nil for zero;
// got are the inputs' gradients, nil where not compared.
func gradients(t *testing.T, model func(in [][]float64) [][]float64, in, dy, got [][]float32, tol float64) {
	t.Helper()
	x := make([][]float64, len(in))
	for i := range in {
		x[i] = wide(in[i])
	}
	loss := func() float64 {
		var s float64
		for i, out := range model(x) {
			if dy[i] == nil {
				continue
			}
			for j, v := range out {
				s += v * float64(dy[i][j])
			}
		}
		return s
	}
	r := newSource(7)
	for i := range in {
		if got[i] == nil {
			continue
		}
		if len(got[i]) != len(in[i]) {
			t.Fatalf("gradient %d has %d values, want %d", i, len(got[i]), len(in[i]))
		}
		scale := 1.0
		for _, v := range got[i] {
			scale = max(scale, math.Abs(float64(v)))
		}
		for n := range min(len(in[i]), 60) {
			j := n
			if len(in[i]) > 60 {
				j = r.Intn(len(in[i]))
			}
			const h = 1e-4
			keep := x[i][j]
			x[i][j] = keep + h
			up := loss()
			x[i][j] = keep - h
			down := loss()
			x[i][j] = keep
			want := (up - down) / (2 * h)
			if !(math.Abs(float64(got[i][j])-want) <= tol*scale) {
				t.Fatalf("gradient of input %d at %d = %v, central difference %v", i, j, got[i][j], want)
			}
		}
	}
}

// mustPanic fails unless f panics.
func mustPanic(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s: no panic", what)
		}
	}()
	f()
}

func ExampleLevel() {
	fmt.Println(Level() != "")
	// Output: true
}
