package file

import (
	"slices"
	"strings"

	"github.com/moezoo/moezoo/graph/onnx/pb"
)

// undefined says why node i of nodes cannot use name: nobody makes it, a later
// node makes it, or the two wait for each other.
func undefined(p, input *place, nodes []*pb.NodeProto, i int, name string) error {
	makers := map[string]int{}
	for j := i; j < len(nodes); j++ {
		for _, out := range nodes[j].GetOutput() {
			if _, taken := makers[out]; !taken && out != "" {
				makers[out] = j
			}
		}
	}
	j, made := makers[name]
	if !made {
		return input.fail("value %s is not defined", short(name))
	}
	if ring := route(nodes, makers, j, i); ring != nil {
		return p.fail("the nodes form a cycle: %s", strings.Join(ring, " needs "))
	}
	return input.fail("value %s is made later, by node[%d](%s); nodes must stand in the order they can run", short(name), j, short(label(nodes[j])))
}

// route finds how node from needs, through any number of nodes, the node to, and
// names the way from to back to it. nil when there is no way.
func route(nodes []*pb.NodeProto, makers map[string]int, from, to int) []string {
	came := map[int]int{from: -1}
	for queue := []int{from}; len(queue) > 0; queue = queue[1:] {
		n := queue[0]
		if n == to {
			return ring(nodes, came, to)
		}
		for _, name := range uses(nodes[n]) {
			if m, ok := makers[name]; ok {
				if _, seen := came[m]; !seen {
					came[m] = n
					queue = append(queue, m)
				}
			}
		}
	}
	return nil
}

func ring(nodes []*pb.NodeProto, came map[int]int, to int) []string {
	var back []string
	for n := to; n >= 0; n = came[n] {
		back = append(back, short(label(nodes[n])))
	}
	back = append(back, back[0])
	slices.Reverse(back)
	const most = 8
	if len(back) > most {
		back = append(back[:most-1], "…", back[len(back)-1])
	}
	return back
}

// uses lists the values a node needs, those of its subgraphs included. Names made
// inside a subgraph may be among them: they are made nowhere else.
func uses(n *pb.NodeProto) []string {
	names := slices.Clone(n.GetInput())
	for _, a := range n.GetAttribute() {
		for _, g := range append([]*pb.GraphProto{a.GetG()}, a.GetGraphs()...) {
			for _, inner := range g.GetNode() {
				names = append(names, uses(inner)...)
			}
		}
	}
	return names
}
