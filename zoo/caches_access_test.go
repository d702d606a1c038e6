package zoo

import (
	"slices"
	"strings"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/graph"
)

// CacheRows is the number of tokens that the largest attention cache has room for, 0 for a
// model without attention.
func (d *Decoder) CacheRows() int {
	most := 0
	for _, s := range d.each.States {
		if shape := d.states[s.Name].Shape(); len(s.In.Shape()) == 4 && strings.HasPrefix(s.Name, "key.") {
			most = max(most, shape[2])
		}
	}
	return most
}

// EmptyRows is how many of the rows that caches should hold are zero.
func (d *Decoder) EmptyRows() (empty int, err error) {
	for _, s := range d.each.States {
		shape := s.In.Shape()
		if len(shape) != 4 || !strings.HasPrefix(s.Name, "key.") && !strings.HasPrefix(s.Name, "value.") {
			continue
		}
		rows := d.length
		if shape[2].Equal(graph.Symbol(blocks.WindowCapacity)) {
			rows = d.caches.kept
		}
		b := d.states[s.Name]
		t := backend.NewTensor(b.DType(), b.Shape()...)
		if err := b.Download(nil, t); err != nil {
			return 0, err
		}
		size := b.Shape()
		for head := range size[0] * size[1] {
			for row := range rows {
				at := (head*size[2] + row) * size[3]
				if !slices.ContainsFunc(t.F32()[at:at+size[3]], func(x float32) bool { return x != 0 }) {
					empty++
				}
			}
		}
	}
	return empty, nil
}
