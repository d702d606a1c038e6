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
		all := min(attentionKeys, t.Keys-j0)
		k := batch*t.KLayout.Batch + j0*t.KLayout.Position + t.kvHead(head)*t.KLayout.Head
		v := batch*t.VLayout.Batch + j0*t.VLayout.Position + t.kvHead(head)*t.VLayout.Head
		for r0, r1 := 0, 0; r0 < rows; r0 = r1 {
			var keys int
			r1, keys = t.block(i0, r0, rows, j0)
			p, ds := p[r0*attentionKeys:], ds[r0*attentionKeys:]
			if keys == 0 {
				t.weigh(p, ds, lse[r0:], inner[r0:], r1-r0, 0, all)
				continue
			}
			t.scores(p, batch, head, i0+r0, r1-r0, j0, keys, ws)
			g := gemmBlock{ // dP
				tb: true, m: r1 - r0, n: keys, k: t.Dim, a: t.dy[at+r0*ld:], lda: ld,
				b: t.V[v:], ldb: t.VLayout.Position, c: ds, ldc: attentionKeys,
			}
			g.tile(0, g.m, 0, keys, ws)
			t.weigh(p, ds, lse[r0:], inner[r0:], r1-r0, keys, all)
			g = gemmBlock{ // dq
				m: r1 - r0, n: t.Dim, k: keys, a: ds, lda: attentionKeys,
				b: t.K[k:], ldb: t.KLayout.Position, c: t.dq[q+r0*t.QLayout.Position:], ldc: t.QLayout.Position, acc: true,
			}
			g.tile(0, g.m, 0, t.Dim, ws)
		}
		g := gemmBlock{ // dv
			ta: true, m: all, n: t.Dim, k: rows, a: p, lda: attentionKeys,
			b: t.dy[at:], ldb: ld, c: t.dv[v:], ldc: t.VLayout.Position, acc: true,
		}
		g.tile(0, all, 0, t.Dim, ws)
		g = gemmBlock{ // dk
			ta: true, m: all, n: t.Dim, k: rows, a: ds, lda: attentionKeys,
			b: t.Q[q:], ldb: t.QLayout.Position, c: t.dk[k:], ldc: t.KLayout.Position, acc: true,
		}
		g.tile(0, all, 0, t.Dim, ws)
	}
}

// weigh turns scores into P and dP into Scale·dS, both zero for the keys that no row sees.
func (t *attentionBackTask) weigh(p, ds, lse, inner []float32, rows, keys, all int) {
	for r := range rows {
		pr, dr := p[r*attentionKeys:r*attentionKeys+all], ds[r*attentionKeys:r*attentionKeys+all]
		seen := keys
		if math.IsInf(float64(lse[r]), -1) {
			seen = 0
		}
		if seen < all {
			clear(pr[seen:])
			clear(dr[seen:])
		}
		if seen > 0 {
			active.expSum(pr[:seen], pr[:seen], lse[r])
			active.shift(dr[:seen], dr[:seen], -inner[r])
		}
	}
	size := (rows-1)*attentionKeys + all
	active.mul(ds[:size], ds[:size], p[:size])
	active.scale(ds[:size], t.Scale, ds[:size])
}
