package recipe

import (
	"fmt"
	"slices"
	"strings"
)

// Mixture makes projections inside of a mixer conditional: experts in place of a matrix.
type Mixture struct {
	At          []string // sites, in the order of the mixer
	Routing     MixtureRouting
	Router      Use
	Experts     int64
	TopK        int64 // experts per token, 1
	Expert      Use
	Width       int64 // of one expert; d_model
	AllowFuture bool  // take routers that look at later tokens, false
}

// MixtureRouting says who decides.
type MixtureRouting string

// Routings: a router at each site, or one, of the mixer's input, that all sites follow.
const (
	EachSite   MixtureRouting = "each"
	SharedSite MixtureRouting = "shared"
)

// readMixture reads the key mixture of a mixer with the given sites; nil for none.
func readMixture(s *section, dModel int64, sites ...string) *Mixture {
	n := s.get("mixture")
	if n == nil || n.kind == nullNode || n.kind == scalarNode && n.text == "none" {
		return nil
	}
	p := s.section(n, s.at, "mixture")
	m := &Mixture{
		At: readSites(p, sites), Routing: choice(p, "routing", EachSite, EachSite, SharedSite), Router: p.use("router", "switch"),
		Experts: p.int("experts", 8, 1), TopK: p.int("top_k", 1, 1), Expert: p.use("expert", "relu"), Width: dModel,
	}
	if p.n.get("width") != nil {
		m.Width = p.width("width", dModel)
	} else {
		p.known = append(p.known, "width")
	}
	m.AllowFuture = p.bool("allow_future", false)
	if m.TopK > m.Experts {
		p.fail(p.at, "", "top_k %d is more than the %d experts", m.TopK, m.Experts)
	}
	p.done()
	return m
}

// readSites reads the list at.
func readSites(s *section, sites []string) []string {
	n := s.get("at")
	written := []*node{n}
	switch {
	case n == nil:
		s.fail(s.at, "at: ["+strings.Join(sites, ", ")+"]", "mixture needs at, the projections that are mixtures")
		return nil
	case n.kind == listNode:
		written = n.items
	}
	chosen := map[string]bool{}
	for _, w := range written {
		switch {
		case w.kind != scalarNode || !slices.Contains(sites, w.text):
			s.fail(w.at, didYouMean(w.text, sites), "at: got %s, want some of %s", w.what(), strings.Join(sites, ", "))
		case chosen[w.text]:
			s.fail(w.at, "", "at: %s stands there twice", w.text)
		}
		chosen[w.text] = true
	}
	if len(chosen) == 0 {
		s.fail(n.at, "", "at: got an empty list, want some of %s", strings.Join(sites, ", "))
	}
	return slices.DeleteFunc(slices.Clone(sites), func(name string) bool { return !chosen[name] })
}

// yaml is ", mixture: {…}", or nothing for none.
func (m *Mixture) yaml() string {
	if m == nil {
		return ""
	}
	return fmt.Sprintf(", mixture: {at: [%s], routing: %s, router: %s, experts: %d, top_k: %d, expert: %s, width: %d, allow_future: %v}",
		strings.Join(m.At, ", "), m.Routing, m.Router.yaml(), m.Experts, m.TopK, m.Expert.yaml(), m.Width, m.AllowFuture)
}

// over tells whether a weight exceeds the limit, where the widest projection has that many
// inputs or outputs.
func (m *Mixture) over(widest int64) bool {
	return m != nil && over(maxWeight, widest, m.Experts, max(m.Width, widest))
}
