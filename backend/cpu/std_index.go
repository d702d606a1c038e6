package cpu

import (
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/graph"
)

func init() {
	register("", map[string]Kernel{
		"Gather":          {Run: runGather},
		"GatherElements":  {Run: runGatherElements},
		"GatherND":        {Run: runGatherND},
		"ScatterElements": {Run: runScatterElements},
		"ScatterND":       {Run: runScatterND},
		"ArgMax":          {Run: func(_ *Device, c *backend.Call) error { return argExtremum(c, true) }},
		"ArgMin":          {Run: func(_ *Device, c *backend.Call) error { return argExtremum(c, false) }},
		"OneHot":          {Run: runOneHot},
		"NonZero":         {Run: runNonZero},
		"Unique":          {Run: runUnique},
	})
}

// at is a possibly negative index into an axis of extent n.
func at(i int64, n int) (int, error) {
	if i < 0 {
		i += int64(n)
	}
	if i < 0 || i >= int64(n) {
		return 0, fmt.Errorf("index %d is outside of an axis of extent %d", i, n)
	}
	return int(i), nil
}

func runGather(_ *Device, c *backend.Call) error {
	x, y, ids := c.Input(0), c.Output(0), ints(c.Input(1))
	outer, extent, inner := lanes(x.Shape, axisOf(c.Node.Int("axis", 0), len(x.Shape)))
	block := inner * x.DType.Size()
	for o := range outer {
		for k, id := range ids {
			i, err := at(id, extent)
			if err != nil {
				return err
			}
			to := (o*len(ids) + k) * block
			copy(y.Data[to:to+block], x.Data[(o*extent+i)*block:])
		}
	}
	return nil
}

// alongAxis is where the element at an index of indices lies in data, with the position
// along the axis replaced.
func alongAxis(from []int, index []int, axis, position int) int {
	i := 0
	for k, v := range index {
		if k == axis {
			v = position
		}
		i += v * from[k]
	}
	return i
}

func runGatherElements(_ *Device, c *backend.Call) error {
	x, y, ids := c.Input(0), c.Output(0), ints(c.Input(1))
	axis, from, size := axisOf(c.Node.Int("axis", 0), len(x.Shape)), strides(x.Shape), x.DType.Size()
	var failed error
	place(y.Shape, func(k int, index []int) {
		i, err := at(ids[k], x.Shape[axis])
		if err != nil {
			failed = err
			return
		}
		j := alongAxis(from, index, axis, i)
		copy(y.Data[k*size:(k+1)*size], x.Data[j*size:])
	})
	return failed
}

func runGatherND(_ *Device, c *backend.Call) error {
	x, y, index := c.Input(0), c.Output(0), c.Input(1)
	ids, batch := ints(index), int(c.Node.Int("batch_dims", 0))
	depth := index.Shape[len(index.Shape)-1]
	from := strides(x.Shape)
	block := product(x.Shape[batch+depth:]) * x.DType.Size()
	tuples := product(index.Shape[:len(index.Shape)-1])
	perBatch := max(product(index.Shape[batch:len(index.Shape)-1]), 1)
	batchStep := product(x.Shape[batch:])
	for k := range tuples {
		i := k / perBatch * batchStep
		for d := range depth {
			p, err := at(ids[k*depth+d], x.Shape[batch+d])
			if err != nil {
				return err
			}
			i += p * from[batch+d]
		}
		copy(y.Data[k*block:(k+1)*block], x.Data[i*x.DType.Size():])
	}
	return nil
}

// combineInto applies a scatter's reduction to one element.
func combineInto(dtype graph.DType, reduction string, y []byte, i int, u []byte, j int) error {
	size := dtype.Size()
	if reduction == "none" {
		copy(y[i*size:(i+1)*size], u[j*size:])
		return nil
	}
	switch dtype {
	case graph.Float32:
		reduceElement[float32](reduction, dtype, y, i, u, j)
	case graph.Float64:
		reduceElement[float64](reduction, dtype, y, i, u, j)
	case graph.Int64:
		reduceElement[int64](reduction, dtype, y, i, u, j)
	case graph.Int32:
		reduceElement[int32](reduction, dtype, y, i, u, j)
	default:
		return fmt.Errorf("the cpu kernel does not scatter %v with reduction %q", dtype, reduction)
	}
	return nil
}

