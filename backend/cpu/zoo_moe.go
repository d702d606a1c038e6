package cpu

import (
	"fmt"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu/kernel"
	"github.com/moezoo/moezoo/graph"
)

func init() {
	register(graph.Domain, map[string]Kernel{
		"Dispatch":      {Run: runDispatch},
		"LimitCapacity": {runLimitCapacity, scratchLimitCapacity},
		"GroupedMatMul": {runGroupedMatMul, scratchGroupedMatMul},
		"GroupedOuter":  {runGroupedOuter, scratchGroupedOuter},
		"ExpertRows":    {Run: runExpertRows},
		"GroupedSum":    {Run: runGroupedSum},
		"TakeRows":      {Run: runTakeRows},
		"SumRows":       {Run: runSumRows},
		"Combine":       {Run: runCombine},
		"CombineGrad":   {Run: runCombineGrad},
		"ScatterRows":   {Run: runScatterRows},
	})
}

// runDispatch is a counting sort: stable, so that rows keep the order of assignments.
func runDispatch(_ *Device, c *backend.Call) error {
	experts := c.Input(0).I64()
	order, inverse, offsets := c.Output(0).I64(), c.Output(1).I64(), c.Output(2).I64()
	if offsets == nil { // nothing reads them
		offsets = make([]int64, c.Node.Int("experts", 1)+1)
	}
	e := len(offsets) - 1
	clear(offsets)
	for _, x := range experts {
		if x >= 0 && int(x) < e {
			offsets[x+1]++
		}
	}
	for i := range e {
		offsets[i+1] += offsets[i]
	}
	nobody := offsets[e]
	// offsets[x] serves as the next free row of expert x, ends as the first row of expert
	// x+1, and is moved back afterwards.
	for i, x := range experts {
		row := nobody
		if x >= 0 && int(x) < e {
			row = offsets[x]
			offsets[x]++
		} else {
			nobody++
		}
		if inverse != nil {
			inverse[i] = row
		}
		if order != nil {
			order[row] = int64(i)
		}
	}
	for i := e; i > 0; i-- {
		offsets[i] = offsets[i-1]
	}
	offsets[0] = 0
	return nil
}

// runScatterRows adds rows in their order: a token's sum does not depend on threads.
func runScatterRows(_ *Device, c *backend.Call) error {
	rows, token, y := f32(c.Input(0)), c.Input(1).I64(), f32(c.Output(0))
	tokens, n := c.Output(0).Shape[0], c.Output(0).Shape[1]
	clear(y)
	for r, t := range token {
		if t < 0 || int(t) >= tokens {
			return fmt.Errorf("token %d of %d", t, tokens)
		}
		sum := y[int(t)*n : int(t+1)*n]
		for i, v := range rows[r*n : (r+1)*n] {
			sum[i] += v
		}
	}
	return nil
}

func scratchLimitCapacity(_ *Device, c *backend.Call) int { return 8 * int(c.Node.Int("experts", 1)) }

func runLimitCapacity(_ *Device, c *backend.Call) error {
	shape := c.Input(0).Shape
	groups, tokens, k := 1, shape[0], shape[len(shape)-1]
	if len(shape) == 3 {
		groups, tokens = shape[0], shape[1]
	}
	e := int(c.Node.Int("experts", 1))
	capacity := int(c.Node.Int("capacity", 0))
	if capacity == 0 {
		capacity = int(decimal(c.Node.Float("factor", 0)) * float64(k*tokens) / float64(e))
		capacity = min(max(capacity, 1), tokens)
	}
	in, out := c.Input(0).I64(), c.Output(0).I64()
	copy(out, in)
	used := backend.As[int64](&backend.Tensor{DType: graph.Int64, Data: c.Scratch})[:e]
	for g := range groups {
		clear(used)
		rows := out[g*tokens*k : (g+1)*tokens*k]
		for j := range k {
			for t := range tokens {
				x := rows[t*k+j]
				if x < 0 || int(x) >= e {
					continue
				}
				if used[x] >= int64(capacity) {
					rows[t*k+j] = -1
					continue
				}
				used[x]++
			}
		}
	}
	return nil
}

// groupedExtents are E, R, the output width n and the inner width k of a grouped product.
func groupedExtents(c *backend.Call) (e, rows, n, k int, transposed bool) {
	x, w := c.Input(0).Shape, c.Input(1).Shape
	transposed = c.Node.Int("transB", 0) == 1
	k, n = w[1], w[2]
	if transposed {
		k, n = n, k
	}
	return w[0], x[0], n, k, transposed
}

