//go:build amd64 && !noasm

package kernel

import "golang.org/x/sys/cpu"

//go:generate sh -c "cd gen && go run . -level avx2 -out ../avx2_amd64.s -stubs ../avx2_amd64.go -pkg kernel"
//go:generate sh -c "cd gen && go run . -level avx512 -out ../avx512_amd64.s -stubs ../avx512_amd64.go -pkg kernel"

// levels lists the levels this machine can run, slowest first. The features asked for
// include that the operating system keeps the registers.
func levels() []*dispatch {
	ls := []*dispatch{newGeneric()}
	x := &cpu.X86
	if x.HasAVX2 && x.HasFMA {
		ls = append(ls, newAVX2())
		if x.HasAVX512F && x.HasAVX512DQ && x.HasAVX512BW && x.HasAVX512VL && x.HasBMI2 {
			wide := newAVX512()
			if x.HasAVX512BF16 {
				wide.dots = newDots512()
			}
			if x.HasAVX512VNNI {
				wide.gemvDigits = gemvDigitsOf(wide.gemvInt8)
			}
			ls = append(ls, wide)
		}
	}
	return ls
}

// newAVX2 is the level for AVX2 with fused multiply-add.
func newAVX2() *dispatch {
	return &dispatch{
		name: "avx2",

		gemm: gemmShape{mr: 6, nr: 16, mc: 96, nc: 256},
		micro: microOf(8, []microFunc{avx2Micro1x1, avx2Micro2x1, avx2Micro3x1, avx2Micro4x1, avx2Micro5x1, avx2Micro6x1},
			[]microFunc{avx2Micro1x2, avx2Micro2x2, avx2Micro3x2, avx2Micro4x2, avx2Micro5x2, avx2Micro6x2}),
		packT: packTOf(16, avx2PackT), pack: packOf(16, avx2Pack16, 6, avx2Pack6),
		packPanels: packPanelsOf(16, avx2PackPanels16, avx2PackPanels6),
		addRows:    addRowsOf(avx2AddRows), reluRows: reluRowsOf(avx2ReLURows), reluGradRows: addRowsOf(avx2ReLUGradRows),
		gemvN: gemvOf(8, avx2Gemv, avx2Axpy), dot: dotOf(avx2Dot), touch: touchOf(avx2Touch),
		narrow: narrowOf(8, avx2Narrow), widen: widenOf(8, avx2Widen),

		gemvBF16: gemvBF16Of(8, avx2RowsBF16, avx2GemvBF16, avx2ColumnsBF16),
		gemvInt8: gemvNarrowOf(32, 8, avx2GemvInt8, restOf(8, 1, avx2ColumnsInt8, gemvInt8Generic)),
		dotBF16:  dotNarrowOf(8, avx2DotBF16, dotBF16Generic), dotInt8: dotNarrowOf(8, avx2DotInt8, dotInt8Generic),
		widenInt8: widenInt8Of(8, avx2WidenInt8),

		exp: unaryOf(avx2Exp), sigmoid: unaryOf(avx2Sigmoid), silu: unaryOf(avx2SiLU), softplus: unaryOf(avx2Softplus),
		tanh: unaryOf(avx2Tanh), gelu: unaryOf(avx2GELU), relu: unaryOf(avx2ReLU), log: unaryOf(avx2Log), log1p: unaryOf(avx2Log1p),
		siluGrad: binaryOf(avx2SiLUGrad), softplusGrad: binaryOf(avx2SoftplusGrad), geluGrad: binaryOf(avx2GELUGrad), reluGrad: binaryOf(avx2ReLUGrad),
		add: binaryOf(avx2Add), mul: binaryOf(avx2Mul), mulAdd: binaryOf(avx2MulAdd), axpy: axpyOf(avx2Axpy), scale: axpyOf(avx2Scale),

		sum: sumOf(avx2Sum), sumSquares: sumSquaresOf(avx2SumSquares), max: sumOf(avx2Max), dot3: dot3Of(avx2Dot3), expSum: expSumOf(avx2ExpSum),
		scaled: scaledOf(avx2Scaled), combine: combineOf(avx2Combine), shift: shiftOf(avx2Shift), accumulate: accumulateOf(avx2Accumulate),

		scanLanes:        8,
		scanForward:      scanForwardOf(avx2ScanForward8, avx2ScanForward16, avx2ScanForward32),
		scanBackward:     scanBackwardOf(avx2ScanBackward8, avx2ScanBackward16, avx2ScanBackward32),
		scanStep:         scanStepOf(avx2ScanStep),
		ssdStep:          ssdStepOf(8, avx2SSDStep),
		deltaStep:        deltaStepOf(8, avx2DeltaStep),
		diagonalStep:     diagonalStepOf(8, avx2DiagonalStep),
		diagonalForward:  diagonalForwardOf(8, avx2DiagonalForward1, avx2DiagonalForward2),
		diagonalBackward: diagonalBackwardOf(8, avx2DiagonalBackward1, avx2DiagonalBackward2),
		rglruStep:        binaryOf(avx2RGLRUStep), rglruInputGrad: binaryOf(avx2RGLRUInputGrad), rglruDecayGrad: quaternaryOf(avx2RGLRUDecayGrad),
		laneSums:    laneSumsOf(avx2LaneSums),
		convStep:    convStepOf(avx2ConvStep),
		convRows:    convRowsOf(avx2Conv4),
		convWeights: convWeightsOf(avx2Conv4Weights),

		adamW: adamWOf(avx2AdamW),

		peak: avx2Peak, peakOps: 48 * 8,
	}
}

