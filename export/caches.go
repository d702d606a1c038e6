package export

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/moezoo/moezoo/graph"
)

// Caches tell what a file carries from token to token, by the number in the states' names:
// Kinds holds "mamba" for a recurrence, "attention" for keys and values, "moe" for nothing.
// KVHeads is the number of key-value heads, 1 without attention.
type Caches struct {
	Kinds   []string
	KVHeads int64
}

// number renames the states of g, KIND.LAYER, so that every number has one kind, as
// transformers.js wants it: where attention stands beside a recurrence in one layer, its
// keys and values get a number behind all layers.
func number(g *graph.Graph, layers int) (Caches, error) {
	c := Caches{KVHeads: 1}
	for range layers {
		c.Kinds = append(c.Kinds, "moe")
	}
	behind := map[int]int{} // the number that a layer's keys and values got
	for _, keys := range []bool{false, true} {
		for i := range g.States {
			s := &g.States[i]
			kind, digits, _ := strings.Cut(s.Name, ".")
			layer, err := strconv.Atoi(digits)
			if err != nil || layer < 0 || layer >= layers {
				return c, fmt.Errorf("state %q is of no layer", s.Name)
			}
			switch {
			case isCache(kind) != keys:
			case !keys:
				c.Kinds[layer] = "mamba"
			case c.Kinds[layer] == "mamba":
				if _, ok := behind[layer]; !ok {
					behind[layer] = len(c.Kinds)
					c.Kinds = append(c.Kinds, "attention")
				}
				s.Name = fmt.Sprintf("%s.%d", kind, behind[layer])
				c.KVHeads, _ = s.In.Dim(1).Int()
			default:
				c.Kinds[layer] = "attention"
				c.KVHeads, _ = s.In.Dim(1).Int()
			}
		}
	}
	return c, nil
}

// isCache tells attention's states from those of recurrences.
func isCache(kind string) bool { return kind == "key" || kind == "value" }

// attention reports whether there are keys and values.
func (c Caches) attention() bool { return slices.Contains(c.Kinds, "attention") }
