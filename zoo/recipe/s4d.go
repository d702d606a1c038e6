package recipe

import "fmt"

// S4D is the diagonal structured state-space mixer of arXiv 2206.11893.
type S4D struct {
	DState int64      // N, 64: pairs of conjugate modes, or real ones
	Modes  S4DModes   // lin
	Steps  [2]float64 // range of initial step sizes, 0.001 to 0.1
}

// S4DModes says how the modes of every channel begin.
type S4DModes string

// Modes.
const (
	S4DLin  S4DModes = "lin"
	S4DInv  S4DModes = "inv"
	S4DReal S4DModes = "real"
)

func readS4D(s *section) *S4D {
	m := &S4D{DState: s.int("d_state", 64, 1), Modes: choice(s, "modes", S4DLin, S4DLin, S4DInv, S4DReal), Steps: s.steps()}
	if m.Modes != S4DReal && m.DState%2 != 0 {
		s.fail(s.at, "write an even one, or modes: real", "d_state %d does not make pairs of conjugate modes", m.DState)
	}
	return m
}

// steps reads the range in which step sizes begin.
func (s *section) steps() [2]float64 {
	n := s.get("steps")
	if n == nil {
		return [2]float64{0.001, 0.1}
	}
	if n.kind != listNode || len(n.items) != 2 {
		s.fail(n.at, "steps: [0.001, 0.1]", "steps: got %s, want two numbers", n.what())
		return [2]float64{}
	}
	low := s.number(n.items[0], "steps", 1e-9, 1e6)
	return [2]float64{low, s.number(n.items[1], "steps", low, 1e6)}
}

func (m *S4D) yaml() string {
	return fmt.Sprintf("{d_state: %d, modes: %s, steps: [%s, %s]}", m.DState, m.Modes, format(m.Steps[0]), format(m.Steps[1]))
}

func (m *S4D) over(dModel int64) bool { return over(maxWeight, dModel, max(2*dModel, m.DState)) }