func reduceElement[T number](reduction string, dtype graph.DType, y []byte, i int, u []byte, j int) {
	a, b := backend.As[T](&backend.Tensor{DType: dtype, Data: y}), backend.As[T](&backend.Tensor{DType: dtype, Data: u})
	switch reduction {
	case "add":
		a[i] += b[j]
	case "mul":
		a[i] *= b[j]
	case "min":
		a[i] = min(a[i], b[j])
	case "max":
		a[i] = max(a[i], b[j])
	}
}

func runScatterElements(_ *Device, c *backend.Call) error {
	x, index, u, y := c.Input(0), c.Input(1), c.Input(2), c.Output(0)
	ids, axis, from := ints(index), axisOf(c.Node.Int("axis", 0), len(x.Shape)), strides(x.Shape)
	copy(y.Data, x.Data)
	if rank := len(x.Shape); axis == rank-1 && x.DType == graph.Float32 && c.Node.Str("reduction", "none") == "none" && slices.Equal(x.Shape[:axis], index.Shape[:axis]) {
		return scatterInRows(f32(y), f32(u), ids, x.Shape[axis], index.Shape[axis])
	}
	var failed error
	place(index.Shape, func(k int, p []int) {
		i, err := at(ids[k], x.Shape[axis])
		if err == nil {
			err = combineInto(x.DType, c.Node.Str("reduction", "none"), y.Data, alongAxis(from, p, axis, i), u.Data, k)
		}
		if err != nil {
			failed = err
		}
	})
	return failed
}

// scatterInRows puts k numbers into each row of n, as the gradient of a router's choice does.
func scatterInRows(y, u []float32, ids []int64, n, k int) error {
	for i, id := range ids {
		column, err := at(id, n)
		if err != nil {
			return err
		}
		y[i/k*n+column] = u[i]
	}
	return nil
}

func runScatterND(_ *Device, c *backend.Call) error {
	x, index, u, y := c.Input(0), c.Input(1), c.Input(2), c.Output(0)
	ids, from := ints(index), strides(x.Shape)
	depth := index.Shape[len(index.Shape)-1]
	block := product(x.Shape[depth:])
	copy(y.Data, x.Data)
	for k := range product(index.Shape[:len(index.Shape)-1]) {
		i := 0
		for d := range depth {
			p, err := at(ids[k*depth+d], x.Shape[d])
			if err != nil {
				return err
			}
			i += p * from[d]
		}
		for e := range block {
			if err := combineInto(x.DType, c.Node.Str("reduction", "none"), y.Data, i+e, u.Data, k*block+e); err != nil {
				return err
			}
		}
	}
	return nil
}

// ordering compares elements i and j of a tensor; NaN counts as larger than all.
func ordering(t *backend.Tensor) (func(i, j int) int, error) {
	switch t.DType {
	case graph.Float32:
		return compareAt(t.F32()), nil
	case graph.Float64:
		return compareAt(backend.As[float64](t)), nil
	case graph.Int64:
		return compareAt(t.I64()), nil
	case graph.Int32:
		return compareAt(backend.As[int32](t)), nil
	case graph.Int8:
		return compareAt(backend.As[int8](t)), nil
	case graph.Uint8:
		return compareAt(backend.As[uint8](t)), nil
	case graph.Uint64:
		return compareAt(backend.As[uint64](t)), nil
	case graph.Uint32:
		return compareAt(backend.As[uint32](t)), nil
	}
	return nil, fmt.Errorf("the cpu kernel does not order %v", t.DType)
}

func compareAt[T number](x []T) func(i, j int) int {
	return func(i, j int) int {
		a, b := x[i], x[j]
		nanA, nanB := a != a, b != b
		switch {
		case nanA || nanB:
			switch {
			case nanA && nanB:
				return 0
			case nanA:
				return 1
			}
			return -1
		case a < b:
			return -1
		case a > b:
			return 1
		}
		return 0
	}
}

func argExtremum(c *backend.Call, largest bool) error {
	x, y := c.Input(0), c.Output(0).I64()
	outer, extent, inner := lanes(x.Shape, axisOf(c.Node.Int("axis", 0), len(x.Shape)))
	compare, err := ordering(x)
	if err != nil {
		return err
	}
	last := c.Node.Int("select_last_index", 0) != 0
	for r := range outer * inner {
		start, best := r/inner*extent*inner+r%inner, 0
		for i := 1; i < extent; i++ {
			d := compare(start+i*inner, start+best*inner)
			if !largest {
				d = -d
			}
			if d > 0 || last && d == 0 {
				best = i
			}
		}
		y[r] = int64(best)
	}
	return nil
}

