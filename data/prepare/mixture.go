package prepare

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
)

// shares is the number of steps between no window and every window that a source's share is
// rounded to.
const shares = 10_000

// mixture answers how many windows of a round each part of the data has: every source with a
// share is a part of its own, the others together are the last one, which has what is left.
// Without shares everything is one part.
func mixture(sources []string, weights map[string]float64) ([]uint64, error) {
	var parts []uint64
	left := uint64(shares)
	for name := range weights {
		if !slices.Contains(sources, name) {
			sort.Strings(sources)
			return nil, fmt.Errorf("the weight of %s: it is none of the sources, which are %s", name, strings.Join(sources, ", "))
		}
	}
	for _, s := range sources {
		share, ok := weights[s]
		if !ok {
			continue
		}
		w := uint64(math.Round(share * shares))
		if !(share > 0 && share <= 1) || w == 0 {
			return nil, fmt.Errorf("the weight %v of %s: want a share of the training windows, from %v to 1", share, s, 1.0/shares)
		}
		if w > left {
			return nil, fmt.Errorf("the weights add up to more than 1 at %s", s)
		}
		parts, left = append(parts, w), left-w
	}
	switch rest := len(parts) < len(sources); {
	case rest && left == 0:
		return nil, fmt.Errorf("the weights add up to 1 and leave nothing for the sources without one")
	case rest:
		parts = append(parts, left)
	case left > 0:
		return nil, fmt.Errorf("every source has a weight, and they add up to %v: want 1", 1-float64(left)/shares)
	}
	divisor := parts[0]
	for _, w := range parts {
		divisor = gcd(divisor, w)
	}
	for i := range parts {
		parts[i] /= divisor
	}
	return parts, nil
}

func gcd(a, b uint64) uint64 {
	for b > 0 {
		a, b = b, a%b
	}
	return a
}

// partOf is the part that a source belongs to.
func (p *preparation) partOf(source int) int {
	part := 0
	for i, s := range p.Sources {
		_, own := p.Weights[s]
		switch {
		case i == source && own:
			return part
		case i == source:
			return len(p.weights) - 1
		case own:
			part++
		}
	}
	panic("prepare: there are fewer sources")
}

// partName is what a part is called: its sources.
func (p *preparation) partName(part int) string {
	var names []string
	for i, s := range p.Sources {
		if p.partOf(i) == part {
			names = append(names, s)
		}
	}
	return strings.Join(names, ", ")
}
