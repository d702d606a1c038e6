package file

import (
	"strconv"

	"github.com/moezoo/moezoo/graph/onnx/pb"
)

// place is where the validator is, kept as a chain so that text is only made for
// an error.
type place struct {
	parent *place
	field  string
	index  int    // -1: the field is no list
	name   string // of the thing there, if it has one
}

func (p *place) to(field string) *place { return &place{parent: p, field: field, index: -1} }

func (p *place) at(field string, index int, name string) *place {
	return &place{parent: p, field: field, index: index, name: name}
}

func (p *place) String() string {
	if p == nil {
		return ""
	}
	s := p.field
	if p.index >= 0 {
		s += "[" + strconv.Itoa(p.index) + "]"
	}
	if p.name != "" {
		s += "(" + short(p.name) + ")"
	}
	if outer := p.parent.String(); outer != "" {
		return outer + "." + s
	}
	return s
}

// fail is an Error at this place.
func (p *place) fail(format string, args ...any) error {
	return bad(p.String(), format, args...)
}

// label is what a person knows a node by.
func label(n *pb.NodeProto) string {
	if n.GetName() != "" {
		return n.GetName()
	}
	return n.GetOpType()
}
