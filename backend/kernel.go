package backend

import "github.com/moezoo/moezoo/graph"

// Call is one execution of a node on host memory. In holds nil for absent optional
// inputs; an optional output that nothing reads has nil data. Shapes were inferred
// beforehand and need no second check.
type Call struct {
	Node    *graph.Node
	In, Out []*Tensor
	Scratch []byte // as long as the kernel's Scratch asked for, contents undefined
}

// Input is input i, nil when absent.
func (c *Call) Input(i int) *Tensor {
	if i >= len(c.In) {
		return nil
	}
	return c.In[i]
}

// Output is output i; a node with fewer outputs has an absent one.
func (c *Call) Output(i int) *Tensor {
	if i >= len(c.Out) {
		return &Tensor{}
	}
	return c.Out[i]
}
