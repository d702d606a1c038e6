package kernel

import "math"

func (a *AttentionInput) backwardWorkspace() int {
	return 2*attentionRows*attentionKeys + attentionRows + a.gemmWorkspace()
}

// AttentionBackwardScratch is the scratch of [AttentionBackward].
func AttentionBackwardScratch(p *Pool, a AttentionInput) int {
	return p.Threads() * a.backwardWorkspace()
}

// AttentionBackward is the gradient of [AttentionForward] from its outputs y
// and lse and dy [B, L, Hq, Dh]. With P = exp(s - lse) recomputed per tile:
//
//	dv = Pᵀ·dy     dP = dy·vᵀ     dS = P·(dP - Σ_d dy·y)
//	dq = Scale·dS·k               dk = Scale·dSᵀ·q
//
// dq, dk, dv are laid out like Q, K, V; positions outside the extents are left
// alone. One item handles one key head and all query heads that use it.
func AttentionBackward(p *Pool, a AttentionInput, y, lse, dy, dq, dk, dv, scratch []float32) {
	const name = "AttentionBackward"
	a.check(name)
	n := a.Batch * a.Queries * a.Heads * a.Dim
	need(name, "y", len(y), n)
	need(name, "dy", len(dy), n)
	need(name, "lse", len(lse), a.Batch*a.Heads*a.Queries)
	need(name, "dq", len(dq), a.QLayout.extent(a.Batch, a.Queries, a.Heads, a.Dim))
	need(name, "dk", len(dk), a.KLayout.extent(a.Batch, a.Keys, a.KVHeads, a.Dim))
	need(name, "dv", len(dv), a.VLayout.extent(a.Batch, a.Keys, a.KVHeads, a.Dim))
	need(name, "scratch", len(scratch), AttentionBackwardScratch(p, a))
	t := attentionBackTasks.get()
	defer attentionBackTasks.put(t)
	t.AttentionInput, t.y, t.lse, t.dy, t.dq, t.dk, t.dv = a, y, lse, dy, dq, dk, dv
	t.scratch, t.ws = scratch, a.backwardWorkspace()
	p.RunTask(a.Batch*a.KVHeads, t)
}

var attentionBackTasks freeList[attentionBackTask]

type attentionBackTask struct {
	AttentionInput
	y, lse, dy, dq, dk, dv, scratch []float32
	ws                              int
}

func (t *attentionBackTask) Do(item, worker int) {
	batch, kv := item/t.KVHeads, item%t.KVHeads
	for j := range t.Keys {
		k := batch*t.KLayout.Batch + j*t.KLayout.Position + kv*t.KLayout.Head
		clear(t.dk[k : k+t.Dim])
		v := batch*t.VLayout.Batch + j*t.VLayout.Position + kv*t.VLayout.Head
		clear(t.dv[v : v+t.Dim])
	}
	ws := t.scratch[worker*t.ws : (worker+1)*t.ws]
	group := t.Heads / t.KVHeads
	for head := kv * group; head < (kv+1)*group; head++ {
		for i0 := 0; i0 < t.Queries; i0 += attentionRows {
			t.rows(batch, head, i0, ws)
		}
	}
}

// rows handles one tile of queries of one head.
func (t *attentionBackTask) rows(batch, head, i0 int, ws []float32) {
	const size = attentionRows * attentionKeys
	p, ds, inner, ws := ws[:size], ws[size:2*size], ws[2*size:2*size+attentionRows], ws[2*size+attentionRows:]
	rows := min(attentionRows, t.Queries-i0)
	ld := t.Heads * t.Dim
	at := ((batch*t.Queries+i0)*t.Heads + head) * t.Dim
	q := batch*t.QLayout.Batch + i0*t.QLayout.Position + head*t.QLayout.Head
	for r := range rows {
		from := at + r*ld
		inner[r] = active.dot(t.dy[from:from+t.Dim], t.y[from:from+t.Dim])
		clear(t.dq[q+r*t.QLayout.Position:][:t.Dim])
	}
	lse := t.lse[(batch*t.Heads+head)*t.Queries+i0:]
	for j0 := t.firstTile(i0); j0 < i0+rows+t.Keys-t.Queries; j0 += attentionKeys {
		keys := min(attentionKeys, t.Keys-j0)
		t.scores(p, batch, head, i0, rows, j0, keys, ws)
		k := batch*t.KLayout.Batch + j0*t.KLayout.Position + t.kvHead(head)*t.KLayout.Head
		v := batch*t.VLayout.Batch + j0*t.VLayout.Position + t.kvHead(head)*t.VLayout.Head
		g := gemmBlock{ // dP
			tb: true, m: rows, n: keys, k: t.Dim, a: t.dy[at:], lda: ld,
			b: t.V[v:], ldb: t.VLayout.Position, c: ds, ldc: attentionKeys,
		}
		g.tile(0, rows, 0, keys, ws)
		t.weigh(p, ds, lse, inner, rows, keys)
		g = gemmBlock{ // dv
			ta: true, m: keys, n: t.Dim, k: rows, a: p, lda: attentionKeys,
			b: t.dy[at:], ldb: ld, c: t.dv[v:], ldc: t.VLayout.Position, acc: true,
		}
		g.tile(0, keys, 0, t.Dim, ws)
		g = gemmBlock{ // dq
			m: rows, n: t.Dim, k: keys, a: ds, lda: attentionKeys,
			b: t.K[k:], ldb: t.KLayout.Position, c: t.dq[q:], ldc: t.QLayout.Position, acc: true,
		}
		g.tile(0, rows, 0, t.Dim, ws)
		g = gemmBlock{ // dk
			ta: true, m: keys, n: t.Dim, k: rows, a: ds, lda: attentionKeys,
			b: t.Q[q:], ldb: t.QLayout.Position, c: t.dk[k:], ldc: t.KLayout.Position, acc: true,
		}
		g.tile(0, keys, 0, t.Dim, ws)
	}
}

// weigh turns scores into P and dP into Scale·dS.
func (t *attentionBackTask) weigh(p, ds, lse, inner []float32, rows, keys int) {
	for r := range rows {
		pr, dr := p[r*attentionKeys:r*attentionKeys+keys], ds[r*attentionKeys:r*attentionKeys+keys]
		if math.IsInf(float64(lse[r]), -1) {
			clear(pr)
			clear(dr)
			continue
		}
		active.expSum(pr, pr, lse[r])
		active.shift(dr, dr, -inner[r])
		active.mul(dr, dr, pr)
		active.scale(dr, t.Scale, dr)
	}
}
