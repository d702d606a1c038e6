//go:build amd64 && !noasm

package kernel

import "golang.org/x/sys/cpu"

//go:generate sh -c "cd gen && go run . -out ../avx2_amd64.s -stubs ../avx2_amd64.go -pkg kernel"

// levels lists the levels this machine can run, slowest first.
func levels() []*dispatch {
	ls := []*dispatch{newGeneric()}
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		ls = append(ls, newAVX2())
	}
	return ls
}

// newAVX2 is the level for AVX2 with fused multiply-add. Wrappers only turn
// slices into pointers; the assembly handles lengths that are no multiple of a
// vector.
func newAVX2() *dispatch {
	d := newGeneric()
	d.name = "avx2"
	d.micro, d.packT, d.pack, d.gemvN, d.dot = microAVX2, packTAVX2, packAVX2, gemvNAVX2, dotAVX2
	d.exp = func(dst, x []float32) { avxExp(len(x), ptr(dst), ptr(x)) }
	d.sigmoid = func(dst, x []float32) { avxSigmoid(len(x), ptr(dst), ptr(x)) }
	d.silu = func(dst, x []float32) { avxSiLU(len(x), ptr(dst), ptr(x)) }
	d.softplus = func(dst, x []float32) { avxSoftplus(len(x), ptr(dst), ptr(x)) }
	d.tanh = func(dst, x []float32) { avxTanh(len(x), ptr(dst), ptr(x)) }
	d.gelu = func(dst, x []float32) { avxGELU(len(x), ptr(dst), ptr(x)) }
	d.relu = func(dst, x []float32) { avxReLU(len(x), ptr(dst), ptr(x)) }
	d.log = func(dst, x []float32) { avxLog(len(x), ptr(dst), ptr(x)) }
	d.log1p = func(dst, x []float32) { avxLog1p(len(x), ptr(dst), ptr(x)) }
	d.siluGrad = func(dx, x, dy []float32) { avxSiLUGrad(len(x), ptr(dx), ptr(x), ptr(dy)) }
	d.softplusGrad = func(dx, x, dy []float32) { avxSoftplusGrad(len(x), ptr(dx), ptr(x), ptr(dy)) }
	d.geluGrad = func(dx, x, dy []float32) { avxGELUGrad(len(x), ptr(dx), ptr(x), ptr(dy)) }
	d.reluGrad = func(dx, x, dy []float32) { avxReLUGrad(len(x), ptr(dx), ptr(x), ptr(dy)) }
	d.add = func(dst, x, y []float32) { avxAdd(len(x), ptr(dst), ptr(x), ptr(y)) }
	d.mul = func(dst, x, y []float32) { avxMul(len(x), ptr(dst), ptr(x), ptr(y)) }
	d.mulAdd = func(dst, x, y []float32) { avxMulAdd(len(x), ptr(dst), ptr(x), ptr(y)) }
	d.axpy = func(dst []float32, a float32, x []float32) { avxAxpy(len(x), ptr(dst), ptr(x), a) }
	d.scale = func(dst []float32, a float32, x []float32) { avxScale(len(x), ptr(dst), ptr(x), a) }
	d.shift = func(dst, x []float32, a float32) { avxShift(len(x), ptr(dst), ptr(x), a) }
	d.scaled = func(dst, x, g []float32, r float32) { avxScaled(len(x), ptr(dst), ptr(x), ptr(g), r) }
	d.accumulate = func(dst, x, y []float32, a float32) { avxAccumulate(len(x), ptr(dst), ptr(x), ptr(y), a) }
	d.combine = func(dst, dy, g, x []float32, a, b, c float32) {
		avxCombine(len(x), ptr(dst), ptr(dy), ptr(g), ptr(x), a, b, c)
	}
	d.sum = func(x []float32) float32 { return avxSum(len(x), ptr(x)) }
	d.max = func(x []float32) float32 { return avxMax(len(x), ptr(x)) }
	d.dot3 = func(x, y, z []float32) float32 { return avxDot3(len(x), ptr(x), ptr(y), ptr(z)) }
	d.expSum = func(dst, x []float32, shift float32) float32 { return avxExpSum(len(x), ptr(dst), ptr(x), shift) }
	d.sumSquares = func(x []float32) float64 { return avxSumSquares(len(x), ptr(x)) }
	d.scanForward, d.scanBackward = scanForwardAVX2, scanBackwardAVX2
	d.adamW = adamWAVX2
	d.peak, d.peakOps = avxPeak, 384
	return d
}

// ptr is the address of the first value; of an empty slice it may be nil.
func ptr(s []float32) *float32 {
	if len(s) == 0 {
		return nil
	}
	return &s[0]
}

