package kernel

import "math"

// AdamWStep is one optimiser step's constants.
type AdamWStep struct {
	LR, Beta1, Beta2, Eps, WeightDecay float64
	GradScale                          float64 // multiplies every gradient first, for clipping; 1 otherwise
	Step                               int     // counted from 1, for the bias corrections
}

// adamWConsts is AdamWStep as the inner loop wants it; assembly relies on the order.
type adamWConsts struct {
	gradScale, decay                 float32 // decay = 1 - lr·weightDecay
	beta1, oneBeta1, beta2, oneBeta2 float32
	stepSize                         float32 // lr/(1-beta1^step)
	rootCorrection, eps              float32 // rootCorrection = 1/√(1-beta2^step)
}

func (s AdamWStep) consts() adamWConsts {
	bc1 := 1 - math.Pow(s.Beta1, float64(s.Step))
	bc2 := 1 - math.Pow(s.Beta2, float64(s.Step))
	return adamWConsts{
		gradScale: float32(s.GradScale), decay: float32(1 - s.LR*s.WeightDecay),
		beta1: float32(s.Beta1), oneBeta1: float32(1 - s.Beta1),
		beta2: float32(s.Beta2), oneBeta2: float32(1 - s.Beta2),
		stepSize: float32(s.LR / bc1), rootCorrection: float32(1 / math.Sqrt(bc2)), eps: float32(s.Eps),
	}
}

// AdamW updates parameters and both moments in place, as torch.optim.AdamW:
//
//	p ← p·(1 - lr·wd)          m ← β1·m + (1-β1)·g          v ← β2·v + (1-β2)·g²
//	p ← p - lr/(1-β1^t) · m / (√v/√(1-β2^t) + eps)
//
// with g the gradient times GradScale. All slices as long as param.
func AdamW(p *Pool, param, m, v, grad []float32, step AdamWStep) {
	const name = "AdamW"
	need(name, "m", len(m), len(param))
	need(name, "v", len(v), len(param))
	need(name, "grad", len(grad), len(param))
	need(name, "the step number", step.Step, 1)
	t := adamWTasks.get()
	defer adamWTasks.put(t)
	t.p, t.m, t.v, t.g, t.c = param, m, v, grad, step.consts()
	p.RunTask(ceilDiv(len(param), elementBlock), t)
}

var adamWTasks freeList[adamWTask]

type adamWTask struct {
	p, m, v, g []float32
	c          adamWConsts
}

func (t *adamWTask) Do(item, _ int) {
	i := item * elementBlock
	j := min(i+elementBlock, len(t.p))
	active.adamW(t.p[i:j], t.m[i:j], t.v[i:j], t.g[i:j], &t.c)
}

// adamWGeneric is the loop of [AdamW].
func adamWGeneric(p, m, v, g []float32, c *adamWConsts) {
	for i, gi := range g {
		gi *= c.gradScale
		m[i] = c.beta1*m[i] + c.oneBeta1*gi
		v[i] = c.beta2*v[i] + c.oneBeta2*gi*gi
		root := float32(math.Sqrt(float64(v[i])))
		p[i] = p[i]*c.decay - c.stepSize*m[i]/(root*c.rootCorrection+c.eps)
	}
}
