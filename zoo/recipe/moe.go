package recipe

import "fmt"

// MoE is a Mixture-of-Experts layer.
type MoE struct {
	Router  Use
	Experts int64
	TopK    int64 // experts per token, 1
	Expert  Use
	Width   int64 // of one expert

	CapacityFactor float64       // training only; 0 drops nothing
	CapacityScope  CapacityScope // batch
	Overflow       Overflow      // zero
}

// CapacityScope says over what tokens an expert's capacity counts.
type CapacityScope string

// Capacity scopes.
const (
	PerBatch CapacityScope = "batch"
	PerRow   CapacityScope = "row" // each sequence on its own
)

// Overflow says what becomes of a token beyond an expert's capacity.
type Overflow string

// Overflows: ZeroOverflow adds nothing to the stream, PassThrough adds weight·x.
const (
	ZeroOverflow Overflow = "zero"
	PassThrough  Overflow = "pass_through"
)

func readMoE(s *section, dModel int64) *MoE {
	m := &MoE{Router: s.use("router", "switch"), Experts: s.int("experts", 8, 1), TopK: s.int("top_k", 1, 1), Expert: s.use("expert", "relu"), Width: s.width("width", dModel)}
	if m.TopK > m.Experts {
		s.fail(s.at, "", "top_k %d is more than the %d experts", m.TopK, m.Experts)
	}
	m.CapacityFactor = s.float("capacity_factor", 0, 0, 1e6)
	m.CapacityScope = choice(s, "capacity_scope", PerBatch, PerBatch, PerRow)
	m.Overflow = choice(s, "overflow", ZeroOverflow, ZeroOverflow, PassThrough)
	if n := s.get("shared"); n != nil {
		s.fail(n.at, "", "shared experts are not supported yet")
	}
	return m
}

func (m *MoE) yaml() string {
	return fmt.Sprintf("{router: %s, experts: %d, top_k: %d, expert: %s, width: %d, capacity_factor: %s, capacity_scope: %s, overflow: %s}",
		m.Router.yaml(), m.Experts, m.TopK, m.Expert.yaml(), m.Width, format(m.CapacityFactor), m.CapacityScope, m.Overflow)
}

func (m *MoE) over(dModel int64) bool { return over(maxWeight, dModel, m.Experts, m.Width) }
