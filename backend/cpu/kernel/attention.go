package kernel

import (
	"fmt"
	"math"
)

// Attention tiles. attentionKeys is part of the result's definition: sums over
// keys are formed per tile and then added in order.
const (
	attentionRows = 64
	attentionKeys = 64
)

// HeadLayout says where the vector of a batch entry, a position and a head
// starts: b·Batch + t·Position + h·Head. Its Dh values are contiguous.
type HeadLayout struct{ Batch, Position, Head int }

// DenseHeads is the layout of [B, L, H, Dh].
func DenseHeads(length, heads, dim int) HeadLayout {
	return HeadLayout{Batch: length * heads * dim, Position: heads * dim, Head: dim}
}

// CacheHeads is the layout of [B, H, Cap, Dh].
func CacheHeads(heads, capacity, dim int) HeadLayout {
	return HeadLayout{Batch: heads * capacity * dim, Position: dim, Head: capacity * dim}
}

// extent is the number of values a tensor of that layout spans.
func (l HeadLayout) extent(batch, positions, heads, dim int) int {
	if batch == 0 || positions == 0 || heads == 0 {
		return 0
	}
	return (batch-1)*l.Batch + (positions-1)*l.Position + (heads-1)*l.Head + dim
}

// AttentionInput is the input of causal attention with grouped heads: query
// head h uses key head h/(Hq/Hkv). The last query sees all S keys, the one
// before all but one, and so on, so that L = S is training and L < S continues
// from a cache.
type AttentionInput struct {
	Batch, Queries, Keys int // B, L, S; S ≥ L
	Heads, KVHeads, Dim  int // Hq, Hkv, Dh
	Scale                float32

	Q, K, V                   []float32
	QLayout, KLayout, VLayout HeadLayout
	Mask                      []float32 // [B, S], 0 hides a key; nil: none hidden
	// First [B, L] is where the document of each query begins, which hides the keys before;
	// nil: the whole row is one. It needs S = L.
	First []int64
	// Window is how many keys a query sees, the newest being its own; 0: all before it.
	Window int
}

func (a *AttentionInput) check(name string) {
	extents(name, "B, L, S, Hq, Hkv, Dh", a.Batch, a.Queries, a.Keys, a.Heads, a.KVHeads, a.Dim)
	if a.KVHeads < 1 || a.Heads%a.KVHeads != 0 {
		panic(fmt.Sprintf("kernel: %s: %d query heads do not divide into %d key heads", name, a.Heads, a.KVHeads))
	}
	need(name, "the number of keys", a.Keys, a.Queries)
	need(name, "Q", len(a.Q), a.QLayout.extent(a.Batch, a.Queries, a.Heads, a.Dim))
	need(name, "K", len(a.K), a.KLayout.extent(a.Batch, a.Keys, a.KVHeads, a.Dim))
	need(name, "V", len(a.V), a.VLayout.extent(a.Batch, a.Keys, a.KVHeads, a.Dim))
	extents(name, "Window", a.Window)
	needOrNil(name, "Mask", a.Mask, a.Batch*a.Keys)
	if a.First != nil {
		need(name, "First", len(a.First), a.Batch*a.Queries)
		need(name, "the number of queries", a.Queries, a.Keys)
	}
}

// gemmWorkspace is room for any of the products of one tile.
func (a *AttentionInput) gemmWorkspace() int {
	scores := gemmBlock{ta: true, tb: true, m: attentionRows, n: attentionKeys, k: max(a.Dim, attentionKeys)}
	values := gemmBlock{ta: true, m: attentionRows, n: max(a.Dim, 1), k: attentionKeys}
	return max(scores.workspace(), values.workspace())
}

func (a *AttentionInput) forwardWorkspace() int {
	return attentionRows*attentionKeys + 2*attentionRows + a.gemmWorkspace()
}

// AttentionScratch is the scratch of [AttentionForward].
func AttentionScratch(p *Pool, a AttentionInput) int { return p.Threads() * a.forwardWorkspace() }

// AttentionForward computes, with j running over the visible keys of query i,
// those with i + S - L - Window < j ≤ i + S - L, in its document, and with a mask other
// than 0,
//
//	s[i,j]  = Scale·q[i]·k[j]
//	lse[i]  = log Σ_j exp s[i,j]
//	y[i]    = Σ_j exp(s[i,j] - lse[i])·v[j]
//
// one tile of scores at a time. y [B, L, Hq, Dh]; lse [B, Hq, L] is kept for
// the backward pass. A query that sees nothing gives zeros and lse -Inf.
func AttentionForward(p *Pool, a AttentionInput, y, lse, scratch []float32) {
	const name = "AttentionForward"
	a.check(name)
	need(name, "y", len(y), a.Batch*a.Queries*a.Heads*a.Dim)
	need(name, "lse", len(lse), a.Batch*a.Heads*a.Queries)
	need(name, "scratch", len(scratch), AttentionScratch(p, a))
	t := attentionTasks.get()
	defer attentionTasks.put(t)
	t.AttentionInput, t.y, t.lse, t.scratch = a, y, lse, scratch
	t.ws, t.tiles = a.forwardWorkspace(), ceilDiv(a.Queries, attentionRows)
	p.RunTask(a.Batch*a.Heads*t.tiles, t)
}

var attentionTasks freeList[attentionTask]

type attentionTask struct {
	AttentionInput
	y, lse, scratch []float32
	ws, tiles       int
}

