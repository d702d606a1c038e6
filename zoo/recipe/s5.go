package recipe

import "fmt"

// S5 is the simplified structured state-space mixer of arXiv 2208.04933.
type S5 struct {
	DState         int64          // states, conjugates included, 64
	Blocks         int64          // copies of a smaller system that the states begin as, 1; divides DState
	Conjugate      bool           // keep one state of each conjugate pair, true
	Discretization Discretization // zoh
	Clip           bool           // keep modes from growing, true
	Gate           S5Gate         // half1
	Steps          [2]float64     // range of initial step sizes, 0.001 to 0.1
}

// Discretization makes steps of a continuous system.
type Discretization string

// Discretizations: zero-order hold, and the bilinear rule.
const (
	ZOH      Discretization = "zoh"
	Bilinear Discretization = "bilinear"
)

// S5Gate is the activation behind the system.
type S5Gate string

// Gates, as the authors name them: full_glu, half_glu1, half_glu2 and gelu.
const (
	S5Full  S5Gate = "full"
	S5Half1 S5Gate = "half1"
	S5Half2 S5Gate = "half2"
	S5Gelu  S5Gate = "gelu"
)

// maxHippo bounds the systems that are diagonalised to begin with.
const maxHippo = 1024

func readS5(s *section) *S5 {
	m := &S5{DState: s.int("d_state", 64, 1), Blocks: s.int("blocks", 1, 1), Conjugate: s.bool("conjugate", true)}
	m.Discretization = choice(s, "discretization", ZOH, ZOH, Bilinear)
	m.Clip, m.Gate, m.Steps = s.bool("clip", true), choice(s, "gate", S5Half1, S5Full, S5Half1, S5Half2, S5Gelu), s.steps()
	each := m.DState / m.Blocks
	if each*m.Blocks != m.DState || m.Conjugate && each%2 != 0 {
		s.fail(s.at, "", "%d blocks do not divide d_state %d into parts of an even size", m.Blocks, m.DState)
	}
	if each > maxHippo {
		s.fail(s.at, "write more blocks", "a block of %d states is larger than the %d that are diagonalised for a start", each, maxHippo)
	}
	return m
}

func (m *S5) yaml() string {
	return fmt.Sprintf("{d_state: %d, blocks: %d, conjugate: %v, discretization: %s, clip: %v, gate: %s, steps: [%s, %s]}",
		m.DState, m.Blocks, m.Conjugate, m.Discretization, m.Clip, m.Gate, format(m.Steps[0]), format(m.Steps[1]))
}

func (m *S5) over(dModel int64) bool { return over(maxWeight, dModel, max(dModel, 2*m.DState)) }
