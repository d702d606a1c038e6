package check

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/zoo"
)

// Status is how a check ended.
type Status string

// Statuses. Skipped is a check that has no meaning for the model.
const (
	OK      Status = "ok"
	Failed  Status = "failed"
	Skipped Status = "skipped"
)

// Verdict is what a check found. Where it failed, the fields behind Detail say so for scripts.
type Verdict struct {
	Check  string `json:"check"`
	Status Status `json:"status"`
	Detail string `json:"detail"` // what was compared, or where it fails, in words

	Layer      string `json:"layer,omitempty"`     // "layers.1 (moe)"
	Parameter  string `json:"parameter,omitempty"` // "layers.1/moe/router/router"
	Position   *int   `json:"position,omitempty"`  // of a token, the first is 0
	Difference Number `json:"difference"`          // the largest found
	Tolerance  Number `json:"tolerance"`           // what is allowed; 0 compares bits

	// AheadInTraining names what looks ahead in training alone, as it says of itself, where the
	// check of causality is ok.
	AheadInTraining string `json:"ahead_in_training,omitempty"`
}

// Number is a float64 that JSON writes as null where it is not finite.
type Number float64

// MarshalJSON writes the number.
func (n Number) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(n)) || math.IsInf(float64(n), 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

// Check is one of the checks.
type Check struct {
	Name string
	Doc  string
	Run  func(ctx context.Context, t *zoo.Trained, o Options) (Verdict, error)
}

// Options bound what checks may take.
type Options struct {
	Memory int // bytes that training may take, 0 for no limit
}

// All are the checks, in the order they are made.
var All = []Check{
	{"causal", "later tokens never change what stands before them, by not one bit", Causal},
	{"gradient", "the loss changes along every gradient as the gradient says", Gradient},
	{"step", "a sequence fed in pieces gives the logits of the whole", Step},
	{"determinism", "training gives the same bits on 1, 2 and 4 threads, and resumed", Determinism},
}

// failure is a verdict of failure; the words tell where.
func (v Verdict) failure(format string, args ...any) Verdict {
	v.Status, v.Detail = Failed, fmt.Sprintf(format, args...)
	return v
}

// at names the position where a check fails.
func (v Verdict) at(position int) Verdict {
	v.Position = &position
	return v
}

// tokens draws n ids of a model's vocabulary.
func tokens(t *zoo.Trained, seed uint64, n int) []int64 {
	rng := rand.New(rand.NewPCG(seed, 0x636865636b))
	ids := make([]int64, n)
	for i := range ids {
		ids[i] = rng.Int64N(t.Net.Vocabulary)
	}
	return ids
}

// longest is n, or fewer where there are positions for fewer tokens only.
func longest(t *zoo.Trained, n int) int {
	if most := int(t.Net.MaxLearned); most > 0 {
		return min(n, most)
	}
	return n
}

// blame finds the first layer behind which a check fails: it asks about models of ever more
// of the layers. Where only the whole fails, the head is to blame.
func blame(t *zoo.Trained, fails func(*zoo.Trained) (bool, error)) (string, error) {
	for n := range len(t.Net.Layers) + 1 {
		failed, err := fails(t.UpTo(n))
		switch {
		case err != nil:
			return "", err
		case failed && n == 0:
			return "embedding or head", nil
		case failed:
			return layerName(t, n-1), nil
		}
	}
	return "the whole model", nil
}

// layerName is a layer's number, its blocks, and the routers that they ask.
func layerName(t *zoo.Trained, i int) string {
	l := t.Net.Layers[i]
	if l.Aside != nil {
		return fmt.Sprintf("layers.%d (%s)", i, l.Aside.Name)
	}
	words := ""
	for j, b := range l.Branches {
		if j > 0 {
			words += " + "
		}
		words += b.Name
		if r, ok := b.Block.(blocks.Routed); ok {
			for _, f := range r.Routers() {
				words += ", router " + f.Provider + "/" + f.Variant
				break // sites of a mixture have the same
			}
		}
	}
	return fmt.Sprintf("layers.%d (%s)", i, words)
}

// apart is the largest difference of two rows of numbers, NaN where one has none.
func apart(a, b []float32) float64 {
	worst := 0.0
	for i := range a {
		d := math.Abs(float64(a[i]) - float64(b[i]))
		if math.IsNaN(d) {
			return d
		}
		worst = max(worst, d)
	}
	return worst
}

// largest is the largest of the sizes of numbers.
func largest(a []float32) float64 {
	most := 0.0
	for _, x := range a {
		most = max(most, math.Abs(float64(x)))
	}
	return most
}

// sameBits compares to the bit.
func sameBits(a, b []float32) bool {
	for i := range a {
		if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
			return false
		}
	}
	return true
}
