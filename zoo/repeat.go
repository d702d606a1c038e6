package zoo

import (
	"fmt"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/graph"
)

// Repeat goes on as if n more tokens had been fed, without looking at any: the caches of
// attention hold what they hold again and again, and recurrent states stay as they are. It is
// for measuring behind long texts, whose reading takes attention the square of their length:
// what a token takes and how large the states are depend on how many came before.
func (d *Decoder) Repeat(n int) error {
	switch {
	case n < 0 || d.longest > 0 && d.length+n > d.longest:
		return fmt.Errorf("%d tokens repeated behind %d: the model has learned positions for %d", n, d.length, d.longest)
	case n == 0:
		return nil
	case d.length == 0:
		return fmt.Errorf("there are no tokens to repeat")
	}
	if err := d.grow(d.length + n); err != nil {
		return err
	}
	c := &d.caches
	length, kept := d.length+n, c.kept+n
	if c.window > 0 && kept > c.windowed {
		kept = c.window - 1 // the others have left the window
	}
	for _, s := range d.each.States {
		shape := s.In.Shape()
		if len(shape) != 4 {
			continue
		}
		var err error
		switch b := d.states[s.Name]; {
		case shape[2].Equal(graph.Symbol(blocks.CacheCapacity)):
			err = repeatRows(b, d.length, length)
		case shape[2].Equal(graph.Symbol(blocks.WindowCapacity)):
			err = repeatRows(b, c.kept, kept)
		}
		if err != nil {
			return err
		}
	}
	d.length, c.kept = length, kept
	return nil
}

// repeatRows fills the rows of each head of a cache [B, H, S, Dh] up to one, with those that are
// there.
func repeatRows(b backend.Buffer, there, until int) error {
	if until <= there {
		return nil
	}
	t := backend.NewTensor(b.DType(), b.Shape()...)
	if err := b.Download(nil, t); err != nil {
		return err
	}
	s := b.Shape()
	for head := range s[0] * s[1] {
		rows := t.F32()[head*s[2]*s[3]:][:until*s[3]]
		for at := there * s[3]; at < len(rows); {
			at += copy(rows[at:], rows[:there*s[3]])
		}
	}
	return b.Upload(nil, t)
}

// StateBytes is the memory that the states of all rows take.
func (d *Decoder) StateBytes() int {
	total := 0
	for _, b := range d.states {
		total += backend.Bytes(b)
	}
	return total
}
