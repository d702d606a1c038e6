package routers

import (
	"fmt"
	"math/rand/v2"
	"sort"
	"strconv"
	"strings"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
)

// HashConfig are the options of Hash.
type HashConfig struct {
	Seed   int64  `json:"seed" doc:"another seed, another assignment" min:"0" max:"2147483647"`
	Table  string `json:"table" doc:"random, or balanced: the most frequent token to the expert with the least so far" enum:"random,balanced"`
	Counts string `json:"counts" doc:"for balanced: how often ids 0, 1, 2 … occur, with commas between; without it ids are ranks of Zipf's law"`
}

// Hash sends every occurrence of a token id to the same k experts, of a table made once; it
// has no parameters (arXiv 2106.04426, sections 3.1.1 and 3.1.2).
var Hash = plugins.Router[HashConfig]{
	Name: "hash", Doc: "experts fixed for each token id, random or balanced, no parameters", Paper: "arXiv:2106.04426",
	Capabilities: plugins.Capabilities{Causal: true, NeedsTokenIDs: true},
	Default:      HashConfig{Table: "random"},
	Route: func(b *plugins.Builder, _ plugins.Value, c HashConfig, d plugins.Dims) plugins.Routing {
		if c.Table != "balanced" {
			return byHash(b, b.TokenIDs, c.Seed, d)
		}
		table, err := balancedTable(c, d)
		if err != nil {
			b.Fail(err)
			return plugins.Routing{Expert: b.TokenIDs, Weight: b.TokenIDs}
		}
		first := op.Gather(b.Const("table", graph.Ints([]int{len(table)}, table...)), b.TokenIDs, 0) // [T]
		return next(b, first, d)
	},
}

// next assigns to a first expert [T] the experts first + j mod E, j < k, each with weight 1/k.
func next(b *plugins.Builder, first plugins.Value, d plugins.Dims) plugins.Routing {
	expert := op.Mod(op.Add(op.Unsqueeze(first, 1), b.Int64s(upTo(d.TopK)...)), b.Int64(d.Experts)) // [T, k]
	ones := op.Cast(op.GreaterOrEqual(expert, b.Int64(0)), graph.Float32)
	return plugins.Routing{Expert: expert, Weight: op.Scale(ones, 1/float64(d.TopK))}
}

// byHash assigns to key [T] experts that a hash of it chooses.
func byHash(b *plugins.Builder, key plugins.Value, seed int64, d plugins.Dims) plugins.Routing {
	h := scramble(b, op.Add(key, b.Int64(seed%4093*7919)))
	return next(b, op.Mod(h, b.Int64(d.Experts)), d)
}

// balancedTable gives token ids, from frequent to rare, to the expert that has the least
// tokens so far. Equals are ordered by the seed.
func balancedTable(c HashConfig, d plugins.Dims) ([]int64, error) {
	n := int(d.Vocabulary)
	if n < 1 {
		return nil, fmt.Errorf("a balanced table needs the size of the vocabulary")
	}
	counts := make([]float64, n)
	for i := range counts {
		counts[i] = 1 / float64(i+1)
	}
	if c.Counts != "" {
		fields := strings.Split(c.Counts, ",")
		if len(fields) != n {
			return nil, fmt.Errorf("counts has %d numbers, the vocabulary %d tokens", len(fields), n)
		}
		for i, f := range fields {
			x, err := strconv.ParseUint(strings.TrimSpace(f), 10, 53)
			if err != nil {
				return nil, fmt.Errorf("counts: %q is no count", f)
			}
			counts[i] = float64(x)
		}
	}
	order := rand.New(rand.NewPCG(uint64(c.Seed), 1)).Perm(n)
	sort.SliceStable(order, func(i, j int) bool { return counts[order[i]] > counts[order[j]] })
	table, loads := make([]int64, n), make([]float64, d.Experts)
	for _, id := range order {
		least := 0
		for e, l := range loads {
			if l < loads[least] {
				least = e
			}
		}
		table[id] = int64(least)
		loads[least] += counts[id]
	}
	return table, nil
}
