package cpu

import (
	"fmt"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/graph"
)

// Kernel executes one operator. Run writes all present outputs; it allocates nothing
// for float32 tensors. Scratch, when given, is how many bytes of temporary memory a
// call needs, told from shapes alone.
type Kernel struct {
	Run     func(d *Device, c *backend.Call) error
	Scratch func(d *Device, c *backend.Call) int
}

var table = map[string]Kernel{}

func key(domain, op string) string { return domain + "." + op }

// register adds kernels of a domain to the table.
func register(domain string, kernels map[string]Kernel) {
	for op, k := range kernels {
		if _, dup := table[key(domain, op)]; dup {
			panic("cpu: two kernels for " + key(domain, op))
		}
		table[key(domain, op)] = k
	}
}

// Lookup finds the kernel of an operator.
func Lookup(domain, op string) (Kernel, bool) {
	k, ok := table[key(domain, op)]
	return k, ok
}

// Supports says why a node cannot run on the processor; nil when it can.
func (d *Device) Supports(n *graph.Node) error {
	if _, ok := Lookup(n.Domain, n.Op); !ok {
		return fmt.Errorf("the cpu backend has no kernel for operator %s", n.Op)
	}
	return nil
}

// Scratch is how many bytes of temporary memory a node's kernel needs.
func (d *Device) Scratch(c *backend.Call) int {
	k, _ := Lookup(c.Node.Domain, c.Node.Op)
	if k.Scratch == nil {
		return 0
	}
	return k.Scratch(d, c)
}