func (t *attentionTask) Do(item, worker int) {
	// The last tile has most keys: hand it out first.
	tile := t.tiles - 1 - item%t.tiles
	head, batch := item/t.tiles%t.Heads, item/t.tiles/t.Heads
	i0 := tile * attentionRows
	rows := min(attentionRows, t.Queries-i0)

	ws := t.scratch[worker*t.ws : (worker+1)*t.ws]
	s, ws := ws[:attentionRows*attentionKeys], ws[attentionRows*attentionKeys:]
	top, sum, ws := ws[:rows], ws[attentionRows:attentionRows+rows], ws[2*attentionRows:]
	for r := range rows {
		top[r], sum[r] = float32(math.Inf(-1)), 0
	}
	ld := t.Heads * t.Dim
	y := t.y[((batch*t.Queries+i0)*t.Heads+head)*t.Dim:]
	for r := range rows {
		clear(y[r*ld : r*ld+t.Dim])
	}
	for j0 := t.firstTile(i0); j0 < i0+rows+t.Keys-t.Queries; j0 += attentionKeys {
		v := batch*t.VLayout.Batch + j0*t.VLayout.Position + t.kvHead(head)*t.VLayout.Head
		for r0, r1 := 0, 0; r0 < rows; r0 = r1 {
			var keys int
			r1, keys = t.block(i0, r0, rows, j0)
			if keys == 0 {
				continue
			}
			t.scores(s, batch, head, i0+r0, r1-r0, j0, keys, ws)
			t.rescale(s, y[r0*ld:], ld, top[r0:r1], sum[r0:r1], keys)
			g := gemmBlock{
				m: r1 - r0, n: t.Dim, k: keys, a: s, lda: attentionKeys,
				b: t.V[v:], ldb: t.VLayout.Position, c: y[r0*ld:], ldc: ld, acc: true,
			}
			g.tile(0, g.m, 0, t.Dim, ws)
		}
	}
	lse := t.lse[(batch*t.Heads+head)*t.Queries+i0:]
	for r := range rows {
		lse[r] = top[r] + float32(math.Log(float64(sum[r])))
		if sum[r] > 0 {
			row := y[r*ld : r*ld+t.Dim]
			active.scale(row, 1/sum[r], row)
		}
	}
}

// block is the next block of rows of a tile, r0 to r1, and how many of the tile's keys they
// see: all rows of a tile that sees all its keys, and fewer where it crosses the diagonal.
func (a *AttentionInput) block(i0, r0, rows, j0 int) (r1, keys int) {
	keys = min(attentionKeys, a.Keys-j0)
	ahead := i0 + a.Keys - a.Queries - j0 // keys before that of the tile's first query
	if ahead+r0+1 >= keys {
		return rows, keys
	}
	r1 = min(r0+attentionRows/2, rows)
	return r1, min(keys, roundUp(max(ahead+r1, 0), active.gemm.nr))
}

func (a *AttentionInput) kvHead(head int) int { return head / (a.Heads / a.KVHeads) }

// firstKey is the first key in the window of query i.
func (a *AttentionInput) firstKey(i int) int {
	if a.Window == 0 {
		return 0
	}
	return max(0, i+a.Keys-a.Queries-a.Window+1)
}

// firstTile is where the first tile of keys begins that query i0 or a later one sees.
func (a *AttentionInput) firstTile(i0 int) int { return a.firstKey(i0) / attentionKeys * attentionKeys }

// scores fills s[r, j] = Scale·q[i0+r]·k[j0+j], -Inf where the key is hidden.
func (a *AttentionInput) scores(s []float32, batch, head, i0, rows, j0, keys int, ws []float32) {
	q := batch*a.QLayout.Batch + i0*a.QLayout.Position + head*a.QLayout.Head
	k := batch*a.KLayout.Batch + j0*a.KLayout.Position + a.kvHead(head)*a.KLayout.Head
	g := gemmBlock{
		tb: true, m: rows, n: keys, k: a.Dim, a: a.Q[q:], lda: a.QLayout.Position,
		b: a.K[k:], ldb: a.KLayout.Position, c: s, ldc: attentionKeys,
	}
	g.tile(0, rows, 0, keys, ws)
	all := s[:(rows-1)*attentionKeys+keys]
	active.scale(all, a.Scale, all)
	hidden := float32(math.Inf(-1))
	for r := range rows {
		row := s[r*attentionKeys : r*attentionKeys+keys]
		for j := max(0, i0+r+a.Keys-a.Queries+1-j0); j < keys; j++ {
			row[j] = hidden
		}
		first := a.firstKey(i0 + r)
		if a.First != nil {
			first = max(first, int(a.First[batch*a.Queries+i0+r]))
		}
		for j := range min(keys, max(0, first-j0)) {
			row[j] = hidden
		}
		if a.Mask != nil {
			for j, m := range a.Mask[batch*a.Keys+j0 : batch*a.Keys+j0+keys] {
				if m == 0 {
					row[j] = hidden
				}
			}
		}
	}
}

// rescale turns scores into exp(s - top) under the new row maxima and scales
// what y and sum hold to the same base.
func (t *attentionTask) rescale(s, y []float32, ld int, top, sum []float32, keys int) {
	for r := range top {
		row := s[r*attentionKeys : r*attentionKeys+keys]
		m := max(top[r], active.max(row))
		if math.IsInf(float64(m), -1) {
			clear(row)
			continue
		}
		part := active.expSum(row, row, m)
		if m != top[r] && sum[r] != 0 {
			f := exp32(top[r] - m)
			sum[r] *= f
			dst := y[r*ld : r*ld+t.Dim]
			active.scale(dst, f, dst)
		}
		sum[r] += part
		top[r] = m
	}
}
