package main

import (
	"math"
	"slices"
	"testing"

	"github.com/moezoo/moezoo/plugins"
	"github.com/moezoo/moezoo/plugins/plugintest"
)

// TestVerify checks what every router must hold to: causality, gradients, the export and more.
func TestVerify(t *testing.T) { plugintest.Verify(t, provider) }

// TestTheLargestLogitWins, and the temperature sharpens its weight.
func TestTheLargestLogitWins(t *testing.T) {
	out := plugintest.Case{
		Variant: "scaffolded", Options: `{"temperature": 0.5}`,
		Dims: plugins.Dims{DModel: 2, Experts: 3, TopK: 1},
		Inputs: map[string][][]float32{
			"x":      {{1, 0}, {0, 1}}, // two tokens, each one row of the router's weight
			"router": {{1, 0, 0}, {0, 0, 2}},
		},
	}.Run(t, provider)
	if got, want := out["expert"].I64(), []int64{0, 2}; !slices.Equal(got, want) {
		t.Errorf("experts %v, want %v", got, want)
	}
	for i, logit := range []float64{1, 2} {
		want := math.Exp(logit/0.5) / (math.Exp(logit/0.5) + 2)
		if got := float64(out["weight"].F32()[i]); math.Abs(got-want) > 1e-6 {
			t.Errorf("weight %d is %v, want %v", i, got, want)
		}
	}
}
