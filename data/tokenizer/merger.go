package tokenizer

import "container/heap"

// merger merges the bytes of one word. A heap of candidate pairs keeps it at
// n·log n however long the word is.
type merger struct {
	id         []int64
	prev, next []int // neighbours that are left, −1 at the ends
	pairs      pairHeap
}

// pair is two neighbours that may merge.
type pair struct {
	merge
	left int
	l, r int64 // the tokens when the pair was found
}

type pairHeap []pair

func (h pairHeap) Len() int { return len(h) }
func (h pairHeap) Less(i, j int) bool {
	if h[i].rank != h[j].rank {
		return h[i].rank < h[j].rank
	}
	return h[i].left < h[j].left
}
func (h pairHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push adds a pair, for package heap.
func (h *pairHeap) Push(x any) { *h = append(*h, x.(pair)) }

// Pop removes the last pair, for package heap.
func (h *pairHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

func (m *merger) append(b *BPE, ids []int64, word []byte) []int64 {
	if id, ok := b.ids[string(word)]; ok && len(word) == 1 {
		return append(ids, id)
	}
	m.id, m.prev, m.next, m.pairs = m.id[:0], m.prev[:0], m.next[:0], m.pairs[:0]
	for i, c := range word {
		m.id = append(m.id, b.first[c])
		m.prev, m.next = append(m.prev, i-1), append(m.next, i+1)
	}
	m.next[len(word)-1] = -1
	for i := range word {
		m.consider(b, i)
	}
	for len(m.pairs) > 0 {
		p := heap.Pop(&m.pairs).(pair)
		right := m.next[p.left]
		if right < 0 || m.id[p.left] != p.l || m.id[right] != p.r {
			continue // one of the two has merged with another since
		}
		m.id[p.left], m.id[right] = p.id, -1
		m.next[p.left] = m.next[right]
		if m.next[p.left] >= 0 {
			m.prev[m.next[p.left]] = p.left
		}
		m.consider(b, p.left)
		if m.prev[p.left] >= 0 {
			m.consider(b, m.prev[p.left])
		}
	}
	for i := 0; i >= 0; i = m.next[i] {
		ids = append(ids, m.id[i])
	}
	return ids
}

// consider adds the pair that begins at i.
func (m *merger) consider(b *BPE, i int) {
	right := m.next[i]
	if right < 0 || m.id[i] < 0 {
		return
	}
	if found, ok := b.rank[[2]int64{m.id[i], m.id[right]}]; ok {
		heap.Push(&m.pairs, pair{found, i, m.id[i], m.id[right]})
	}
}