func runOneHot(_ *Device, c *backend.Call) error {
	index, values, y := c.Input(0), c.Input(2), c.Output(0)
	axis := axisOf(c.Node.Int("axis", -1), len(y.Shape))
	depth, size := y.Shape[axis], y.DType.Size()
	ids, err := wholeNumbers(index)
	if err != nil {
		return err
	}
	inner := product(y.Shape[axis+1:])
	for k := range y.Elements() {
		position := k / inner % depth
		id := ids[k/(inner*depth)*inner+k%inner]
		if id < 0 {
			id += int64(depth)
		}
		from := 0
		if id == int64(position) {
			from = size
		}
		copy(y.Data[k*size:(k+1)*size], values.Data[from:])
	}
	return nil
}

// wholeNumbers reads numbers of any type as integers.
func wholeNumbers(t *backend.Tensor) ([]int64, error) {
	if !t.DType.IsFloat() {
		return t.ToGraph().Int64s()
	}
	f, err := t.ToGraph().Float32s()
	out := make([]int64, len(f))
	for i, x := range f {
		out[i] = int64(math.Floor(float64(x)))
	}
	return out, err
}

func runNonZero(_ *Device, c *backend.Call) error {
	x, y := c.Input(0), c.Output(0).I64()
	size, n, k := x.DType.Size(), c.Output(0).Shape[1], 0
	place(x.Shape, func(i int, index []int) {
		if zeroBytes(x, i, size) {
			return
		}
		for d, v := range index {
			y[d*n+k] = int64(v)
		}
		k++
	})
	return nil
}

// zeroBytes reports whether an element is 0; −0 is.
func zeroBytes(x *backend.Tensor, i, size int) bool {
	for b, v := range x.Data[i*size : (i+1)*size] {
		if v != 0 && !(x.DType.IsFloat() && b == size-1 && v == 0x80) {
			return false
		}
	}
	return true
}

// runUnique finds the different slices along an axis, or the different elements.
func runUnique(_ *Device, c *backend.Call) error {
	x, y := c.Input(0), c.Output(0)
	outer, extent, inner := 1, x.Elements(), 1
	if c.Node.Has("axis") {
		outer, extent, inner = lanes(x.Shape, axisOf(c.Node.Int("axis", 0), len(x.Shape)))
	}
	compare, err := ordering(x)
	if err != nil {
		return err
	}
	slice := func(a, b int) int {
		for o := range outer {
			for i := range inner {
				if d := compare((o*extent+a)*inner+i, (o*extent+b)*inner+i); d != 0 {
					return d
				}
			}
		}
		return 0
	}
	order := make([]int, extent)
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(a, b int) bool { return slice(order[a], order[b]) < 0 })
	groupOf, firsts, counts := groupEqual(order, slice)
	rank := make([]int, len(firsts)) // place of each group in the result
	byFirst := make([]int, len(firsts))
	for i := range firsts {
		rank[i], byFirst[i] = i, i
	}
	if c.Node.Int("sorted", 1) == 0 {
		sort.Slice(byFirst, func(a, b int) bool { return firsts[byFirst[a]] < firsts[byFirst[b]] })
		for i, g := range byFirst {
			rank[g] = i
		}
	}
	size, n := x.DType.Size(), len(firsts)
	for g, first := range firsts {
		for o := range outer {
			to, from := (o*n+rank[g])*inner*size, (o*extent+first)*inner*size
			copy(y.Data[to:to+inner*size], x.Data[from:])
		}
		setInt(c.Output(1), rank[g], first)
		setInt(c.Output(3), rank[g], counts[g])
	}
	for i, g := range groupOf {
		setInt(c.Output(2), i, rank[g])
	}
	return nil
}

// groupEqual numbers the runs of equal elements of a sorted order: the run of every
// element, and of every run its first element in the original order and its length.
func groupEqual(order []int, compare func(a, b int) int) (groupOf, firsts, counts []int) {
	groupOf = make([]int, len(order))
	for k, i := range order {
		if k == 0 || compare(order[k-1], i) != 0 {
			firsts, counts = append(firsts, i), append(counts, 0)
		}
		g := len(firsts) - 1
		groupOf[i] = g
		counts[g]++
	}
	return groupOf, firsts, counts
}

func setInt(t *backend.Tensor, i, v int) {
	if t.Present() {
		t.I64()[i] = int64(v)
	}
}
