package main

import (
	"slices"
	"testing"

	"github.com/moezoo/moezoo/plugins"
	"github.com/moezoo/moezoo/plugins/plugintest"
)

// TestVerify checks what every expert must hold to: gradients, the export and more.
func TestVerify(t *testing.T) { plugintest.Verify(t, provider) }

// TestTheGateCloses where its product is negative.
func TestTheGateCloses(t *testing.T) {
	out := plugintest.Case{
		Variant: "scaffolded", Options: `{"bias": true}`,
		Dims: plugins.Dims{DModel: 1, Width: 2},
		Inputs: map[string][][]float32{
			"x":    {{2}, {-1}},
			"gate": {{1, -1}}, "gate_bias": {{0, 1}},
			"up": {{3, 5}}, "up_bias": {{0, 0}},
			"down": {{1}, {10}}, "down_bias": {{0.5}},
		},
	}.Run(t, provider)
	// 2: relu(2)·6·1 + relu(−1)·10·10 + 0.5; −1: relu(−1)·… + relu(2)·(−5)·10 + 0.5
	if got, want := out["y"].F32(), []float32{12.5, -99.5}; !slices.Equal(got, want) {
		t.Errorf("y is %v, want %v", got, want)
	}
}
