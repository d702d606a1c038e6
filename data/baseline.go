package data

import (
	"bytes"
	"compress/gzip"
	"math"
)

// Baselines are bits per byte that a model should beat, all measured on the held-out
// bytes.
type Baselines struct {
	// Order0 is the cross-entropy of byte frequencies counted in the training text.
	Order0 float64 `json:"order0"`
	// Order2 is that of a byte given the two before it, counted in the training text and
	// interpolated with lower orders.
	Order2 float64 `json:"order2"`
	// Gzip is the size of the held-out text under gzip -9; GzipPrimed is by how much it
	// makes the compressed training text larger (gzip looks back 32 KiB).
	Gzip       float64 `json:"gzip"`
	GzipPrimed float64 `json:"gzip_primed"`
}

// Measure computes the baselines.
func Measure(train, held []byte) Baselines {
	if len(held) == 0 {
		return Baselines{}
	}
	n := float64(len(held))
	alone := gzipSize(held)
	whole := gzipSize(append(append([]byte(nil), train...), held...))
	o0, o2 := contextModels(train, held)
	return Baselines{Order0: o0, Order2: o2, Gzip: 8 * float64(alone) / n, GzipPrimed: 8 * float64(whole-gzipSize(train)) / n}
}

// counter counts bytes instead of keeping them.
type counter int

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }

func gzipSize(text []byte) int {
	var n counter
	z, err := gzip.NewWriterLevel(&n, gzip.BestCompression)
	if err != nil {
		panic(err) // the level is a constant
	}
	if _, err := bytes.NewReader(text).WriteTo(z); err != nil {
		panic(err) // counting does not fail
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return int(n)
}

// contextModels trains byte models of order 0 to 2 and answers the cross-entropy of
// orders 0 and 2 in bits per byte. Order 0 adds one to every count; each higher order
// interpolates with the one below as Witten and Bell do: the more different bytes have
// followed a context, the more weight goes to the shorter one.
func contextModels(train, held []byte) (order0, order2 float64) {
	var zero [256]float64
	one := make([][256]float64, 256)
	two := make(map[uint16]*[256]float64)
	for i, b := range train {
		zero[b]++
		if i >= 1 {
			one[train[i-1]][b]++
		}
		if i >= 2 {
			k := uint16(train[i-2])<<8 | uint16(train[i-1])
			if two[k] == nil {
				two[k] = new([256]float64)
			}
			two[k][b]++
		}
	}
	for i, b := range held {
		p := (zero[b] + 1) / float64(len(train)+256)
		order0 -= math.Log2(p)
		if i >= 1 {
			p = wittenBell(&one[held[i-1]], b, p)
		}
		if i >= 2 {
			if c := two[uint16(held[i-2])<<8|uint16(held[i-1])]; c != nil {
				p = wittenBell(c, b, p)
			}
		}
		order2 -= math.Log2(p)
	}
	n := float64(len(held))
	return order0 / n, order2 / n
}

func wittenBell(counts *[256]float64, b byte, lower float64) float64 {
	total, kinds := 0.0, 0.0
	for _, c := range counts {
		total += c
		if c > 0 {
			kinds++
		}
	}
	if total == 0 {
		return lower
	}
	return (counts[b] + kinds*lower) / (total + kinds)
}
