package tokenizer

import "slices"

// ranks is what two neighbouring tokens become, and how early.
type ranks map[pairOf]merge

// pairOf is two tokens, the left one in the upper half.
type pairOf uint64

func pairKey(left, right int32) pairOf { return pairOf(uint32(left))<<32 | pairOf(uint32(right)) }

type merge struct{ rank, id int32 }

// add adds the next merge; ok is false when the pair has one already.
func (r ranks) add(left, right, id int32) (ok bool) {
	key := pairKey(left, right)
	if _, twice := r[key]; twice {
		return false
	}
	r[key] = merge{int32(len(r)), id}
	return true
}

// merger merges the tokens of one word of less than 2³¹ of them. A heap of candidate pairs
// keeps it at n·log n however long the word is; it takes 32 bytes a token, seldom more.
type merger struct {
	id         []int32 // the tokens so far, at the first they are made of; −1 inside
	prev, next []int32 // neighbours that are left, −1 at the ends
	pairs      []pair  // a heap
	memo       memo    // of the model's words
}

// pair is two neighbours that may merge.
type pair struct {
	rank, id, left int32
	l, r           int32 // the tokens when the pair was found
}

// before is the order of merging: by rank, then from left to right.
func (p pair) before(q pair) bool {
	return p.rank < q.rank || p.rank == q.rank && p.left < q.left
}

// begin starts a word; push the tokens that it consists of.
func (m *merger) begin() { m.id = m.id[:0] }

func (m *merger) push(id int32) { m.id = append(m.id, id) }

// finish merges the word and appends its tokens.
func (m *merger) finish(rank ranks, ids []int64) []int64 {
	n := len(m.id)
	if n < 2 {
		for _, id := range m.id {
			ids = append(ids, int64(id))
		}
		return ids
	}
	m.prev, m.next = slices.Grow(m.prev[:0], n), slices.Grow(m.next[:0], n)
	m.pairs = slices.Grow(m.pairs[:0], n)
	for i := range n {
		m.prev, m.next = append(m.prev, int32(i-1)), append(m.next, int32(i+1))
	}
	m.next[n-1] = -1
	for i := range n {
		m.consider(rank, int32(i))
	}
	for len(m.pairs) > 0 {
		p := m.pop()
		right := m.next[p.left]
		if right < 0 || m.id[p.left] != p.l || m.id[right] != p.r {
			continue // one of the two has merged with another since
		}
		m.id[p.left], m.id[right] = p.id, -1
		m.next[p.left] = m.next[right]
		if m.next[p.left] >= 0 {
			m.prev[m.next[p.left]] = p.left
		}
		m.consider(rank, p.left)
		if m.prev[p.left] >= 0 {
			m.consider(rank, m.prev[p.left])
		}
	}
	for i := int32(0); i >= 0; i = m.next[i] {
		ids = append(ids, int64(m.id[i]))
	}
	return ids
}

// consider adds the pair that begins at i.
func (m *merger) consider(rank ranks, i int32) {
	right := m.next[i]
	if right < 0 || m.id[i] < 0 {
		return
	}
	if found, ok := rank[pairKey(m.id[i], m.id[right])]; ok {
		m.add(pair{found.rank, found.id, i, m.id[i], m.id[right]})
	}
}

func (m *merger) add(p pair) {
	h := append(m.pairs, p)
	i := len(h) - 1
	for i > 0 && p.before(h[(i-1)/2]) {
		h[i] = h[(i-1)/2]
		i = (i - 1) / 2
	}
	h[i] = p
	m.pairs = h
}

func (m *merger) pop() pair {
	h := m.pairs
	first, last := h[0], h[len(h)-1]
	h = h[:len(h)-1]
	m.pairs = h
	i := 0
	for {
		child := 2*i + 1
		if child >= len(h) {
			break
		}
		if child+1 < len(h) && h[child+1].before(h[child]) {
			child++
		}
		if !h[child].before(last) {
			break
		}
		h[i] = h[child]
		i = child
	}
	if len(h) > 0 {
		h[i] = last
	}
	return first
}
