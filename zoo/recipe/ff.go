package recipe

import "fmt"

// FF is a dense feed-forward layer: an expert applied to every token.
type FF struct {
	Expert Use
	Width  int64
	Bias   bool // false
}

func readFF(s *section, dModel int64) *FF {
	return &FF{Expert: s.use("expert", "relu"), Width: s.width("width", dModel), Bias: s.bool("bias", false)}
}

func (f *FF) yaml() string {
	return fmt.Sprintf("{expert: %s, width: %d, bias: %v}", f.Expert.yaml(), f.Width, f.Bias)
}

func (f *FF) over(dModel int64) bool { return over(maxWeight, dModel, f.Width) }