func runGroupedMatMul(d *Device, c *backend.Call) error {
	e, rows, n, k, transposed := groupedExtents(c)
	if c.Input(0).DType == graph.BFloat16 {
		kernel.GroupedGemmBF16(d.Pool, e, rows, n, k, backend.As[uint16](c.Input(0)), c.Input(2).I64(), backend.As[uint16](c.Input(1)), transposed, f32(c.Output(0)), floats(c.Scratch))
		return nil
	}
	if c.Input(1).DType != graph.Float32 {
		w := narrowOf(c.Input(1), c.Input(3))
		w.Trans = transposed
		kernel.NarrowGrouped(d.Pool, e, rows, n, k, f32(c.Input(0)), c.Input(2).I64(), w, f32(c.Output(0)), floats(c.Scratch))
		return nil
	}
	kernel.GroupedGemm(d.Pool, e, rows, n, k, f32(c.Input(0)), c.Input(2).I64(), f32(c.Input(1)), transposed, f32(c.Output(0)), floats(c.Scratch))
	return nil
}

func scratchGroupedMatMul(d *Device, c *backend.Call) int {
	_, rows, n, k, _ := groupedExtents(c)
	if c.Input(0).DType == graph.BFloat16 {
		return 4 * kernel.GroupedGemmBF16Scratch(d.Pool, rows, n, k)
	}
	if c.Input(1).DType != graph.Float32 {
		return 4 * kernel.NarrowGroupedScratch(d.Pool, rows, n, k)
	}
	return 4 * kernel.GroupedGemmScratch(d.Pool, rows, n, k)
}

func runGroupedOuter(d *Device, c *backend.Call) error {
	a, b, out := c.Input(0), c.Input(1), c.Output(0)
	if a.DType == graph.BFloat16 {
		kernel.GroupedOuterBF16(d.Pool, out.Shape[0], a.Shape[0], b.Shape[1], a.Shape[1], backend.As[uint16](a), backend.As[uint16](b), c.Input(2).I64(), f32(out), false, floats(c.Scratch))
		return nil
	}
	kernel.GroupedOuter(d.Pool, out.Shape[0], a.Shape[0], b.Shape[1], a.Shape[1], f32(a), f32(b), c.Input(2).I64(), f32(out), false, floats(c.Scratch))
	return nil
}

func scratchGroupedOuter(d *Device, c *backend.Call) int {
	a, b := c.Input(0).Shape, c.Input(1).Shape
	if c.Input(0).DType == graph.BFloat16 {
		return 4 * kernel.GroupedOuterBF16Scratch(d.Pool, a[0], b[1], a[1])
	}
	return 4 * kernel.GroupedOuterScratch(d.Pool, a[0], b[1], a[1])
}

func runExpertRows(_ *Device, c *backend.Call) error {
	v, offsets, y := f32(c.Input(0)), c.Input(1).I64(), f32(c.Output(0))
	e, n := c.Input(0).Shape[0], c.Input(0).Shape[1]
	for i := range e {
		for r := offsets[i]; r < offsets[i+1]; r++ {
			copy(y[int(r)*n:int(r+1)*n], v[i*n:(i+1)*n])
		}
	}
	clear(y[int(offsets[e])*n:])
	return nil
}

func runGroupedSum(_ *Device, c *backend.Call) error {
	x, offsets, y := f32(c.Input(0)), c.Input(1).I64(), f32(c.Output(0))
	n := c.Output(0).Shape[1]
	clear(y)
	for e := range len(offsets) - 1 {
		sum := y[e*n : (e+1)*n]
		for r := offsets[e]; r < offsets[e+1]; r++ {
			for j, v := range x[int(r)*n : int(r+1)*n] {
				sum[j] += v
			}
		}
	}
	return nil
}

func runTakeRows(d *Device, c *backend.Call) error {
	return d.overRows(c, c.Output(0).Shape[0], takeRows)
}

func takeRows(c *backend.Call, from, to int) {
	x, order, y := f32(c.Input(0)), c.Input(1).I64(), f32(c.Output(0))
	n, k := c.Input(0).Shape[1], c.Node.Int("k", 1)
	for r := from; r < to; r++ {
		t := int(order[r] / k)
		copy(y[r*n:(r+1)*n], x[t*n:(t+1)*n])
	}
}

func runSumRows(d *Device, c *backend.Call) error {
	tokens, n := rowsOf(c.Output(0))
	kernel.SumRows(d.Pool, tokens, int(c.Node.Int("k", 1)), n, f32(c.Input(0)), c.Input(2).I64(), f32(c.Output(0)))
	return nil
}

func runCombine(d *Device, c *backend.Call) error {
	tokens, n := rowsOf(c.Output(0))
	kernel.Combine(d.Pool, tokens, int(c.Node.Int("k", 1)), n, f32(c.Input(0)), f32(c.Input(1)), c.Input(3).I64(), f32(c.Output(0)))
	return nil
}

func runCombineGrad(d *Device, c *backend.Call) error {
	tokens, n := rowsOf(c.Input(0))
	kernel.CombineGrad(d.Pool, tokens, int(c.Node.Int("k", 1)), n, f32(c.Input(0)), f32(c.Input(1)), f32(c.Input(2)), c.Input(4).I64(), f32(c.Output(0)), f32(c.Output(1)))
	return nil
}
