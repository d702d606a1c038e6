package kernel

// newGeneric is the portable level.
func newGeneric() *dispatch {
	return &dispatch{
		name: "generic",

		gemm:  gemmShape{mr: 6, nr: genericNR, mc: 96, nc: 256},
		micro: microGeneric, packT: packTGeneric, pack: packGeneric, packPanels: packPanelsGeneric, addRows: addRowsGeneric, reluRows: reluRowsGeneric, reluGradRows: reluGradRowsGeneric, gemvN: gemvNGeneric, dot: dotGeneric, touch: touchGeneric,
		narrow: narrowGeneric, widen: widenGeneric,

		gemvBF16: gemvBF16Generic, gemvInt8: gemvInt8Generic, dotBF16: dotBF16Generic, dotInt8: dotInt8Generic,
		widenInt8: widenInt8Generic,

		exp: expGeneric, sigmoid: sigmoidGeneric, silu: siluGeneric, softplus: softplusGeneric,
		tanh: tanhGeneric, gelu: geluGeneric, relu: reluGeneric, log: logGeneric, log1p: log1pGeneric,
		siluGrad: siluGradGeneric, softplusGrad: softplusGradGeneric, geluGrad: geluGradGeneric, reluGrad: reluGradGeneric,
		add: addGeneric, mul: mulGeneric, mulAdd: mulAddGeneric, axpy: axpyGeneric, scale: scaleGeneric,

		sum: sumGeneric, sumSquares: sumSquaresGeneric, max: maxGeneric, dot3: dot3Generic, expSum: expSumGeneric,
		scaled: scaledGeneric, combine: combineGeneric, shift: shiftGeneric, accumulate: accumulateGeneric,

		scanLanes: 8, scanForward: scanForwardGeneric, scanBackward: scanBackwardGeneric, scanStep: scanStepGeneric, laneSums: laneSumsGeneric,
		ssdStep: ssdStepGeneric, deltaStep: deltaStepGeneric, diagonalStep: diagonalStepGeneric,
		diagonalForward: diagonalForwardGeneric, diagonalBackward: diagonalBackwardGeneric,
		rglruStep: rglruStepGeneric, rglruInputGrad: rglruInputGradGeneric, rglruDecayGrad: rglruDecayGradGeneric,
		convStep: convStepGeneric, convRows: convRowsGeneric, convWeights: convWeightsGeneric,

		adamW: adamWGeneric,

		peak: peakGeneric, peakOps: 16,
	}
}
