package export

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/moezoo/moezoo/export/ort"
)

// Tolerance is the largest difference of two logits that verification accepts, relative to
// the larger where that is above 1. Both sides compute in float32, in another order;
// over the depth of a model this costs up to three digits of seven.
const Tolerance = 1e-4

// Reference computes logits [B, L, V] of token ids [B, L] with the project's own kernels,
// from the beginning of the sequence.
type Reference func(ctx context.Context, ids []int64, batch, length int) ([]float32, error)

// Check is the outcome of one comparison.
type Check struct {
	Name     string  `json:"name"`
	Batch    int     `json:"batch"`
	Length   int     `json:"length"`
	MaxAbs   float64 `json:"max_abs"`
	MaxRel   float64 `json:"max_rel"` // where |logit| > 1
	Argmax   float64 `json:"argmax"`  // share of positions whose most likely token agrees
	Passed   bool    `json:"passed"`
	Tolerant float64 `json:"tolerance"`
}

// Report is the outcome of verification.
type Report struct {
	File    string  `json:"file"`
	Runtime string  `json:"runtime"`
	Checks  []Check `json:"checks"`
	Passed  bool    `json:"passed"`
	Missing string  `json:"missing,omitempty"` // why ONNX Runtime was not asked
	// Rounded is how far the logits of rounded weights are from those of float32 weights, nil
	// when weights are float32. It is no check: what is checked is that the file computes what
	// the rounded weights give.
	Rounded *Check `json:"beside_fp32,omitempty"`
}

// Add takes over checks that were made.
func (r *Report) Add(checks []Check, err error) error {
	r.Checks = append(r.Checks, checks...)
	for _, c := range checks {
		r.Passed = r.Passed && c.Passed
	}
	if err != nil {
		r.Passed = false
	}
	return err
}

// MaxAbs is the largest absolute difference of all checks.
func (r *Report) MaxAbs() float64 {
	most := 0.0
	for _, c := range r.Checks {
		most = max(most, c.MaxAbs)
	}
	return most
}

// Argmax is the smallest share of positions whose most likely token agrees.
func (r *Report) Argmax() float64 {
	least := 1.0
	for _, c := range r.Checks {
		least = min(least, c.Argmax)
	}
	return least
}

// Verifier compares one file, run by some runtime, with a reference.
type Verifier struct {
	Runner     Runner
	Reference  Reference
	Vocabulary int
	Seed       uint64
	Whole      bool // compare whole sequences only: the model looks at later tokens
	Longest    int  // tokens that the model has positions for; 0 for any number
}

// atMost is n, or as many tokens as the model has positions for.
func (v *Verifier) atMost(n int) int {
	if v.Longest > 0 {
		return min(n, v.Longest)
	}
	return n
}

// onlyWhole says that sequences are not to be taken apart: the model looks at later tokens,
// or has positions for so few that there are no parts.
func (v *Verifier) onlyWhole() bool { return v.Whole || v.atMost(12) < 12 }

// Run makes every check: prefill at many shapes, token by token, split at a random place,
// all tokens equal (where routers do not choose among tokens), which sends them to few
// experts, and left padding.
func (v *Verifier) Run(ctx context.Context, progress func(done, total int)) ([]Check, error) {
	rng := rand.New(rand.NewPCG(v.Seed, 77))
	var jobs []job
	for _, s := range [][2]int{{1, 1}, {1, 7}, {1, 64}, {1, 65}, {3, 130}} {
		batch, length := s[0], v.atMost(s[1])
		jobs = append(jobs, func() (Check, error) {
			return v.prefill(ctx, "prefill", batch, length, random(rng, batch*length, v.Vocabulary))
		})
	}
	if !v.Whole { // of equal tokens, an expert that takes some takes any: the sums' last bits decide
		for _, token := range []int64{0, int64(v.Vocabulary) - 1} {
			length := v.atMost(40)
			jobs = append(jobs, func() (Check, error) {
				return v.prefill(ctx, "equal tokens", 1, length, repeated(token, length))
			})
		}
	}
	if v.onlyWhole() {
		return v.judge(jobs, progress)
	}
	jobs = append(jobs,
		func() (Check, error) { return v.pieces(ctx, "token by token", 2, ones(v.atMost(20)), rng) },
		func() (Check, error) {
			length := v.atMost(50)
			at := 1 + rng.IntN(length-1)
			return v.pieces(ctx, fmt.Sprintf("split at %d", at), 2, []int{at, length - at}, rng)
		},
		func() (Check, error) { return v.padded(ctx, rng) },
	)
	return v.judge(jobs, progress)
}

