package kernel

import "math"

// normRows is the number of rows over which gradients of gains and biases are
// summed before partial sums are added: part of the result's definition.
const normRows = 64

// normTask is the common part of the norms: R rows of D values.
type normTask struct {
	rows, d       int
	eps           float32
	x, gain, bias []float32
	y, mean, rstd []float32
	dy, dx        []float32
	part          []float32 // [blocks, 2, D]: dgain, dbias
	step          func(t *normTask, row int, part []float32)
}

var normTasks freeList[normTask]

func (t *normTask) Do(item, _ int) {
	var part []float32
	if t.part != nil {
		part = t.part[item*2*t.d : (item+1)*2*t.d]
		clear(part)
	}
	for r := item * normRows; r < min((item+1)*normRows, t.rows); r++ {
		t.step(t, r, part)
	}
}

func (t *normTask) row(s []float32, r int) []float32 { return s[r*t.d : (r+1)*t.d] }

// fold adds partial sums over blocks of rows, in order.
func (t *normTask) fold(dgain, dbias []float32) {
	blocks := ceilDiv(t.rows, normRows)
	for i, dst := range [2][]float32{dgain, dbias} {
		if dst == nil {
			continue
		}
		dst = dst[:t.d]
		clear(dst)
		for b := range blocks {
			active.add(dst, dst, t.part[(2*b+i)*t.d:(2*b+i+1)*t.d])
		}
	}
}

// NormBackwardScratch is the scratch of [RMSNormBackward] and
// [LayerNormBackward] for R rows of D values.
func NormBackwardScratch(rows, d int) int { return ceilDiv(rows, normRows) * 2 * d }

// RMSNormForward normalises each row by its root mean square:
//
//	rstd[r] = 1/√(mean_j x[r,j]² + eps)
//	y[r,j]  = x[r,j]·rstd[r]·gain[j] + bias[j]
//
// x, y [R, D]; gain, bias [D] or nil; rstd [R] is kept for the backward pass.
// y may be x.
func RMSNormForward(p *Pool, rows, d int, eps float32, x, gain, bias, y, rstd []float32) {
	const name = "RMSNormForward"
	t := normTasks.get()
	defer normTasks.put(t)
	t.forward(name, rows, d, eps, x, gain, bias, y, rstd)
	t.step = rmsForwardRow
	p.RunTask(ceilDiv(rows, normRows), t)
}

func (t *normTask) forward(name string, rows, d int, eps float32, x, gain, bias, y, rstd []float32) {
	extents(name, "R, D", rows, d)
	need(name, "x", len(x), rows*d)
	needOrNil(name, "gain", gain, d)
	needOrNil(name, "bias", bias, d)
	need(name, "y", len(y), rows*d)
	need(name, "rstd", len(rstd), rows)
	t.rows, t.d, t.eps, t.x, t.gain, t.bias, t.y, t.rstd = rows, d, eps, x, gain, bias, y, rstd
}

func rmsForwardRow(t *normTask, r int, _ []float32) {
	x, y := t.row(t.x, r), t.row(t.y, r)
	s := inverseRoot(active.dot(x, x), t.d, t.eps)
	t.rstd[r] = s
	t.apply(y, x, s)
}

// inverseRoot is 1/√(sum/d + eps).
func inverseRoot(sum float32, d int, eps float32) float32 {
	return float32(1 / math.Sqrt(float64(sum)/float64(d)+float64(eps)))
}

// apply sets y = x·s·gain + bias.
func (t *normTask) apply(y, x []float32, s float32) {
	if t.gain != nil {
		active.scaled(y, x, t.gain[:t.d], s)
	} else {
		active.scale(y, s, x)
	}
	if t.bias != nil {
		active.add(y, y, t.bias[:t.d])
	}
}

// RMSNormBackward is the gradient of [RMSNormForward], with n = x·rstd:
//
//	dx = rstd·(dy·gain - n·mean_j(dy·gain·n))     dgain = Σ_r dy·n     dbias = Σ_r dy
//
// dx [R, D]; dgain, dbias [D] or nil if not wanted. dx may be dy.
func RMSNormBackward(p *Pool, rows, d int, x, gain, rstd, dy, dx, dgain, dbias, scratch []float32) {
	t := normTasks.get()
	defer normTasks.put(t)
	t.backward(p, "RMSNormBackward", rmsBackwardRow, rows, d, x, gain, rstd, dy, dx, dgain, dbias, scratch)
}

