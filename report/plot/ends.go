package plot

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Numbers at the ends of lines are at least endRow apart, and those that lie less than endColumn
// beside each other are moved apart.
const (
	endRow    = 10.5
	endColumn = 18.0
)

// end is where a line ends, and the number that stands there.
type end struct {
	x, y   float64
	number int
}

// ends writes each line's number beside its last point that can be seen.
func (d *Drawing) ends(series []Line, x, y scale) {
	var all []end
	for _, s := range series {
		for i := len(s.X) - 1; i >= 0 && s.Number > 0; i-- {
			if at := y.at(s.Y[i]); !math.IsNaN(at) && at >= y.to-0.5 && at <= y.from+0.5 {
				all = append(all, end{x.at(s.X[i]), at, s.Number})
				break
			}
		}
	}
	slices.SortStableFunc(all, func(a, b end) int { return cmp.Compare(a.x, b.x) })
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].x-all[0].x < endColumn {
			n++
		}
		column := all[:n]
		apart(column, y.to, y.from)
		for _, e := range column {
			d.text(column[n-1].x+5, e.y+4, "start", "end", fmt.Sprint(e.number))
		}
		all = all[n:]
	}
}

// apart moves numbers of one column apart, by as little as that takes, between top and bottom:
// those that would overlap share the place around their mean.
func apart(column []end, top, bottom float64) {
	slices.SortStableFunc(column, func(a, b end) int { return cmp.Compare(a.y, b.y) })
	row := math.Min(endRow, (bottom-top)/float64(len(column)))
	type pool struct {
		from, n int
		y       float64 // of the first
	}
	var pools []pool
	for i, e := range column {
		p := pool{i, 1, e.y}
		for len(pools) > 0 {
			before := pools[len(pools)-1]
			if before.y+row*float64(before.n) <= p.y {
				break
			}
			y := (before.y*float64(before.n) + (p.y-row*float64(before.n))*float64(p.n)) / float64(before.n+p.n)
			p = pool{before.from, before.n + p.n, y}
			pools = pools[:len(pools)-1]
		}
		p.y = math.Max(math.Min(p.y, bottom-row*float64(p.n-1)), top)
		pools = append(pools, p)
	}
	for _, p := range pools {
		for k := range p.n {
			column[p.from+k].y = p.y + row*float64(k)
		}
	}
}