// Quick makes the checks that are most likely to find a fault: a whole sequence, pieces
// of it, and padding.
func (v *Verifier) Quick(ctx context.Context, name string) ([]Check, error) {
	rng := rand.New(rand.NewPCG(v.Seed, 78))
	whole := func() (Check, error) {
		length := v.atMost(33)
		return v.prefill(ctx, name, 2, length, random(rng, 2*length, v.Vocabulary))
	}
	if v.onlyWhole() {
		return v.judge([]job{whole}, nil)
	}
	return v.judge([]job{
		whole,
		func() (Check, error) {
			return v.pieces(ctx, name+", in pieces", 2, []int{5, 1, 1, 5}, rng)
		},
		func() (Check, error) {
			c, err := v.padded(ctx, rng)
			c.Name = name + ", left padding"
			return c, err
		},
	}, nil)
}

type job func() (Check, error)

// judge makes checks in order.
func (v *Verifier) judge(jobs []job, progress func(done, total int)) ([]Check, error) {
	var out []Check
	for i, j := range jobs {
		c, err := j()
		if err != nil {
			return out, err
		}
		c.Tolerant = Tolerance
		c.Passed = c.MaxRel <= Tolerance && !math.IsNaN(c.MaxAbs)
		out = append(out, c)
		if progress != nil {
			progress(i+1, len(jobs))
		}
	}
	return out, nil
}

func random(rng *rand.Rand, n, vocabulary int) []int64 {
	ids := make([]int64, n)
	for i := range ids {
		ids[i] = rng.Int64N(int64(vocabulary))
	}
	return ids
}

func repeated(token int64, n int) []int64 {
	ids := make([]int64, n)
	for i := range ids {
		ids[i] = token
	}
	return ids
}

func ones(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = 1
	}
	return out
}

// prefill compares one call on whole sequences.
func (v *Verifier) prefill(ctx context.Context, name string, batch, length int, ids []int64) (Check, error) {
	c := Check{Name: name, Batch: batch, Length: length}
	want, err := v.Reference(ctx, ids, batch, length)
	if err != nil {
		return c, err
	}
	got, err := v.call(ids, batch, length, nil, repeated(1, batch*length))
	if err != nil {
		return c, err
	}
	logits, err := v.logits(got)
	if err != nil {
		return c, err
	}
	c.compare(logits, want, v.Vocabulary)
	return c, nil
}

// pieces feeds sequences in several calls with carried states.
func (v *Verifier) pieces(ctx context.Context, name string, batch int, lengths []int, rng *rand.Rand) (Check, error) {
	length := 0
	for _, n := range lengths {
		length += n
	}
	c := Check{Name: name, Batch: batch, Length: length}
	ids := random(rng, batch*length, v.Vocabulary)
	want, err := v.Reference(ctx, ids, batch, length)
	if err != nil {
		return c, err
	}
	all := make([]float32, len(want))
	var states map[string]ort.Tensor
	at := 0
	for _, n := range lengths {
		part := make([]int64, 0, batch*n)
		for row := range batch {
			part = append(part, ids[row*length+at:row*length+at+n]...)
		}
		if states, err = v.call(part, batch, n, states, repeated(1, batch*(at+n))); err != nil {
			return c, err
		}
		logits, err := v.logits(states)
		if err != nil {
			return c, err
		}
		for row := range batch {
			copy(all[(row*length+at)*v.Vocabulary:], logits[row*n*v.Vocabulary:(row+1)*n*v.Vocabulary])
		}
		at += n
	}
	c.compare(all, want, v.Vocabulary)
	return c, nil
}

