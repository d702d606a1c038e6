package data

import (
	"bufio"
	"compress/gzip"
	"io"
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

// measure computes the baselines of a text whose part from cut on is held out. It reads
// the text as a stream, several times.
func measure(t text, cut int64) (b Baselines, err error) {
	if cut == t.size {
		return b, nil
	}
	sizes := make([]float64, 3) // compressed: training text, held-out text, both
	for i, part := range [][2]int64{{0, cut}, {cut, t.size}, {0, t.size}} {
		if sizes[i], err = gzipSize(t, part[0], part[1]); err != nil {
			return b, err
		}
	}
	n := float64(t.size - cut)
	b.Gzip, b.GzipPrimed = 8*sizes[1]/n, 8*(sizes[2]-sizes[0])/n
	var m contextModel
	if err := m.train(t, cut); err != nil {
		return b, err
	}
	b.Order0, b.Order2, err = m.measure(t, cut)
	return b, err
}

// counter counts bytes instead of keeping them.
type counter int

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }

func gzipSize(t text, from, to int64) (float64, error) {
	var n counter
	z, err := gzip.NewWriterLevel(&n, gzip.BestCompression)
	if err != nil {
		panic(err) // the level is a constant
	}
	r := t.reader(from, to)
	defer r.Close()
	if _, err := io.Copy(z, r); err != nil {
		return 0, err
	}
	if err := z.Close(); err != nil {
		panic(err) // counting does not fail
	}
	return float64(n), nil
}

// contextModel is a byte model of orders 0 to 2. Order 0 adds one to every count; each
// higher order interpolates with the one below as Witten and Bell do: the more different
// bytes have followed a context, the more weight goes to the shorter one.
type contextModel struct {
	total float64
	zero  [256]float64
	one   [256][256]float64
	two   map[uint16]*[256]float64
}

// eachByte calls use for every byte of a part of the text, with the two bytes before it as
// one number and its place in the part.
func eachByte(t text, from, to int64, use func(i int64, before uint16, b byte)) error {
	stream := t.reader(from, to)
	defer stream.Close()
	r := bufio.NewReaderSize(stream, chunkBytes)
	before := uint16(0)
	for i := range to - from {
		b, err := r.ReadByte()
		if err != nil {
			return err
		}
		use(i, before, b)
		before = before<<8 | uint16(b)
	}
	return nil
}

// train counts what is before the cut.
func (m *contextModel) train(t text, cut int64) error {
	m.two = make(map[uint16]*[256]float64)
	m.total = float64(cut)
	return eachByte(t, 0, cut, func(i int64, before uint16, b byte) {
		m.zero[b]++
		if i >= 1 {
			m.one[byte(before)][b]++
		}
		if i >= 2 {
			if m.two[before] == nil {
				m.two[before] = new([256]float64)
			}
			m.two[before][b]++
		}
	})
}

// measure answers the cross-entropy of orders 0 and 2, in bits per byte, from the cut on.
func (m *contextModel) measure(t text, cut int64) (order0, order2 float64, err error) {
	err = eachByte(t, cut, t.size, func(i int64, before uint16, b byte) {
		p := (m.zero[b] + 1) / (m.total + 256)
		order0 -= math.Log2(p)
		if i >= 1 {
			p = wittenBell(&m.one[byte(before)], b, p)
		}
		if i >= 2 {
			if c := m.two[before]; c != nil {
				p = wittenBell(c, b, p)
			}
		}
		order2 -= math.Log2(p)
	})
	n := float64(t.size - cut)
	return order0 / n, order2 / n, err
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
