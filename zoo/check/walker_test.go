package check

import (
	"context"
	"strings"
	"testing"

	"github.com/moezoo/moezoo/backend/cpu"
	_ "github.com/moezoo/moezoo/plugins/builtin"
	"github.com/moezoo/moezoo/plugins/plugintest"
	"github.com/moezoo/moezoo/zoo"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// TestWrongGradientsAreFound: one that is a half too long, one of another sign, and one of
// whose elements every other is 0, which only the random directions meet.
func TestWrongGradientsAreFound(t *testing.T) {
	h := plugintest.Host(t)
	r, err := recipe.Load("moe-mamba-debug")
	if err != nil {
		t.Fatal(err)
	}
	m, err := zoo.Build(context.Background(), r, h)
	if err != nil {
		t.Fatal(err)
	}
	d := cpu.New(1)
	defer d.Close()
	begun, err := m.Begun(d, Awake)
	if err != nil {
		t.Fatal(err)
	}
	for wrong, change := range map[string]func(i int, x float32) float32{
		"right":         func(_ int, x float32) float32 { return x },
		"too long":      func(_ int, x float32) float32 { return 1.5 * x },
		"of other sign": func(_ int, x float32) float32 { return -x },
		"partly 0":      func(i int, x float32) float32 { return x * float32(i%2) },
	} {
		w, err := newWalker(context.Background(), begun, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.batch(begun, 0); err != nil {
			t.Fatal(err)
		}
		missed := 0
		for _, name := range w.names {
			for i, x := range w.gradients[name] {
				w.gradients[name][i] = change(i, x)
			}
			s, err := w.worst(name, []string{name})
			if err != nil {
				t.Fatal(err)
			}
			if s.within() != (wrong == "right") {
				missed++
			}
		}
		if wrong == "partly 0" && missed <= len(w.names)/5 {
			missed = 0 // two draws may both be blind to what is missing
		}
		if missed > 0 {
			t.Errorf("a gradient that is %s: %d of %d parameters are judged wrongly", wrong, missed, len(w.names))
		}
		w.engine.Close()
	}
}

// TestOtherBitsAreFound compares trainings that differ in one bit.
func TestOtherBitsAreFound(t *testing.T) {
	first := &course{losses: []float64{5, 4}, names: []string{"a"}, weights: map[string][]byte{"a": {1, 2}}}
	for _, c := range []struct {
		other *course
		want  string
	}{
		{&course{losses: []float64{5, 4}, weights: map[string][]byte{"a": {1, 2}}}, ""},
		{&course{losses: []float64{5, 4.0000001}, weights: map[string][]byte{"a": {1, 2}}}, "on 2 threads, the loss of step 2 is"},
		{&course{losses: []float64{5, 4}, weights: map[string][]byte{"a": {1, 3}}}, "on 2 threads, a differs after"},
	} {
		v := c.other.against(first, trial{threads: 2}, Verdict{Status: OK})
		if (v.Status == OK) != (c.want == "") || !strings.Contains(v.Detail, c.want) {
			t.Errorf("%+v, want %q", v, c.want)
		}
	}
}