// padded compares a short sequence behind padding with the same one alone.
func (v *Verifier) padded(ctx context.Context, rng *rand.Rand) (Check, error) {
	const length, padding = 12, 5
	c := Check{Name: "left padding", Batch: 2, Length: length}
	ids := random(rng, 2*length, v.Vocabulary)
	mask := repeated(1, 2*length)
	for i := range padding { // the second row begins later
		mask[length+i], ids[length+i] = 0, 0
	}
	first, err := v.Reference(ctx, ids[:length], 1, length)
	if err != nil {
		return c, err
	}
	second, err := v.Reference(ctx, ids[length+padding:], 1, length-padding)
	if err != nil {
		return c, err
	}
	got, err := v.call(ids, 2, length, nil, mask)
	if err != nil {
		return c, err
	}
	logits, err := v.logits(got)
	if err != nil {
		return c, err
	}
	kept := append(append([]float32(nil), logits[:length*v.Vocabulary]...), logits[(length+padding)*v.Vocabulary:]...)
	c.compare(kept, append(first, second...), v.Vocabulary)
	return c, nil
}

// call runs the file once. States are the outputs of the call before, nil at the start.
func (v *Verifier) call(ids []int64, batch, length int, before map[string]ort.Tensor, mask []int64) (map[string]ort.Tensor, error) {
	in := map[string]ort.Tensor{"input_ids": {Shape: []int64{int64(batch), int64(length)}, I64: ids}}
	pairs, err := ort.StatePairs(v.Runner.Inputs(), v.Runner.Outputs())
	if err != nil {
		return nil, err
	}
	next := map[string]string{}
	for _, p := range pairs {
		next[p.Past.Name] = p.Present.Name
	}
	for _, info := range v.Runner.Inputs() {
		switch {
		case info.Name == "input_ids":
		case info.Name == "attention_mask":
			in[info.Name] = ort.Tensor{Shape: []int64{int64(batch), int64(len(mask) / batch)}, I64: mask}
		case next[info.Name] != "" && before != nil:
			in[info.Name] = before[next[info.Name]]
		case next[info.Name] != "":
			in[info.Name] = empty(info, batch)
		default:
			return nil, fmt.Errorf("%s: input %q is not known", v.Runner.Name(), info.Name)
		}
	}
	return v.Runner.Run(in)
}

// empty is a state at the start: zeros, or no rows at all where the length is a symbol.
func empty(info ort.IOInfo, batch int) ort.Tensor {
	t := ort.Tensor{Shape: append([]int64(nil), info.Dims...)}
	n := int64(1)
	for i, d := range t.Shape {
		if d < 0 {
			t.Shape[i] = 0
			if i == 0 {
				t.Shape[i] = int64(batch)
			}
		}
		n *= t.Shape[i]
	}
	t.F32 = make([]float32, n)
	return t
}

func (v *Verifier) logits(out map[string]ort.Tensor) ([]float32, error) {
	l, ok := out["logits"]
	if !ok || l.F32 == nil {
		return nil, errors.New("the file has no float output \"logits\"")
	}
	return l.F32, nil
}

// Distance compares two lists of logits of the same tokens.
func Distance(name string, batch, length int, got, want []float32, vocabulary int) Check {
	c := Check{Name: name, Batch: batch, Length: length}
	c.compare(got, want, vocabulary)
	return c
}

// compare fills in the differences of two lists of logits.
func (c *Check) compare(got, want []float32, vocabulary int) {
	if len(got) != len(want) {
		c.MaxAbs = math.NaN()
		return
	}
	agree, positions := 0, len(want)/vocabulary
	for p := range positions {
		best, other := 0, 0
		for i := range vocabulary {
			g, w := float64(got[p*vocabulary+i]), float64(want[p*vocabulary+i])
			d := math.Abs(g - w)
			if math.IsNaN(d) || d > c.MaxAbs {
				c.MaxAbs = d
			}
			if math.IsNaN(d) {
				return
			}
			if m := math.Max(math.Abs(g), math.Abs(w)); m > 1 {
				c.MaxRel = max(c.MaxRel, d/m)
			} else {
				c.MaxRel = max(c.MaxRel, d)
			}
			if got[p*vocabulary+i] > got[p*vocabulary+best] {
				best = i
			}
			if want[p*vocabulary+i] > want[p*vocabulary+other] {
				other = i
			}
		}
		if best == other {
			agree++
		}
	}
	c.Argmax = float64(agree) / float64(max(positions, 1))
}
