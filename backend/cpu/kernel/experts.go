package kernel

// expertTokens is the number of tokens that one item of the functions below handles.
const expertTokens = 32

// SumRows adds the rows of each token's k assignments, in their order:
//
//	y[t,:] = Σ_j x[inverse[t·k+j],:]
//
// x [T·k, n], inverse [T·k], y [T, n].
func SumRows(p *Pool, tokens, k, n int, x []float32, inverse []int64, y []float32) {
	t := expertTasks.get()
	defer expertTasks.put(t)
	t.do, t.x, t.inverse, t.y = (*expertTask).sum, x, inverse, y
	t.run(p, "SumRows", tokens, k, n)
}

// Combine is [SumRows] of weighted rows:
//
//	y[t,:] = Σ_j weight[t·k+j]·x[inverse[t·k+j],:]
//
// weight [T·k].
func Combine(p *Pool, tokens, k, n int, x, weight []float32, inverse []int64, y []float32) {
	need("Combine", "weight", len(weight), tokens*k)
	t := expertTasks.get()
	defer expertTasks.put(t)
	t.do, t.x, t.weight, t.inverse, t.y = (*expertTask).combine, x, weight, inverse, y
	t.run(p, "Combine", tokens, k, n)
}

// CombineGrad is the gradient of [Combine] given dy [T, n]; with a = t·k+j:
//
//	dx[inverse[a],:] = weight[a]·dy[t,:]      dweight[a] = Σ_i dy[t,i]·x[inverse[a],i]
//
// Each sum runs over i in order. dx [T·k, n] and dweight [T·k] may be nil.
func CombineGrad(p *Pool, tokens, k, n int, dy, x, weight []float32, inverse []int64, dx, dweight []float32) {
	const name = "CombineGrad"
	need(name, "weight", len(weight), tokens*k)
	needOrNil(name, "dx", dx, tokens*k*n)
	needOrNil(name, "dweight", dweight, tokens*k)
	t := expertTasks.get()
	defer expertTasks.put(t)
	t.do, t.x, t.weight, t.inverse, t.y, t.dx, t.dweight = (*expertTask).gradient, x, weight, inverse, dy, dx, dweight
	t.run(p, name, tokens, k, n)
}

var expertTasks freeList[expertTask]

// expertTask works on blocks of tokens; y is the tokens' side, x that of the assignments.
type expertTask struct {
	do                        func(t *expertTask, from, to int)
	tokens, k, n              int
	x, weight, y, dx, dweight []float32
	inverse                   []int64
}

func (t *expertTask) run(p *Pool, name string, tokens, k, n int) {
	extents(name, "T, k, n", tokens, k, n)
	need(name, "x", len(t.x), tokens*k*n)
	need(name, "y", len(t.y), tokens*n)
	need(name, "inverse", len(t.inverse), tokens*k)
	checkIndex(name, t.inverse[:tokens*k], tokens*k)
	t.tokens, t.k, t.n = tokens, k, n
	p.RunTask(ceilDiv(tokens, expertTokens), t)
}

func (t *expertTask) Do(item, _ int) {
	t.do(t, item*expertTokens, min((item+1)*expertTokens, t.tokens))
}

// row is the row of an assignment.
func (t *expertTask) row(x []float32, assignment int) []float32 {
	r := int(t.inverse[assignment])
	return x[r*t.n : (r+1)*t.n]
}

// token is the row of an assignment's token.
func (t *expertTask) token(assignment int) []float32 {
	r := assignment / t.k
	return t.y[r*t.n : (r+1)*t.n]
}

func (t *expertTask) sum(from, to int) {
	clear(t.y[from*t.n : to*t.n])
	for a := from * t.k; a < to*t.k; a++ {
		y := t.token(a)
		active.add(y, y, t.row(t.x, a))
	}
}

func (t *expertTask) combine(from, to int) {
	clear(t.y[from*t.n : to*t.n])
	for a := from * t.k; a < to*t.k; a++ {
		y, w := t.token(a), t.weight[a]
		if a%t.k == 0 { // added to zero, a product is rounded once either way
			active.axpy(y, w, t.row(t.x, a))
			continue
		}
		for i, v := range t.row(t.x, a) {
			y[i] += w * v
		}
	}
}

func (t *expertTask) gradient(from, to int) {
	for a := from * t.k; a < to*t.k && t.dx != nil; a++ {
		active.scale(t.row(t.dx, a), t.weight[a], t.token(a))
	}
	if t.dweight == nil {
		return
	}
	a, end := from*t.k, to*t.k
	for ; a+4 <= end; a += 4 {
		var y, x [4][]float32
		for i := range 4 {
			y[i], x[i] = t.token(a+i), t.row(t.x, a+i)
		}
		*(*[4]float32)(t.dweight[a:]) = fourDots(&y, &x)
	}
	for ; a < end; a++ {
		dot := float32(0)
		x := t.row(t.x, a)
		for i, v := range t.token(a) {
			dot += v * x[i]
		}
		t.dweight[a] = dot
	}
}

// fourDots are four sums, each in order, that do not wait for one another.
func fourDots(y, x *[4][]float32) [4]float32 {
	n := len(y[0])
	y0, y1, y2, y3 := y[0], y[1][:n], y[2][:n], y[3][:n]
	x0, x1, x2, x3 := x[0][:n], x[1][:n], x[2][:n], x[3][:n]
	var s0, s1, s2, s3 float32
	for i, v := range y0 {
		s0 += v * x0[i]
		s1 += y1[i] * x1[i]
		s2 += y2[i] * x2[i]
		s3 += y3[i] * x3[i]
	}
	return [4]float32{s0, s1, s2, s3}
}