func microAVX2(rows, kc int, a []float32, ars, acs int, b []float32, bs int, c []float32, ldc int, acc bool) {
	add := 0
	if acc {
		add = 1
	}
	switch rows {
	case 6:
		avxMicro6(kc, &a[0], 4*ars, 4*acs, &b[0], 4*bs, &c[0], 4*ldc, add)
	case 5:
		avxMicro5(kc, &a[0], 4*ars, 4*acs, &b[0], 4*bs, &c[0], 4*ldc, add)
	case 4:
		avxMicro4(kc, &a[0], 4*ars, 4*acs, &b[0], 4*bs, &c[0], 4*ldc, add)
	case 3:
		avxMicro3(kc, &a[0], 4*ars, 4*acs, &b[0], 4*bs, &c[0], 4*ldc, add)
	case 2:
		avxMicro2(kc, &a[0], 4*ars, 4*acs, &b[0], 4*bs, &c[0], 4*ldc, add)
	default:
		avxMicro1(kc, &a[0], 4*ars, 4*acs, &b[0], 4*bs, &c[0], 4*ldc, add)
	}
}

func packTAVX2(kc int, src []float32, ld int, dst []float32) {
	whole := kc &^ 7
	if whole > 0 {
		avxPackT(whole, &src[0], 4*ld, &dst[0])
	}
	for p := whole; p < kc; p++ {
		for i := range gemmNR {
			dst[p*gemmNR+i] = src[i*ld+p]
		}
	}
}

func packAVX2(kc, width int, src []float32, ld int, dst []float32) {
	switch {
	case kc == 0:
	case width == gemmNR:
		avxPack16(kc, &src[0], 4*ld, &dst[0])
	case width == gemmMR:
		avxPack6(kc, &src[0], 4*ld, &dst[0])
	default:
		packGeneric(kc, width, src, ld, dst)
	}
}

func gemvNAVX2(y, x, b []float32, ldb int) {
	n := len(y) &^ 7
	p := 0
	for ; n > 0 && p+8 <= len(x); p += 8 {
		avxGemv8(n, &y[0], &x[p], &b[p*ldb], 4*ldb)
		for q := p; q < p+8 && n < len(y); q++ {
			avxAxpy(len(y)-n, &y[n], &b[q*ldb+n], x[q])
		}
	}
	for ; p < len(x); p++ {
		avxAxpy(len(y), ptr(y), &b[p*ldb], x[p])
	}
}

func dotAVX2(x, y []float32) float32 { return avxDot(len(x), ptr(x), ptr(y)) }

func scanForwardAVX2(n, steps int, s scanBlock) {
	run := avxScanForward16
	switch n {
	case 8:
		run = avxScanForward8
	case 16:
	case 32:
		run = avxScanForward32
	default:
		scanForwardGeneric(n, steps, s)
		return
	}
	if steps > 0 {
		run(steps, &s.delta[0], &s.u[0], &s.y[0], 4*s.ld, &s.b[0], &s.c[0], 4*s.bs, &s.a2[0], &s.h[0], &s.skip[0])
	}
}

func scanBackwardAVX2(n, steps int, s scanBlock) {
	run := avxScanBackward16
	switch n {
	case 8:
		run = avxScanBackward8
	case 16:
	case 32:
		run = avxScanBackward32
	default:
		scanBackwardGeneric(n, steps, s)
		return
	}
	if steps > 0 {
		decay := s.hist[(steps+1)*n*scanLanes:]
		run(steps, &s.delta[0], &s.u[0], &s.dy[0], &s.dDelta[0], &s.dU[0], 4*s.ld, &s.b[0], &s.c[0], 4*s.bs,
			&s.a2[0], &s.carry[0], &s.dA[0], &s.skip[0], &s.dSkip[0], &s.h[0], &s.hist[0], &decay[0], &s.dBC[0])
	}
}

func adamWAVX2(p, m, v, g []float32, c adamWConsts) {
	k := [9]float32{c.gradScale, c.decay, c.beta1, c.oneBeta1, c.beta2, c.oneBeta2, c.stepSize, c.rootCorrection, c.eps}
	n := len(g) &^ 7
	if n > 0 {
		avxAdamW(n, &p[0], &m[0], &v[0], &g[0], &k[0])
	}
	if n == len(g) {
		return
	}
	// The last values go through a full vector, for the same rounding.
	var tail [4][8]float32
	parts := [4][]float32{p[n:], m[n:], v[n:], g[n:]}
	for i, s := range parts {
		copy(tail[i][:], s[:len(g)-n])
	}
	avxAdamW(8, &tail[0][0], &tail[1][0], &tail[2][0], &tail[3][0], &k[0])
	for i, s := range parts[:3] {
		copy(s, tail[i][:len(g)-n])
	}
}
