package recipe

import "fmt"

// RGLRU is the recurrent block of Griffin, arXiv 2402.19427.
type RGLRU struct {
	Width int64 // of the recurrence, default DModel
	Heads int64 // blocks of the gates' matrices, 8; divides Width
	DConv int64 // 4
}

func readRGLRU(s *section, dModel int64) *RGLRU {
	m := &RGLRU{Width: dModel, Heads: s.int("heads", 8, 1), DConv: s.int("d_conv", 4, 1)}
	if s.get("width") != nil {
		m.Width = s.width("width", dModel)
	}
	if m.Width%m.Heads != 0 {
		s.fail(s.at, "", "%d heads do not divide the width %d", m.Heads, m.Width)
	}
	return m
}

func (m *RGLRU) yaml() string {
	return fmt.Sprintf("{width: %d, heads: %d, d_conv: %d}", m.Width, m.Heads, m.DConv)
}

func (m *RGLRU) over(dModel int64) bool {
	return over(maxWeight, m.Width, max(dModel, m.Width, m.DConv))
}
