package graph

import (
	"fmt"
	"slices"
	"sort"
)

// Attrs are a node's attributes. Values have one of the types int64, float32, string,
// []int64, []float32, []string, *Tensor and *Graph, as ONNX attributes have.
type Attrs map[string]any

// Names lists the attributes in order.
func (a Attrs) Names() []string {
	names := make([]string, 0, len(a))
	for n := range a {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// Int is an integer attribute, or the default when it is absent.
func (n *Node) Int(name string, def int64) int64 { return attr(n, name, def) }

// Float is a float attribute, or the default when it is absent.
func (n *Node) Float(name string, def float32) float32 { return attr(n, name, def) }

// Str is a string attribute, or the default when it is absent.
func (n *Node) Str(name string, def string) string { return attr(n, name, def) }

// Ints is a list of integers, nil when absent.
func (n *Node) Ints(name string) []int64 { return attr[[]int64](n, name, nil) }

// Floats is a list of floats, nil when absent.
func (n *Node) Floats(name string) []float32 { return attr[[]float32](n, name, nil) }

// Tensor is a tensor attribute, nil when absent.
func (n *Node) Tensor(name string) *Tensor { return attr[*Tensor](n, name, nil) }

// Body is a graph attribute, nil when absent.
func (n *Node) Body(name string) *Graph { return attr[*Graph](n, name, nil) }

// Has reports whether the attribute is given.
func (n *Node) Has(name string) bool { _, ok := n.Attrs[name]; return ok }

// attr reads an attribute. Types were checked when the node was added.
func attr[T any](n *Node, name string, def T) T {
	if v, ok := n.Attrs[name].(T); ok {
		return v
	}
	return def
}

// AttrKind is the type of an attribute.
type AttrKind string

// Kinds of attributes.
const (
	IntAttr     AttrKind = "int"
	FloatAttr   AttrKind = "float"
	StringAttr  AttrKind = "string"
	IntsAttr    AttrKind = "ints"
	FloatsAttr  AttrKind = "floats"
	StringsAttr AttrKind = "strings"
	TensorAttr  AttrKind = "tensor"
	GraphAttr   AttrKind = "graph"
)

func kindOf(v any) AttrKind {
	switch v.(type) {
	case int64:
		return IntAttr
	case float32:
		return FloatAttr
	case string:
		return StringAttr
	case []int64:
		return IntsAttr
	case []float32:
		return FloatsAttr
	case []string:
		return StringsAttr
	case *Tensor:
		return TensorAttr
	case *Graph:
		return GraphAttr
	}
	return ""
}

// checkAttrs refuses attributes that the operator does not have or of another type.
func (op *Op) checkAttrs(attrs Attrs) error {
	for _, name := range attrs.Names() {
		i := slices.IndexFunc(op.Attrs, func(a Attr) bool { return a.Name == name })
		if i < 0 {
			return fmt.Errorf("has no attribute %q%s", name, nearest(name, op.attrNames()))
		}
		if k := kindOf(attrs[name]); k != op.Attrs[i].Kind {
			return fmt.Errorf("attribute %q: got %s, want %s", name, k, op.Attrs[i].Kind)
		}
	}
	for _, a := range op.Attrs {
		if _, ok := attrs[a.Name]; a.Required && !ok {
			return fmt.Errorf("attribute %q is missing", a.Name)
		}
	}
	return nil
}

func (op *Op) attrNames() []string {
	names := make([]string, len(op.Attrs))
	for i, a := range op.Attrs {
		names[i] = a.Name
	}
	return names
}
