package op

import "github.com/moezoo/moezoo/graph"

// CacheAppend writes new rows behind the first length rows of a cache of fixed capacity:
// cache [B, H, S, Dh], rows [B, H, L, Dh], length an int64 scalar → the cache, whose rows
// length … length+L−1 are now the new ones. Rows beyond the capacity are dropped; the
// caller grows the cache first.
func CacheAppend(cache, rows, length Value) Value { return one(cacheAppend, nil, cache, rows, length) }

var cacheAppend *graph.Op

func init() {
	cacheAppend = graph.Register(&graph.Op{
		Name: "CacheAppend", Domain: graph.Domain, Since: 1, Doc: "y[.., s, :] = rows[.., s − length, :] for length ≤ s < length + L, else cache[.., s, :]",
		Inputs: []graph.Arg{
			{Name: "cache", Doc: "[B, H, S, Dh]"}, {Name: "rows", Doc: "[B, H, L, Dh]"}, {Name: "length", Doc: "int64 scalar"},
		},
		Outputs: []graph.Arg{{Name: "y", Doc: "[B, H, S, Dh]"}},
		Infer: func(c *graph.Infer) error {
			if err := c.Want(0, graph.Float32, 4); err != nil {
				return err
			}
			if err := c.Want(1, graph.Float32, 4); err != nil {
				return err
			}
			s, rows := c.Shape(0), c.Shape(1)
			if err := c.WantShape(1, graph.Float32, s[0], s[1], rows[2], s[3]); err != nil {
				return err
			}
			if err := c.Want(2, graph.Int64, 0); err != nil {
				return err
			}
			return sameAsInput(c)
		},
		NoGrad: "caches are used when decoding only",
		Lower: func(c *graph.Lower) []Value {
			cache, rows, length := c.In(0), c.In(1), c.In(2)
			zero, unit := c.G.Int64(0), c.G.Int64(1)
			extent := func(x Value) Value { return Squeeze(Slice(ShapeOf(x), 0, 2, 3), 0) }
			at := Sub(Range(zero, extent(cache), unit), length) // index into rows, [S]
			last := Sub(extent(rows), unit)
			isNew := And(GreaterOrEqual(at, zero), LessOrEqual(at, last))
			picked := Gather(rows, Min(Max(at, zero), last), 2) // [B, H, S, Dh]
			return []Value{Where(Unsqueeze(isNew, 1), picked, cache)}
		},
		InPlace: []int{0},
	})
}
