package data

// IgnoreTarget marks a position without a target.
const IgnoreTarget = -100

// Windows deals a held-out text for evaluation: consecutive windows, every token but the
// first a target exactly once.
type Windows struct {
	tokens  []int64
	context int
}

// NewWindows cuts tokens into windows of context tokens.
func NewWindows(tokens []int64, context int) *Windows { return &Windows{tokens, context} }

// Count is the number of windows, and Targets that of targets in all of them.
func (w *Windows) Count() int { return (w.Targets() + w.context - 1) / w.context }

// Targets is the number of tokens that are predicted.
func (w *Windows) Targets() int { return max(len(w.tokens)-1, 0) }

// Fill writes windows first … into ids and targets [rows · context]. Positions behind the
// end of the text have id 0 and no target.
func (w *Windows) Fill(first int, ids, targets []int64) {
	for i := range ids {
		row, t := i/w.context, i%w.context
		at := (first+row)*w.context + t
		ids[i], targets[i] = 0, IgnoreTarget
		if at+1 < len(w.tokens) {
			ids[i], targets[i] = w.tokens[at], w.tokens[at+1]
		}
	}
}
