package narrow

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// Kind is how weights are stored.
type Kind string

// Kinds.
const (
	Float32  Kind = "fp32"
	BFloat16 Kind = "bf16"
	Float16  Kind = "fp16"
	Int8     Kind = "int8"
)

// Parse reads a kind, one of those that are allowed.
func Parse(s string, allowed ...Kind) (Kind, error) {
	for _, k := range allowed {
		if string(k) == s {
			return k, nil
		}
	}
	list := ""
	for i, k := range allowed {
		switch {
		case i > 0 && i == len(allowed)-1:
			list += " or "
		case i > 0:
			list += ", "
		}
		list += string(k)
	}
	return "", fmt.Errorf("weights %q: want %s", s, list)
}

// DType is the element type.
func (k Kind) DType() graph.DType {
	switch k {
	case BFloat16:
		return graph.BFloat16
	case Float16:
		return graph.Float16
	case Int8:
		return graph.Int8
	}
	return graph.Float32
}

// Narrow reports whether the kind is smaller than float32.
func (k Kind) Narrow() bool { return k.DType() != graph.Float32 }
