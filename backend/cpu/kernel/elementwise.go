package kernel

// elementBlock is the number of values one item of an elementwise kernel handles.
const elementBlock = 1 << 14

// Exp sets dst = exp(x) to 2 units in the last place; exp(-Inf) = 0, overflow
// gives +Inf, underflow is gradual, NaN stays NaN. dst may be x.
func Exp(p *Pool, dst, x []float32) { unary(p, "Exp", active.exp, dst, x) }

// Sigmoid sets dst = 1/(1+exp(-x)), to 2 units in the last place. dst may be x.
func Sigmoid(p *Pool, dst, x []float32) { unary(p, "Sigmoid", active.sigmoid, dst, x) }

// SiLU sets dst = x·σ(x), to 3 units in the last place. dst may be x.
func SiLU(p *Pool, dst, x []float32) { unary(p, "SiLU", active.silu, dst, x) }

// SiLUGrad sets dx = dy·σ(x)(1+x(1-σ(x))). dx may be x or dy.
func SiLUGrad(p *Pool, dx, x, dy []float32) { binary(p, "SiLUGrad", active.siluGrad, dx, x, dy) }

// Softplus sets dst = log(1+exp(x)), and x itself where x > 20, to 3 units in
// the last place. dst may be x.
func Softplus(p *Pool, dst, x []float32) { unary(p, "Softplus", active.softplus, dst, x) }

// SoftplusGrad sets dx = dy·σ(x), and dy where x > 20. dx may be x or dy.
func SoftplusGrad(p *Pool, dx, x, dy []float32) {
	binary(p, "SoftplusGrad", active.softplusGrad, dx, x, dy)
}

// Tanh sets dst = tanh(x), to 2 units in the last place. dst may be x.
func Tanh(p *Pool, dst, x []float32) { unary(p, "Tanh", active.tanh, dst, x) }

// GELU sets dst = x·Φ(x), the exact (erf) form, to 16 units in the last place or
// 1e-7. dst may be x.
func GELU(p *Pool, dst, x []float32) { unary(p, "GELU", active.gelu, dst, x) }

// GELUGrad sets dx = dy·(Φ(x) + x·φ(x)). dx may be x or dy.
func GELUGrad(p *Pool, dx, x, dy []float32) { binary(p, "GELUGrad", active.geluGrad, dx, x, dy) }

// ReLU sets dst = max(x, 0). dst may be x.
func ReLU(p *Pool, dst, x []float32) { unary(p, "ReLU", active.relu, dst, x) }

// ReLUGrad sets dx = dy where x > 0 and 0 elsewhere. dx may be x or dy; the
// output of ReLU may stand for x.
func ReLUGrad(p *Pool, dx, x, dy []float32) { binary(p, "ReLUGrad", active.reluGrad, dx, x, dy) }

// Log sets dst = ln x, to 2 units in the last place. dst may be x.
func Log(p *Pool, dst, x []float32) { unary(p, "Log", active.log, dst, x) }

// Log1p sets dst = ln(1+x), to 2 units in the last place. dst may be x.
func Log1p(p *Pool, dst, x []float32) { unary(p, "Log1p", active.log1p, dst, x) }

// Add sets dst = x + y. dst may be x or y.
func Add(p *Pool, dst, x, y []float32) { binary(p, "Add", active.add, dst, x, y) }

// Mul sets dst = x·y elementwise. dst may be x or y.
func Mul(p *Pool, dst, x, y []float32) { binary(p, "Mul", active.mul, dst, x, y) }

// MulAdd adds x·y to dst, elementwise.
func MulAdd(p *Pool, dst, x, y []float32) { binary(p, "MulAdd", active.mulAdd, dst, x, y) }

// Axpy adds a·x to dst.
func Axpy(p *Pool, dst []float32, a float32, x []float32) { scalar(p, "Axpy", active.axpy, dst, a, x) }

// Scale sets dst = a·x. dst may be x.
func Scale(p *Pool, dst []float32, a float32, x []float32) {
	scalar(p, "Scale", active.scale, dst, a, x)
}

var elementTasks freeList[elementTask]

// elementTask is one elementwise function over slices of equal length.
type elementTask struct {
	one       func(dst, x []float32)
	two       func(dst, x, y []float32)
	withScale func(dst []float32, a float32, x []float32)
	dst, x, y []float32
	a         float32
}

func (t *elementTask) Do(item, _ int) {
	i := item * elementBlock
	j := min(i+elementBlock, len(t.x))
	switch {
	case t.one != nil:
		t.one(t.dst[i:j], t.x[i:j])
	case t.two != nil:
		t.two(t.dst[i:j], t.x[i:j], t.y[i:j])
	default:
		t.withScale(t.dst[i:j], t.a, t.x[i:j])
	}
}

func (t *elementTask) run(p *Pool) { p.RunTask(ceilDiv(len(t.x), elementBlock), t) }

func unary(p *Pool, name string, f func(dst, x []float32), dst, x []float32) {
	need(name, "dst", len(dst), len(x))
	if len(x) <= elementBlock {
		f(dst, x)
		return
	}
	t := elementTasks.get()
	defer elementTasks.put(t)
	t.one, t.dst, t.x = f, dst, x
	t.run(p)
}

func binary(p *Pool, name string, f func(dst, x, y []float32), dst, x, y []float32) {
	need(name, "dst", len(dst), len(x))
	need(name, "the second operand", len(y), len(x))
	if len(x) <= elementBlock {
		f(dst, x, y)
		return
	}
	t := elementTasks.get()
	defer elementTasks.put(t)
	t.two, t.dst, t.x, t.y = f, dst, x, y
	t.run(p)
}

func scalar(p *Pool, name string, f func(dst []float32, a float32, x []float32), dst []float32, a float32, x []float32) {
	need(name, "dst", len(dst), len(x))
	if len(x) <= elementBlock {
		f(dst, a, x)
		return
	}
	t := elementTasks.get()
	defer elementTasks.put(t)
	t.withScale, t.dst, t.a, t.x = f, dst, a, x
	t.run(p)
}
