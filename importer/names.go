package importer

import (
	"fmt"
	"strings"
)

// Layout is how a peer's tensor becomes ours.
type Layout uint8

// Layouts: Plain is as ours, Transposed is stored [out, in] (the last two axes),
// Depthwise is a convolution's [C, K], stored [C, 1, K], and Squeezed is [G, 1, N], stored [G, N].
const (
	Plain Layout = iota
	Transposed
	Depthwise
	Squeezed
)

// Source says which tensors of a peer make up one of our parameters.
type Source struct {
	Names   []string // the tensor: one, or its spellings, of which the first that exists counts
	Stacked bool     // Names are one tensor for each expert
	Layout  Layout
	Part    Part
}

// Part says which of a fused tensor's outputs are meant: of each of its groups, share Index
// of Of equal ones. The zero Part is the whole tensor.
type Part struct{ Groups, Index, Of int }

// plain, transposed and depthwise are one tensor, or all its spellings.
func plain(names ...string) Source      { return Source{Names: names, Layout: Plain} }
func transposed(names ...string) Source { return Source{Names: names, Layout: Transposed} }
func depthwise(names ...string) Source  { return Source{Names: names, Layout: Depthwise} }

// part is share index of of equal ones in each of a fused tensor's groups.
func (s Source) part(groups, index, of int) Source {
	s.Part = Part{groups, index, of}
	return s
}

// Names maps our parameters to a peer's tensors; ok is false for one that the peer does
// not have.
type Names func(param string, experts int) (s Source, ok bool)

// layerOf splits "layers.3/mamba/A_log" into 3 and "mamba/A_log".
func layerOf(param string) (layer int, rest string, ok bool) {
	head, rest, found := strings.Cut(param, "/")
	n, err := fmt.Sscanf(head, "layers.%d", &layer)
	return layer, rest, found && n == 1 && err == nil
}

// perExpert are the tensors of one kind of all experts, which is what %d in format counts.
func perExpert(l Layout, format string, experts int) Source {
	names := make([]string, experts)
	for e := range names {
		names[e] = fmt.Sprintf(format, e)
	}
	return Source{Names: names, Stacked: true, Layout: l}
}

// gatedMoE are experts of three products and a router without a bias.
func gatedMoE(router, gate, up, down, param string, experts int) (Source, bool) {
	switch param {
	case "router/router":
		return transposed(router), true
	case "experts/gate":
		return perExpert(Transposed, gate, experts), true
	case "experts/up":
		return perExpert(Transposed, up, experts), true
	case "experts/down":
		return perExpert(Transposed, down, experts), true
	}
	return Source{}, false
}

// under is the source with a prefix before its tensors' names.
func (s Source) under(prefix string) Source {
	names := make([]string, len(s.Names))
	for i, name := range s.Names {
		names[i] = prefix + name
	}
	s.Names = names
	return s
}
