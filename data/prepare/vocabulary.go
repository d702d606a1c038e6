package prepare

import (
	"bytes"
	"fmt"

	"github.com/moezoo/moezoo/data"
	"github.com/moezoo/moezoo/data/tokenizer"
)

// learnTokenizer learns a vocabulary from what is not held out, repeats left out as wanted.
func (p *preparation) learnTokenizer() error {
	p.pass("learning the vocabulary")
	var l tokenizer.Learner
	for _, s := range p.sources {
		_, err := p.walk(s, visitor{use: func(d *document) error {
			if d.text != nil {
				return l.Add(bytes.NewReader(d.text[:d.cut]))
			}
			r, err := d.Section(0, d.cut)
			if err != nil {
				return err
			}
			defer r.Close()
			if err := l.Add(data.WhileAlive(p.ctx, r)); err != nil {
				return fmt.Errorf("%s: %w", d.Name, err)
			}
			return nil
		}})
		if err != nil {
			return err
		}
	}
	t, err := l.Learn(p.Learn)
	p.Tokenizer = t
	return err
}
