package data

// IgnoreTarget marks a position without a target.
const IgnoreTarget = -100

// Windows deals a held-out text for evaluation: consecutive windows, every token but the
// first a target exactly once.
type Windows struct {
	tokens  Tokens
	context int
}

// NewWindows cuts tokens into windows of context tokens.
func NewWindows(tokens Tokens, context int) *Windows { return &Windows{tokens, context} }

// Count is the number of windows, and Targets that of targets in all of them.
func (w *Windows) Count() int { return (w.Targets() + w.context - 1) / w.context }

// Targets is the number of tokens that are predicted.
func (w *Windows) Targets() int { return max(w.tokens.Len()-1, 0) }

// Fill writes windows first … into ids and targets [rows · context]. Positions behind the
// end of the text have id 0 and no target.
func (w *Windows) Fill(first int, ids, targets []int64) error {
	clear(ids)
	for i := range targets {
		targets[i] = IgnoreTarget
	}
	at := first * w.context
	n := min(len(ids), w.tokens.Len()-1-at)
	if n <= 0 {
		return nil
	}
	if err := w.tokens.Copy(ids[:n], at); err != nil {
		return err
	}
	return w.tokens.Copy(targets[:n], at+1)
}
