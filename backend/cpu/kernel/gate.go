package kernel

// gateBlock is the number of values a gate works on at a time, in L1.
const gateBlock = 2048

// SiLUGateScratch is the scratch of [SiLUGate] and [SiLUGateGrad].
func SiLUGateScratch(p *Pool) int { return p.Threads() * 2 * gateBlock }

// SiLUGate sets dst = y·z·σ(z). dst may be y or z.
func SiLUGate(p *Pool, dst, y, z, scratch []float32) {
	const name = "SiLUGate"
	need(name, "y", len(y), len(dst))
	need(name, "z", len(z), len(dst))
	need(name, "scratch", len(scratch), SiLUGateScratch(p))
	t := gateTasks.get()
	defer gateTasks.put(t)
	t.dst, t.y, t.z, t.scratch = dst, y, z, scratch
	p.RunTask(ceilDiv(len(dst), gateBlock), t)
}

// SiLUGateGrad is the gradient of [SiLUGate] given dout:
//
//	dy = dout·z·σ(z)     dz = dout·y·σ(z)·(1 + z·(1-σ(z)))
//
// dy and dz may be any of dout, y and z, but not the same; nil is not wanted.
func SiLUGateGrad(p *Pool, dy, dz, dout, y, z, scratch []float32) {
	const name = "SiLUGateGrad"
	needOrNil(name, "dy", dy, len(dout))
	needOrNil(name, "dz", dz, len(dout))
	need(name, "y", len(y), len(dout))
	need(name, "z", len(z), len(dout))
	need(name, "scratch", len(scratch), SiLUGateScratch(p))
	t := gateTasks.get()
	defer gateTasks.put(t)
	t.dy, t.dz, t.dout, t.y, t.z, t.scratch = dy, dz, dout, y, z, scratch
	p.RunTask(ceilDiv(len(dout), gateBlock), t)
}

var gateTasks freeList[gateTask]

type gateTask struct {
	dst, dy, dz, dout, y, z []float32 // dst alone: forward
	scratch                 []float32
}

func (t *gateTask) Do(item, worker int) {
	i := item * gateBlock
	j := min(i+gateBlock, max(len(t.dst), len(t.dout)))
	a := t.scratch[worker*2*gateBlock:][:j-i]
	active.silu(a, t.z[i:j])
	if t.dst != nil {
		active.mul(t.dst[i:j], t.y[i:j], a)
		return
	}
	b := t.scratch[(worker*2+1)*gateBlock:][:j-i]
	active.mul(b, t.dout[i:j], t.y[i:j])
	if t.dy != nil {
		active.mul(t.dy[i:j], t.dout[i:j], a)
	}
	if t.dz != nil {
		active.siluGrad(t.dz[i:j], t.z[i:j], b)
	}
}
