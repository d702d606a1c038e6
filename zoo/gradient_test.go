package zoo_test

import (
	"context"
	"testing"

	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/zoo"
	"github.com/moezoo/moezoo/zoo/check"
)

var initZero = graph.Init{Scheme: "zeros"}

// TestGradientsOfEveryArchitecture walks along the gradient of every parameter alone.
func TestGradientsOfEveryArchitecture(t *testing.T) {
	for _, name := range debugRecipes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gradientsHold(t, build(t, name), func(param string) string { return param })
		})
	}
}

// begun is a model at a start at which every parameter matters.
func begun(t testing.TB, m *zoo.Model) *zoo.Trained {
	t.Helper()
	d := cpu.New(1)
	t.Cleanup(func() { d.Close() })
	out, err := m.Begun(d, check.Awake)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// gradientsHold checks the gradients of groups of parameters.
func gradientsHold(t *testing.T, m *zoo.Model, group func(param string) string) {
	t.Helper()
	v, err := check.GradientOf(context.Background(), begun(t, m), check.Options{}, group)
	if err != nil || v.Status != check.OK {
		t.Errorf("%s %v", v.Detail, err)
	}
}

// passes makes a check of a model with weights.
func passes(t *testing.T, m *zoo.Trained, f func(context.Context, *zoo.Trained, check.Options) (check.Verdict, error)) {
	t.Helper()
	v, err := f(context.Background(), m, check.Options{})
	if err != nil || v.Status != check.OK {
		t.Errorf("%s: %s %v", v.Check, v.Detail, err)
	}
}
