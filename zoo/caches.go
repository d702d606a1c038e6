package zoo

import (
	"fmt"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/graph"
)

// caches are the capacities of a decoder's attention caches, in tokens. Those that see
// everything double when they are full. Those of windows stop growing at twice the widest
// window and then let go of the oldest tokens, so that their memory is bounded and each
// token is moved about once.
type caches struct {
	capacity int // of attention without a window
	window   int // the widest, 0 when no layer has one
	windowed int // capacity of attention with a window
	kept     int // earlier tokens that those still hold
}

// firstCapacity is a cache's capacity at the start.
const firstCapacity = 256

func newCaches(g *graph.Graph) caches {
	c := caches{capacity: firstCapacity, windowed: firstCapacity}
	for _, n := range g.Nodes {
		if n.Domain == graph.Domain && n.Op == "Attention" {
			c.window = max(c.window, int(n.Int("window", 0)))
		}
	}
	return c
}

// limit is the largest capacity of windows: what the first token of a call looks back to,
// and room for a call of any size, or for as many tokens as the window has.
func (c *caches) limit() int { return c.window - 1 + max(c.window, prefillChunks[0]) }

// grow makes room for a number of tokens since the beginning, where caches may grow.
func (d *Decoder) grow(tokens int) error {
	c := &d.caches
	before := *c
	for c.capacity < tokens {
		c.capacity *= 2
	}
	for c.windowed < min(tokens, c.limit()) {
		c.windowed = min(2*c.windowed, c.limit())
	}
	if *c == before {
		return nil
	}
	changed := false
	for _, s := range d.each.States {
		b, err := d.allocState(s.In)
		if err != nil {
			return err
		}
		old := d.states[s.Name]
		if fmt.Sprint(b.Shape()) == fmt.Sprint(old.Shape()) {
			b.Free()
			continue
		}
		changed = true
		if err := moveRows(b, old, 0, old.Shape()[2]); err != nil {
			return err
		}
		old.Free()
		d.states[s.Name] = b
	}
	if changed {
		return d.forgetPrograms()
	}
	return nil
}

// slide makes room for the next step tokens in the caches of windows: when they are full,
// what the next token still looks back to moves to their beginning.
func (d *Decoder) slide(step int) error {
	c := &d.caches
	if c.window == 0 || c.kept+step <= c.windowed {
		return nil
	}
	last := min(c.kept, c.window-1)
	for _, s := range d.each.States {
		if shape := s.In.Shape(); len(shape) == 4 && shape[2].Equal(graph.Symbol(blocks.WindowCapacity)) {
			b := d.states[s.Name]
			if err := moveRows(b, b, c.kept-last, last); err != nil {
				return err
			}
		}
	}
	c.kept = last
	return nil
}

// moveRows copies n rows of each head of a cache [B, H, S, Dh], from the given one on, to
// the beginning of the same head of another cache, or of the same.
func moveRows(to, from backend.Buffer, first, n int) error {
	a := backend.NewTensor(from.DType(), from.Shape()...)
	if err := from.Download(nil, a); err != nil {
		return err
	}
	b := backend.NewTensor(to.DType(), to.Shape()...)
	s, capacity := from.Shape(), to.Shape()[2]
	for head := range s[0] * s[1] {
		copy(b.F32()[head*capacity*s[3]:], a.F32()[(head*s[2]+first)*s[3]:(head*s[2]+first+n)*s[3]])
	}
	return to.Upload(nil, b)
}
