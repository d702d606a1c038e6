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
