package cpu

import (
	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu/kernel"
	"github.com/moezoo/moezoo/graph"
)

// Where all weights meet one token, time is what memory takes, and memory waits while the
// kernels between the large products compute. So workers that are idle then read ahead.
const (
	// aheadFrom is from which size on weights are not found in the caches anyway.
	aheadFrom = 32 << 20
	// aheadShare is how much larger than all that is computed from them they are.
	aheadShare = 64
	// aheadMost is how far is read: what a cache keeps until it is needed.
	aheadMost = 1 << 20
	// aheadLarge is from which size on all threads of the pool share a matrix.
	aheadLarge = 256 << 10
)

// ahead is what the steps of a program read.
type ahead struct {
	memory *kernel.Ahead
	behind []int // of each step: how many pieces it and those before it read
}

// newAhead lists what the caller bound and the steps read whole. It is nil where reading ahead
// does not help.
func (g *program) newAhead() *ahead {
	bound := map[*backend.Tensor]bool{}
	for _, s := range g.external {
		for _, t := range s.views {
			bound[t] = true
		}
	}
	a, size := &ahead{memory: &kernel.Ahead{}}, 0
	for _, s := range g.steps {
		for _, t := range s.call.In {
			if bound[t] && !indexed(s.call.Node) {
				size += len(t.Data)
				a.add(t.Data, g.device.Pool.Threads())
			}
		}
		a.behind = append(a.behind, a.memory.Pieces())
	}
	if g.device.Pool.Threads() == 1 || size < aheadFrom || size < aheadShare*len(g.arena) {
		return nil
	}
	return a
}

// add puts what a step reads behind the rest. Of a large matrix the first part will be read by
// the thread that is busy, so that the others begin behind it.
func (a *ahead) add(b []byte, threads int) {
	if len(b) < aheadLarge {
		a.memory.Add(b)
		return
	}
	b = b[len(b)/threads&^(kernel.AheadPiece-1):]
	a.memory.Add(b[:min(len(b), aheadMost)])
}

// begin is called before the first step.
func (a *ahead) begin(p *kernel.Pool) {
	if a == nil {
		p.ReadAhead(nil)
		return
	}
	a.memory.Restart()
	p.ReadAhead(a.memory)
}

// step has what is read behind step i read ahead.
func (a *ahead) step(i int) {
	if a != nil {
		first := a.behind[i]
		a.memory.Move(first, min(first+aheadMost/kernel.AheadPiece, a.memory.Pieces()))
	}
}

func (a *ahead) end(p *kernel.Pool) {
	if a != nil {
		p.EndReadAhead(a.memory)
	}
}

// indexed tells that a node may read a part of a tensor only: what is computed, or given, is
// an index.
func indexed(n *graph.Node) bool {
	for _, v := range n.Inputs {
		if v == nil || v.Type.DType != graph.Int64 {
			continue
		}
		if _, known := v.Content(); !known {
			return true
		}
	}
	return false
}