// newAVX512 is the level for AVX-512 with its F, DQ, BW and VL parts.
func newAVX512() *dispatch {
	return &dispatch{
		name: "avx512",

		gemm: gemmShape{mr: 14, nr: 32, mc: 112, nc: 256, inPlace: true},
		micro: microOf(16, []microFunc{
			avx512Micro1x1, avx512Micro2x1, avx512Micro3x1, avx512Micro4x1, avx512Micro5x1, avx512Micro6x1, avx512Micro7x1,
			avx512Micro8x1, avx512Micro9x1, avx512Micro10x1, avx512Micro11x1, avx512Micro12x1, avx512Micro13x1, avx512Micro14x1,
		}, []microFunc{
			avx512Micro1x2, avx512Micro2x2, avx512Micro3x2, avx512Micro4x2, avx512Micro5x2, avx512Micro6x2, avx512Micro7x2,
			avx512Micro8x2, avx512Micro9x2, avx512Micro10x2, avx512Micro11x2, avx512Micro12x2, avx512Micro13x2, avx512Micro14x2,
		}),
		packT: packTOf(32, avx512PackT), pack: packNarrowOf(32, avx512Pack32, avx512PackNarrow),
		packPanels: packPanelsOf(32, avx512PackPanels32, avx512PackPanels14),
		addRows:    addRowsOf(avx512AddRows), reluRows: reluRowsOf(avx512ReLURows), reluGradRows: addRowsOf(avx512ReLUGradRows),
		gemvN: gemvOf(16, avx512Gemv, avx512Axpy), dot: dotOf(avx512Dot), touch: touchOf(avx2Touch),
		narrow: narrowOf(16, avx512Narrow), widen: widenOf(16, avx512Widen),

		gemvBF16: gemvBF16Of(16, avx512RowsBF16, avx512GemvBF16, avx512ColumnsBF16),
		gemvInt8: gemvNarrowOf(64, 16, avx512GemvInt8, restOf(16, 1, avx512ColumnsInt8, gemvInt8Generic)),
		dotBF16:  dotNarrowOf(16, avx512DotBF16, dotBF16Generic), dotInt8: dotNarrowOf(16, avx512DotInt8, dotInt8Generic),
		widenInt8: widenInt8Of(16, avx512WidenInt8),

		exp: unaryOf(avx512Exp), sigmoid: unaryOf(avx512Sigmoid), silu: unaryOf(avx512SiLU), softplus: unaryOf(avx512Softplus),
		tanh: unaryOf(avx512Tanh), gelu: unaryOf(avx512GELU), relu: unaryOf(avx512ReLU), log: unaryOf(avx512Log), log1p: unaryOf(avx512Log1p),
		siluGrad: binaryOf(avx512SiLUGrad), softplusGrad: binaryOf(avx512SoftplusGrad), geluGrad: binaryOf(avx512GELUGrad), reluGrad: binaryOf(avx512ReLUGrad),
		add: binaryOf(avx512Add), mul: binaryOf(avx512Mul), mulAdd: binaryOf(avx512MulAdd), axpy: axpyOf(avx512Axpy), scale: axpyOf(avx512Scale),

		sum: sumOf(avx512Sum), sumSquares: sumSquaresOf(avx512SumSquares), max: sumOf(avx512Max), dot3: dot3Of(avx512Dot3), expSum: expSumOf(avx512ExpSum),
		scaled: scaledOf(avx512Scaled), combine: combineOf(avx512Combine), shift: shiftOf(avx512Shift), accumulate: accumulateOf(avx512Accumulate),

		scanLanes:        16,
		scanForward:      scanForwardOf(avx512ScanForward8, avx512ScanForward16, avx512ScanForward32),
		scanBackward:     scanBackwardOf(avx512ScanBackward8, avx512ScanBackward16, avx512ScanBackward32),
		scanStep:         scanStepOf(avx512ScanStep),
		ssdStep:          ssdStepOf(16, avx512SSDStep),
		deltaStep:        deltaStepOf(16, avx512DeltaStep),
		diagonalStep:     diagonalStepOf(16, avx512DiagonalStep),
		diagonalForward:  diagonalForwardOf(16, avx512DiagonalForward1, avx512DiagonalForward2),
		diagonalBackward: diagonalBackwardOf(16, avx512DiagonalBackward1, avx512DiagonalBackward2),
		rglruStep:        binaryOf(avx512RGLRUStep), rglruInputGrad: binaryOf(avx512RGLRUInputGrad), rglruDecayGrad: quaternaryOf(avx512RGLRUDecayGrad),
		laneSums:    laneSumsOf(avx512LaneSums),
		convStep:    convStepOf(avx512ConvStep),
		convRows:    convRowsOf(avx512Conv4),
		convWeights: convWeightsOf(avx512Conv4Weights),

		adamW: adamWOf(avx512AdamW),

		peak: avx512Peak, peakOps: 48 * 16,
	}
}

// newDots512 are the products of processors with the BF16 part of AVX-512.
func newDots512() *dotKernels {
	return &dotKernels{
		micro: dotMicroOf(16, []dotFunc{
			avx512Dot1x1, avx512Dot2x1, avx512Dot3x1, avx512Dot4x1, avx512Dot5x1, avx512Dot6x1, avx512Dot7x1,
			avx512Dot8x1, avx512Dot9x1, avx512Dot10x1, avx512Dot11x1, avx512Dot12x1, avx512Dot13x1, avx512Dot14x1,
		}, []dotFunc{
			avx512Dot1x2, avx512Dot2x2, avx512Dot3x2, avx512Dot4x2, avx512Dot5x2, avx512Dot6x2, avx512Dot7x2,
			avx512Dot8x2, avx512Dot9x2, avx512Dot10x2, avx512Dot11x2, avx512Dot12x2, avx512Dot13x2, avx512Dot14x2,
		}),
		packPairs: packPairsOf(avx512PackPairs), packT: packTPairsOf(32, avx512PackT),
	}
}
