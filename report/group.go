package report

import (
	"fmt"
	"path/filepath"
	"sort"
)

// Group is the runs of one model that differ in their seeds alone.
type Group struct {
	Name   string
	Number int    // that drawings give it, from 1
	Colour int    // as drawings count them
	Runs   []*Run // by seed
}

// groups brings together runs whose recipes, texts and labels agree. order lists labels that
// come first, in this order.
func groups(runs []*Run, order []string) []*Group {
	type key struct{ label, configured, data string }
	found := map[key]*Group{}
	var all []*Group
	for _, r := range runs {
		k := key{label: r.Dir}
		if r.Record != nil {
			k = key{r.Record.Label, r.Record.Configured, r.Record.DataHash}
		}
		g := found[k]
		if g == nil {
			g = &Group{Name: r.Label()}
			found[k] = g
			all = append(all, g)
		}
		g.Runs = append(g.Runs, r)
	}
	rank := map[string]int{}
	for i, label := range order {
		rank[label] = i - len(order)
	}
	sort.SliceStable(all, func(i, j int) bool { return rank[all[i].Name] < rank[all[j].Name] })
	distinguish(all)
	for i, g := range all {
		g.Number, g.Colour = i+1, i
		sort.SliceStable(g.Runs, func(i, j int) bool { return g.Runs[i].seed() < g.Runs[j].seed() })
	}
	paint(all)
	return all
}

// distinguish gives groups of the same label names of their own: the folder of the first run.
func distinguish(all []*Group) {
	count := map[string]int{}
	for _, g := range all {
		count[g.Name]++
	}
	for _, g := range all {
		if count[g.Name] > 1 {
			g.Name = fmt.Sprintf("%s (%s)", g.Name, filepath.Base(g.Runs[0].Dir))
		}
	}
}

func (r *Run) seed() uint64 {
	if r.Record == nil {
		return 0
	}
	return r.Record.Seed
}

// comparable are the finished runs; all of them while none is. One that is still on its way would
// pull means to where it is.
func (g *Group) comparable() []*Run {
	var out []*Run
	for _, r := range g.Runs {
		if r.Finished() {
			out = append(out, r)
		}
	}
	if len(out) == 0 {
		return g.Runs
	}
	return out
}

// tokenCost is the operations that training one token takes, 0 when unknown.
func (g *Group) tokenCost() float64 {
	if r := g.Runs[0].Record; r != nil {
		return 3 * float64(r.Counts.FLOPs)
	}
	return 0
}
