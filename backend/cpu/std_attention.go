package cpu

import (
	"math"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu/kernel"
	"github.com/moezoo/moezoo/graph"
)

func init() {
	register("", map[string]Kernel{"Attention": {Run: runStandardAttention}})
}

// runStandardAttention is the standard's attention as its definition has it, in float64:
// files are verified with it, models compute with the kernels of the project's own operator.
// It allocates a row of scores for every block of rows.
func runStandardAttention(d *Device, c *backend.Call) error {
	a := standardAttentionOf(c)
	if k := c.Output(1); k.Present() {
		a.join(f32(k), a.key, a.width)
	}
	if v := c.Output(2); v.Present() {
		a.join(f32(v), a.value, a.valueWidth)
	}
	return d.overRows(c, c.In[0].Shape[0]*a.heads*a.queries, standardAttentionRows)
}

// standardAttention is one call: its extents, where vectors lie, and what the attributes say.
type standardAttention struct {
	c                        *backend.Call
	batch, heads, kvHeads    int
	queries, past, fresh     int // L, P, S
	width, valueWidth        int // Dh, Dv
	q, k, v, pastK, pastV, y []float32
	atQ, atK, atV, atY       kernel.HeadLayout
	atPastK, atPastV         kernel.HeadLayout
	scale, softcap           float64
	causal                   bool
	mode                     int64
}

func standardAttentionOf(c *backend.Call) standardAttention {
	n, q, k, v := c.Node, c.In[0].Shape, c.In[1].Shape, c.In[2].Shape
	a := standardAttention{
		c: c, batch: q[0], q: f32(c.In[0]), k: f32(c.In[1]), v: f32(c.In[2]), pastK: f32(c.Input(4)), pastV: f32(c.Input(5)), y: f32(c.Out[0]),
		softcap: float64(n.Float("softcap", 0)), causal: n.Int("is_causal", 0) == 1, mode: n.Int("qk_matmul_output_mode", 0),
	}
	layout := kernel.CacheHeads
	if len(q) == 4 {
		a.heads, a.kvHeads, a.queries, a.fresh, a.width, a.valueWidth = q[1], k[1], q[2], k[2], q[3], v[3]
	} else {
		a.heads, a.kvHeads, a.queries, a.fresh = int(n.Int("q_num_heads", 0)), int(n.Int("kv_num_heads", 0)), q[1], k[1]
		a.width, a.valueWidth = q[2]/a.heads, v[2]/a.kvHeads
		layout = func(heads, length, dim int) kernel.HeadLayout { return kernel.DenseHeads(length, heads, dim) }
	}
	if past := c.Input(4); past != nil {
		a.past = past.Shape[2]
	}
	a.atQ, a.atY = layout(a.heads, a.queries, a.width), layout(a.heads, a.queries, a.valueWidth)
	a.atK, a.atV = layout(a.kvHeads, a.fresh, a.width), layout(a.kvHeads, a.fresh, a.valueWidth)
	a.atPastK, a.atPastV = kernel.CacheHeads(a.kvHeads, a.past, a.width), kernel.CacheHeads(a.kvHeads, a.past, a.valueWidth)
	a.scale = 1 / math.Sqrt(float64(a.width))
	if n.Has("scale") {
		a.scale = float64(n.Float("scale", 1))
	}
	return a
}

// vector is that of a batch entry, a head and a position.
func vector(x []float32, at kernel.HeadLayout, b, h, t, width int) []float32 {
	return x[b*at.Batch+h*at.Head+t*at.Position:][:width]
}

// key is that of position j of the cache and what is behind it, likewise value.
func (a *standardAttention) key(b, h, j int) []float32 {
	if j < a.past {
		return vector(a.pastK, a.atPastK, b, h, j, a.width)
	}
	return vector(a.k, a.atK, b, h, j-a.past, a.width)
}

func (a *standardAttention) value(b, h, j int) []float32 {
	if j < a.past {
		return vector(a.pastV, a.atPastV, b, h, j, a.valueWidth)
	}
	return vector(a.v, a.atV, b, h, j-a.past, a.valueWidth)
}

