package zoo

import "fmt"

// Skip goes on as if n tokens had been fed, without looking at any: recurrent states stay as
// they are, and attention sees n tokens of zeros. It is for measuring: what a token takes and
// how large the states are depend on how many came before, and not on which.
func (d *Decoder) Skip(n int) error {
	if n < 0 || d.longest > 0 && d.length+n > d.longest {
		return fmt.Errorf("%d tokens skipped behind %d: the model has learned positions for %d", n, d.length, d.longest)
	}
	if err := d.grow(d.length + n); err != nil {
		return err
	}
	c := &d.caches
	if d.length, c.kept = d.length+n, c.kept+n; c.window > 0 && c.kept > c.windowed {
		c.kept = c.window - 1 // the others have left the window
	}
	return nil
}

// StateBytes is the memory that the states of all rows take.
func (d *Decoder) StateBytes() int {
	total := 0
	for _, b := range d.states {
		size := b.DType().Size()
		for _, n := range b.Shape() {
			size *= n
		}
		total += size
	}
	return total
}
