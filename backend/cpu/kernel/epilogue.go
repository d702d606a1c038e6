package kernel

// Step is a function of a product's elements.
type Step uint8

// Steps of an [Epilogue]; z is an element of the product with its bias, o that of Other.
const (
	Keep             Step = iota // z
	ThenReLU                     // max(z, 0)
	ThenGELU                     // z·Φ(z)
	ThenSiLU                     // z·σ(z)
	ThenSoftplus                 // log(1 + exp z)
	ThenAdd                      // z + o
	ThenMul                      // z · o
	ThenGate                     // z · silu(o)
	ThenReLUGrad                 // z where o > 0, else 0
	ThenGELUGrad                 // z · gelu′(o)
	ThenSiLUGrad                 // z · silu′(o)
	ThenSoftplusGrad             // z · σ(o)
)

// reads tells whether a step has a second operand.
func (s Step) reads() bool { return s >= ThenAdd }

// Epilogue is what happens to the elements of a product before they leave the cache, with
// the results that functions of the whole product would give.
type Epilogue struct {
	Bias    []float32 // [n], or [groups, n]; added first, nil for none
	Step    Step
	Other   []float32 // [m, n], of steps with a second operand; not the product's memory
	Product []float32 // [m, n]: where z is kept as well, nil for nowhere
}

// none reports whether nothing happens.
func (e *Epilogue) none() bool { return e.Bias == nil && e.Step == Keep && e.Product == nil }

// check panics unless the slices hold a product of m rows.
func (e *Epilogue) check(kernel string, groups, m, n int) {
	needOrNil(kernel, "bias", e.Bias, groups*n)
	needOrNil(kernel, "the product's copy", e.Product, m*n)
	if e.Step.reads() {
		need(kernel, "the epilogue's operand", len(e.Other), m*n)
	}
}

// of is the epilogue of the rows from r on, which belong to a group, or to none at -1.
func (e *Epilogue) of(group, r, n int) Epilogue {
	part := Epilogue{Step: e.Step, Other: from(e.Other, r*n), Product: from(e.Product, r*n)}
	if group >= 0 {
		part.Bias = from(e.Bias, group*n)
	}
	return part
}

// with is the memory besides the product's that the epilogue will need from an element on.
func (e *Epilogue) with(at int) []float32 {
	if e.Step.reads() {
		return e.Other[at:]
	}
	return from(e.Product, at)
}

// quick tells whether the epilogue is best taken panel by panel, out of L1: what takes longer
// wants longer rows.
func (e *Epilogue) quick() bool {
	switch e.Step {
	case Keep, ThenReLU, ThenAdd, ThenReLUGrad:
		return e.Product == nil
	}
	return false
}

// finishPanel applies a quick epilogue to h rows of nr columns.
func (g *gemmBlock) finishPanel(i, h, j int) {
	e, z := &g.epi, g.c[i*g.ldc+j:]
	if e.Bias != nil {
		active.addRows(h, z, g.ldc, e.Bias[j:], 0)
	}
	switch e.Step {
	case ThenReLU:
		active.reluRows(h, z, g.ldc)
	case ThenAdd:
		active.addRows(h, z, g.ldc, e.Other[i*g.n+j:], g.n)
	case ThenReLUGrad:
		active.reluGradRows(h, z, g.ldc, e.Other[i*g.n+j:], g.n)
	}
}

// finish applies the epilogue to a block of C whose sums are complete. tmp has rowOf(n)
// values.
func (g *gemmBlock) finish(i0, i1, j0, j1 int, tmp []float32) {
	e := &g.epi
	if e.none() {
		return
	}
	if width := active.gemm.rowOf(g.n); j1-j0 > width {
		g.finish(i0, i1, j0, j0+width, tmp)
		g.finish(i0, i1, j0+width, j1, tmp)
		return
	}
	for i := i0; i < i1; i++ {
		z := g.c[i*g.ldc+j0 : i*g.ldc+j1]
		if e.Bias != nil {
			active.add(z, z, e.Bias[j0:j1])
		}
		at := i*g.n + j0
		if e.Product != nil {
			copy(e.Product[at:at+len(z)], z)
		}
		var o []float32
		if e.Step.reads() {
			o = e.Other[at : at+len(z)]
		}
		e.Step.apply(z, o, tmp[:len(z)])
	}
}

// apply takes the step in place.
func (s Step) apply(z, o, tmp []float32) {
	switch s {
	case ThenReLU:
		active.relu(z, z)
	case ThenGELU:
		active.gelu(z, z)
	case ThenSiLU:
		active.silu(z, z)
	case ThenSoftplus:
		active.softplus(z, z)
	case ThenAdd:
		active.add(z, z, o)
	case ThenMul:
		active.mul(z, z, o)
	case ThenGate:
		active.silu(tmp, o)
		active.mul(z, z, tmp)
	case ThenReLUGrad:
		active.reluGrad(z, o, z)
	case ThenGELUGrad:
		active.geluGrad(z, o, z)
	case ThenSiLUGrad:
		active.siluGrad(z, o, z)
	case ThenSoftplusGrad:
		active.softplusGrad(z, o, z)
	}
}