func (t *normTask) backward(p *Pool, name string, step func(*normTask, int, []float32), rows, d int, x, gain, rstd, dy, dx, dgain, dbias, scratch []float32) {
	extents(name, "R, D", rows, d)
	need(name, "x", len(x), rows*d)
	needOrNil(name, "gain", gain, d)
	need(name, "rstd", len(rstd), rows)
	need(name, "dy", len(dy), rows*d)
	need(name, "dx", len(dx), rows*d)
	needOrNil(name, "dgain", dgain, d)
	needOrNil(name, "dbias", dbias, d)
	need(name, "scratch", len(scratch), NormBackwardScratch(rows, d))
	t.rows, t.d, t.x, t.gain, t.rstd, t.dy, t.dx, t.part = rows, d, x, gain, rstd, dy, dx, scratch
	t.step = step
	p.RunTask(ceilDiv(rows, normRows), t)
	t.fold(dgain, dbias)
}

func rmsBackwardRow(t *normTask, r int, part []float32) {
	x, dy, dx, s := t.row(t.x, r), t.row(t.dy, r), t.row(t.dx, r), t.rstd[r]
	var c float32
	if t.gain != nil {
		c = active.dot3(dy, t.gain[:t.d], x)
	} else {
		c = active.dot(dy, x)
	}
	active.accumulate(part[:t.d], dy, x, s)
	active.add(part[t.d:], part[t.d:], dy)
	b := -s * s * s * c / float32(t.d)
	if t.gain != nil {
		active.combine(dx, dy, t.gain[:t.d], x, s, b, 0)
		return
	}
	combineOnes(dx, dy, x, s, b, 0)
}

// combineOnes is combine with a gain of one: dst = a·dy + b·x + c.
func combineOnes(dst, dy, x []float32, a, b, c float32) {
	for i, v := range x {
		dst[i] = a*dy[i] + b*v + c
	}
}

// LayerNormForward normalises each row to mean 0 and variance 1:
//
//	mean[r] = mean_j x[r,j]        rstd[r] = 1/√(mean_j (x[r,j]-mean[r])² + eps)
//	y[r,j]  = (x[r,j]-mean[r])·rstd[r]·gain[j] + bias[j]
//
// x, y [R, D]; gain, bias [D] or nil; mean, rstd [R] are kept for the backward
// pass. y must not be x.
func LayerNormForward(p *Pool, rows, d int, eps float32, x, gain, bias, y, mean, rstd []float32) {
	const name = "LayerNormForward"
	t := normTasks.get()
	defer normTasks.put(t)
	t.forward(name, rows, d, eps, x, gain, bias, y, rstd)
	need(name, "mean", len(mean), rows)
	t.mean, t.step = mean, layerForwardRow
	p.RunTask(ceilDiv(rows, normRows), t)
}

func layerForwardRow(t *normTask, r int, _ []float32) {
	x, y := t.row(t.x, r), t.row(t.y, r)
	m := active.sum(x) / float32(t.d)
	active.shift(y, x, -m)
	s := inverseRoot(active.dot(y, y), t.d, t.eps)
	t.mean[r], t.rstd[r] = m, s
	t.apply(y, y, s)
}

// LayerNormBackward is the gradient of [LayerNormForward], with n = (x-mean)·rstd
// and e = dy·gain:
//
//	dx = rstd·(e - mean_j(e) - n·mean_j(e·n))     dgain = Σ_r dy·n     dbias = Σ_r dy
//
// dx [R, D]; dgain, dbias [D] or nil if not wanted. dx must not be dy.
func LayerNormBackward(p *Pool, rows, d int, x, gain, mean, rstd, dy, dx, dgain, dbias, scratch []float32) {
	const name = "LayerNormBackward"
	need(name, "mean", len(mean), rows)
	t := normTasks.get()
	defer normTasks.put(t)
	t.mean = mean
	t.backward(p, name, layerBackwardRow, rows, d, x, gain, rstd, dy, dx, dgain, dbias, scratch)
}

func layerBackwardRow(t *normTask, r int, part []float32) {
	x, dy, dx, s := t.row(t.x, r), t.row(t.dy, r), t.row(t.dx, r), t.rstd[r]
	active.shift(dx, x, -t.mean[r])
	active.accumulate(part[:t.d], dy, dx, s)
	active.add(part[t.d:], part[t.d:], dy)
	d := float32(t.d)
	if t.gain == nil {
		c, sum := active.dot(dy, dx), active.sum(dy)
		combineOnes(dx, dy, dx, s, -s*s*s*c/d, -s*sum/d)
		return
	}
	g := t.gain[:t.d]
	c, sum := active.dot3(dy, g, dx), active.dot(dy, g)
	active.combine(dx, dy, g, dx, s, -s*s*s*c/d, -s*sum/d)
}
