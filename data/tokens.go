package data

// Tokens is a sequence of token ids, in memory or in a file.
type Tokens interface {
	Len() int
	// Copy copies the ids from at on into dst, as many as dst holds; at + len(dst) ≤ Len.
	Copy(dst []int64, at int) error
}

// InMemory is Tokens in memory.
type InMemory []int64

// Len is the number of tokens.
func (t InMemory) Len() int { return len(t) }

// Copy copies ids.
func (t InMemory) Copy(dst []int64, at int) error {
	copy(dst, t[at:at+len(dst)])
	return nil
}

// joined is two sequences behind one another.
type joined struct{ a, b Tokens }

// Len is the number of tokens.
func (t joined) Len() int { return t.a.Len() + t.b.Len() }

// Copy copies ids.
func (t joined) Copy(dst []int64, at int) error {
	first := min(max(t.a.Len()-at, 0), len(dst))
	if err := t.a.Copy(dst[:first], min(at, t.a.Len())); err != nil {
		return err
	}
	return t.b.Copy(dst[first:], max(at-t.a.Len(), 0))
}
