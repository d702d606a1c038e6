package kernel

import (
	"fmt"
	"math"
)

// IgnoreTarget marks a position that takes no part in the cross-entropy.
const IgnoreTarget = -100

// rowTask runs a function over blocks of rows of D values.
type rowTask struct {
	rows, d, block int
	x, y, dy, dx   []float32
	lse, loss      []float32
	targets        []int64
	step           func(t *rowTask, row int)
}

var rowTasks freeList[rowTask]

func (t *rowTask) Do(item, _ int) {
	for r := item * t.block; r < min((item+1)*t.block, t.rows); r++ {
		t.step(t, r)
	}
}

func (t *rowTask) row(s []float32, r int) []float32 { return s[r*t.d : (r+1)*t.d] }

// run hands out blocks of rows of about elementBlock values.
func (t *rowTask) run(p *Pool) {
	t.block = max(1, elementBlock/max(1, t.d))
	p.RunTask(ceilDiv(t.rows, t.block), t)
}

// Softmax normalises each row: y[r,j] = exp(x[r,j]-m)/Σ exp(x[r,:]-m) with m
// the row's largest value. A row of -Inf only gives zeros. x, y [R, D]; y may
// be x.
func Softmax(p *Pool, rows, d int, x, y []float32) {
	extents("Softmax", "R, D", rows, d)
	need("Softmax", "x", len(x), rows*d)
	need("Softmax", "y", len(y), rows*d)
	t := rowTasks.get()
	defer rowTasks.put(t)
	t.rows, t.d, t.x, t.y, t.step = rows, d, x, y, softmaxRow
	t.run(p)
}

func softmaxRow(t *rowTask, r int) {
	x, y := t.row(t.x, r), t.row(t.y, r)
	m := active.max(x)
	if math.IsInf(float64(m), -1) {
		clear(y)
		return
	}
	active.scale(y, 1/active.expSum(y, x, m), y)
}

// SoftmaxBackward is the gradient of [Softmax] from its output y:
// dx = y·(dy - Σ_j y[j]·dy[j]). All [R, D]; dx may be dy.
func SoftmaxBackward(p *Pool, rows, d int, y, dy, dx []float32) {
	extents("SoftmaxBackward", "R, D", rows, d)
	need("SoftmaxBackward", "y", len(y), rows*d)
	need("SoftmaxBackward", "dy", len(dy), rows*d)
	need("SoftmaxBackward", "dx", len(dx), rows*d)
	t := rowTasks.get()
	defer rowTasks.put(t)
	t.rows, t.d, t.y, t.dy, t.dx, t.step = rows, d, y, dy, dx, softmaxBackwardRow
	t.run(p)
}

func softmaxBackwardRow(t *rowTask, r int) {
	y, dy, dx := t.row(t.y, r), t.row(t.dy, r), t.row(t.dx, r)
	c := active.dot(y, dy)
	active.shift(dx, dy, -c)
	active.mul(dx, dx, y)
}

// CrossEntropy computes, for each position with a target v ≠ IgnoreTarget,
//
//	lse[t] = log Σ_j exp(logits[t,j])        loss[t] = lse[t] - logits[t,v]
//
// and loss 0 for the others. logits [T, V], targets [T] in [0, V), loss, lse
// [T]; scratch has CrossEntropyScratch values.
func CrossEntropy(p *Pool, tokens, vocab int, logits []float32, targets []int64, loss, lse, scratch []float32) {
	const name = "CrossEntropy"
	checkTargets(name, tokens, vocab, targets)
	need(name, "logits", len(logits), tokens*vocab)
	need(name, "loss", len(loss), tokens)
	need(name, "lse", len(lse), tokens)
	need(name, "scratch", len(scratch), CrossEntropyScratch(p, vocab))
	t := crossTasks.get()
	defer crossTasks.put(t)
	t.rows, t.d, t.x, t.loss, t.lse, t.targets = tokens, vocab, logits, loss, lse, targets
	t.scratch = scratch
	t.block = max(1, elementBlock/max(1, vocab))
	p.RunTask(ceilDiv(tokens, t.block), t)
}

// CrossEntropyScratch is the scratch of [CrossEntropy].
func CrossEntropyScratch(p *Pool, vocab int) int { return p.Threads() * vocab }

var crossTasks freeList[crossTask]

type crossTask struct {
	rowTask
	scratch []float32
}

func (t *crossTask) Do(item, worker int) {
	tmp := t.scratch[worker*t.d : (worker+1)*t.d]
	for r := item * t.block; r < min((item+1)*t.block, t.rows); r++ {
		x := t.row(t.x, r)
		m := active.max(x)
		sum := active.expSum(tmp, x, m)
		t.lse[r] = m + float32(math.Log(float64(sum)))
		t.loss[r] = 0
		if v := t.targets[r]; v != IgnoreTarget {
			t.loss[r] = t.lse[r] - x[v]
		}
	}
}

func checkTargets(name string, tokens, vocab int, targets []int64) {
	extents(name, "T, V", tokens, vocab)
	need(name, "targets", len(targets), tokens)
	for i, v := range targets[:tokens] {
		if v != IgnoreTarget && (v < 0 || v >= int64(vocab)) {
			panic(fmt.Sprintf("kernel: %s: targets[%d] is %d, must be in [0, %d) or %d", name, i, v, vocab, IgnoreTarget))
		}
	}
}

// CrossEntropyBackward is the gradient of [CrossEntropy] given dloss [T]:
//
//	dlogits[t,j] = dloss[t]·(exp(logits[t,j]-lse[t]) - [j = target])
//
// and zero at ignored positions. dlogits [T, V] may be logits.
func CrossEntropyBackward(p *Pool, tokens, vocab int, logits []float32, targets []int64, lse, dloss, dlogits []float32) {
	const name = "CrossEntropyBackward"
	checkTargets(name, tokens, vocab, targets)
	need(name, "logits", len(logits), tokens*vocab)
	need(name, "lse", len(lse), tokens)
	need(name, "dloss", len(dloss), tokens)
	need(name, "dlogits", len(dlogits), tokens*vocab)
	t := rowTasks.get()
	defer rowTasks.put(t)
	t.rows, t.d, t.x, t.lse, t.dy, t.dx, t.targets = tokens, vocab, logits, lse, dloss, dlogits, targets
	t.step = crossBackwardRow
	t.run(p)
}

func crossBackwardRow(t *rowTask, r int) {
	dx := t.row(t.dx, r)
	v := t.targets[r]
	if v == IgnoreTarget || t.dy[r] == 0 {
		clear(dx)
		return
	}
	active.expSum(dx, t.row(t.x, r), t.lse[r])
	active.scale(dx, t.dy[r], dx)
	dx[v] -= t.dy[r]
}
