package recipe

import "fmt"

// MoE is a Mixture-of-Experts layer.
type MoE struct {
	Router  Use
	Experts int64
	TopK    int64 // experts per token, 1
	Expert  Use
	Width   int64 // of one expert

	Shared      *Shared // what every token passes besides; nil for none
	RoutedScale float64 // factor of what the routed experts give, 1
	Latent      int64   // width that the routed experts work in; 0 for the model's
	AllowFuture bool    // take routers that look at later tokens, false

	CapacityFactor float64       // training only; 0 drops nothing
	CapacityScope  CapacityScope // batch
	Overflow       Overflow      // zero
}

// Shared is an expert that every token passes beside the routed ones.
type Shared struct {
	Experts int64 // one of Experts·Width, 1
	Width   int64 // default as the layer's
	Expert  Use   // default as the layer's
	Gate    bool  // times σ(x·w), false
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
	m.Shared = readShared(s, m, dModel)
	m.RoutedScale = s.float("routed_scale", 1, 0, 1e6)
	if s.get("latent") != nil {
		m.Latent = s.width("latent", dModel)
	}
	m.AllowFuture = s.bool("allow_future", false)
	return m
}

// readShared reads {experts, width, expert, gate}, or none.
func readShared(s *section, m *MoE, dModel int64) *Shared {
	n := s.get("shared")
	if n == nil || n.kind == nullNode || n.kind == scalarNode && n.text == "none" {
		return nil
	}
	p := s.section(n, s.at, "shared")
	x := &Shared{Experts: p.int("experts", 1, 1), Width: m.Width, Expert: m.Expert, Gate: p.bool("gate", false)}
	if p.n.get("width") != nil {
		x.Width = p.width("width", dModel)
	} else {
		p.known = append(p.known, "width")
	}
	if p.n.get("expert") != nil {
		x.Expert = p.use("expert", "")
	} else {
		p.known = append(p.known, "expert")
	}
	p.done()
	return x
}

func (m *MoE) yaml() string {
	shared, latent := "none", ""
	if x := m.Shared; x != nil {
		shared = fmt.Sprintf("{experts: %d, width: %d, expert: %s, gate: %v}", x.Experts, x.Width, x.Expert.yaml(), x.Gate)
	}
	if m.Latent > 0 {
		latent = fmt.Sprintf(", latent: %d", m.Latent)
	}
	return fmt.Sprintf("{router: %s, experts: %d, top_k: %d, expert: %s, width: %d, capacity_factor: %s, capacity_scope: %s, overflow: %s, shared: %s, routed_scale: %s%s, allow_future: %v}",
		m.Router.yaml(), m.Experts, m.TopK, m.Expert.yaml(), m.Width, format(m.CapacityFactor), m.CapacityScope, m.Overflow, shared, format(m.RoutedScale), latent, m.AllowFuture)
}

func (m *MoE) over(dModel int64) bool {
	return over(maxWeight, dModel, m.Experts, m.Width) || over(maxWeight, dModel, max(m.Latent, 1)) ||
		m.Shared != nil && over(maxWeight, dModel, m.Shared.Experts, m.Shared.Width)
}
