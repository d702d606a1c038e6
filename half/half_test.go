package half_test

import (
	"math"
	"math/rand"
	"testing"

	"github.com/moezoo/moezoo/half"
)

// formats are both, with the distance between neighbours at 1 and the largest number.
var formats = []struct {
	name          string
	to            func(float32) uint16
	from          func(uint16) float32
	step, largest float64
}{
	{"float16", half.ToFloat16, half.FromFloat16, 1.0 / 1024, 65504},
	{"bfloat16", half.ToBFloat16, half.FromBFloat16, 1.0 / 128, 0x1.fep127},
}

func TestEveryPatternSurvivesTheWayThroughFloat32(t *testing.T) {
	for _, f := range formats {
		for h := range 1 << 16 {
			x := f.from(uint16(h))
			got := f.to(x)
			if x != x {
				if y := f.from(got); y == y {
					t.Fatalf("%s: NaN %#04x became %v", f.name, h, y)
				}
				continue
			}
			if got != uint16(h) {
				t.Fatalf("%s: %#04x is %v, and that rounds to %#04x", f.name, h, x, got)
			}
		}
	}
}

func TestRoundingIsToTheNearestAndTiesToEven(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for _, f := range formats {
		for range 200_000 {
			x := math.Float32frombits(r.Uint32())
			if x != x || math.Abs(float64(x)) > f.largest {
				continue
			}
			h := f.to(x)
			best := math.Abs(float64(f.from(h)) - float64(x))
			for _, n := range []uint16{h - 1, h + 1} {
				y := float64(f.from(n))
				if math.IsNaN(y) || math.IsInf(y, 0) {
					continue
				}
				if d := math.Abs(y - float64(x)); d < best || d == best && h&1 == 1 {
					t.Fatalf("%s: %v became %v, %v is nearer", f.name, x, f.from(h), y)
				}
			}
		}
	}
}

func TestEdges(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, f := range formats {
		if got := f.from(f.to(inf)); got != inf {
			t.Errorf("%s: infinity became %v", f.name, got)
		}
		if got := f.from(f.to(-inf)); got != -inf {
			t.Errorf("%s: -infinity became %v", f.name, got)
		}
		if got := math.Float32bits(f.from(f.to(float32(math.Copysign(0, -1))))); got != 1<<31 {
			t.Errorf("%s: -0 became %#x", f.name, got)
		}
		if got := float64(f.from(f.to(float32(1 + f.step/4)))); got != 1 {
			t.Errorf("%s: a quarter step above 1 became %v", f.name, got)
		}
	}
	if got := half.FromFloat16(half.ToFloat16(65520)); got != inf {
		t.Errorf("65520 became %v, want infinity", got)
	}
	if got := half.FromFloat16(half.ToFloat16(65519)); got != 65504 {
		t.Errorf("65519 became %v, want 65504", got)
	}
}
