package zoo_test

import (
	"math"
	"testing"
)

// Parameters as the peers' own classes count them at the published settings, with
// testdata/golden/make/count_parameters.py (transformers 5.24). The figures behind are what
// the models are published with: their names, papers or cards.
var published = map[string]int64{
	"mixtral-8x7b":      46_702_792_704, // 46.7B
	"jamba-v0.1":        51_570_323_328, // 52B
	"falcon-mamba-7b":   7_272_665_088,  // 7.27B
	"zamba2-1.2b":       1_215_064_704,  // 1.2B
	"zamba2-2.7b":       2_662_214_560,  // 2.7B
	"zamba2-7b":         7_356_749_648,  // 7.4B
	"bamba-9b":          9_780_235_392,  // 9.78B
	"granite-4-h-small": 32_207_337_984, // 32B
	"granite-4-h-tiny":  6_939_037_248,  // 7B
	"nemotron-h-8b":     8_100_852_736,  // 8.1B
	"nemotron-3-nano":   31_577_937_344, // 31.6B
	"qwen3-next-80b":    79_674_391_296, // 80B; the card's 81B has the head that predicts a further token
	"recurrentgemma-2b": 2_682_862_080,  // 2.7B
}

func TestProperty28ParametersAreThePublishedOnes(t *testing.T) {
	for name, want := range published {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			counts, err := build(t, name).Net.Count(256)
			if err != nil {
				t.Fatal(err)
			}
			if counts.Total != want {
				t.Errorf("%d parameters, want %d, which is %d more", counts.Total, want, want-counts.Total)
			}
		})
	}
}

// Those without a class in transformers have only rounded figures, of their names: total and
// active per token, in millions.
func TestProperty28RoundedSizes(t *testing.T) {
	for name, want := range map[string][2]float64{
		"blackmamba-1.5b": {1500, 340},
		"blackmamba-2.8b": {2800, 630},
		"samba-421m":      {421, 421},
		"samba-1.3b":      {1300, 1300},
	} {
		counts, err := build(t, name).Net.Count(256)
		if err != nil {
			t.Fatal(err)
		}
		for i, n := range []int64{counts.Total, counts.Active} {
			if got := float64(n) / 1e6; math.Abs(got-want[i]) > 0.04*want[i] {
				t.Errorf("%s: %.0f million parameters (all, active)[%d], published are %.0f", name, got, i, want[i])
			}
		}
	}
}

// The plain stacks were published as classifiers that also read backwards: what compares is
// their layers without the second C of that direction, counted as the authors' classes have
// them (state-spaces/s4 models/s4/s4d.py; lindermanlab/S5 s5/ssm.py and s5/layers.py, with the
// widths of its bin/run_experiments), and the scale and shift of a norm.
func TestProperty28PlainStacksHaveTheLayersOfTheirPapers(t *testing.T) {
	s4d := func(h, n int64) int64 {
		poles, out := 2*h*(n/2), h*(n/2)*2 // log_A_real and A_imag; C
		return poles + out + h + h + 2*h*h + 2*h + 2*h
	}
	s5 := func(h, p int64) int64 {
		kept := p / 2 // of each conjugate pair one
		return 2*kept + kept + kept*h*2 + h*kept*2 + h + h*h + h + 2*h
	}
	for name, want := range map[string]int64{
		"s4d-lra-text":    6 * s4d(256, 64),
		"s4d-lra-listops": 8 * s4d(128, 64),
		"s5-lra-text":     6 * s5(256, 192),
		"s5-lra-listops":  8 * s5(128, 16),
	} {
		counts, err := build(t, name).Net.Count(256)
		if err != nil {
			t.Fatal(err)
		}
		if counts.PaperTotal != want {
			t.Errorf("%s: %d parameters in layers, want %d", name, counts.PaperTotal, want)
		}
	}
}