// join writes all keys, or all values, in their order: [B, Hkv, P + S, width].
func (a *standardAttention) join(out []float32, of func(b, h, j int) []float32, width int) {
	at := kernel.CacheHeads(a.kvHeads, a.past+a.fresh, width)
	for b := range a.batch {
		for h := range a.kvHeads {
			for j := range a.past + a.fresh {
				copy(vector(out, at, b, h, j, width), of(b, h, j))
			}
		}
	}
}

func standardAttentionRows(c *backend.Call, from, to int) {
	a := standardAttentionOf(c)
	p := make([]float64, a.past+a.fresh)
	for r := from; r < to; r++ {
		b, h, i := r/a.queries/a.heads, r/a.queries%a.heads, r%a.queries
		a.probabilities(r, b, h, i, p)
		y := vector(a.y, a.atY, b, h, i, a.valueWidth)
		a.weigh(y, b, h*a.kvHeads/a.heads, p)
	}
}

// probabilities fills p with those of the keys that a query sees: all 0 when it sees none.
func (a *standardAttention) probabilities(r, b, h, i int, p []float64) {
	var kept []float32 // the fourth output's row, of the stage that mode names
	if s := a.c.Output(3); s.Present() {
		kept = s.F32()[r*len(p):][:len(p)]
	}
	keep := func(mode int64, j int, x float64) {
		if kept != nil && mode == a.mode {
			kept[j] = float32(x)
		}
	}
	q, top, sum := vector(a.q, a.atQ, b, h, i, a.width), math.Inf(-1), 0.0
	for j := range p {
		x := 0.0
		for d, k := range a.key(b, h*a.kvHeads/a.heads, j) {
			x += float64(q[d]) * float64(k)
		}
		x *= a.scale
		keep(0, j, x)
		if a.softcap > 0 {
			x = a.softcap * math.Tanh(x/a.softcap)
		}
		keep(1, j, x)
		if bias := a.bias(b, h, i, j); math.IsInf(bias, -1) {
			x = bias // whatever stands there
		} else {
			x += bias
		}
		keep(2, j, x)
		p[j], top = x, max(top, x)
	}
	for j, x := range p {
		if p[j] = 0; !math.IsInf(x, -1) {
			p[j] = math.Exp(x - top)
		}
		sum += p[j]
	}
	for j := range p {
		if sum != 0 {
			p[j] /= sum
		}
		keep(3, j, p[j])
	}
}

// weigh sums the values by their probabilities. What is hidden counts nothing, not even as NaN.
func (a *standardAttention) weigh(y []float32, b, h int, p []float64) {
	sums := make([]float64, len(y))
	for j, w := range p {
		if w == 0 {
			continue
		}
		for d, v := range a.value(b, h, j) {
			sums[d] += w * float64(v)
		}
	}
	for d, s := range sums {
		y[d] = float32(s)
	}
}

// bias is what is added to the score of query i and key j: −∞ hides the key.
func (a *standardAttention) bias(b, h, i, j int) float64 {
	before := a.past // keys before the first query
	if valid := a.c.Input(6); valid != nil {
		n := int(valid.I64()[b])
		if j >= n {
			return math.Inf(-1)
		}
		if a.c.Input(4) == nil {
			before = n - a.queries
		}
	}
	if a.causal && j > i+before {
		return math.Inf(-1)
	}
	return a.mask(b, h, i, j)
}

// mask is the mask's entry: axes of extent 1 and those that it lacks in front are the same
// for all, and keys behind its end are hidden.
func (a *standardAttention) mask(b, h, i, j int) float64 {
	m := a.c.Input(3)
	if m == nil {
		return 0
	}
	place, at := [4]int{b, h, i, j}, 0
	for axis, extent := range m.Shape {
		n := place[4-len(m.Shape)+axis]
		switch last := axis == len(m.Shape)-1; {
		case last && n >= extent:
			return math.Inf(-1)
		case !last && extent == 1:
			n = 0
		}
		at = at*extent + n
	}
	switch {
	case m.DType == graph.Float32:
		return float64(m.F32()[at])
	case m.Data[at] != 0: // bool, a byte each
		return 0
	}
	return math.Inf(-1)
}
