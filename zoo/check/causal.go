package check

import (
	"context"
	"fmt"
	"slices"

	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/zoo"
)

// causalLengths are those of the sequences that are tried. Short ones count: what leaks by
// whether any later token does something is often hidden where there are many.
var causalLengths = []int{2, 3, 5, 9, 40}

// causalTries is how often the later tokens are drawn anew behind each position: one change
// may happen to leave all choices as they are.
const causalTries = 3

// leak is an earlier position that changed.
type leak struct {
	length, position, from int // the tokens from that one on were drawn anew
	difference             float64
}

// Causal draws the tokens behind each of several positions anew. No logit before them may
// change by a bit, neither in inference nor in the form that the model trains in. Routers that
// say they look ahead while training, and capacities, which count tokens, may do so there.
func Causal(ctx context.Context, t *zoo.Trained, _ Options) (Verdict, error) {
	v := Verdict{Check: "causal", Status: OK}
	for _, training := range []bool{false, true} {
		if training && t.Weights.Kind.Narrow() {
			continue // rounded weights do not train
		}
		found, moved, err := findLeak(ctx, t, training)
		switch {
		case err != nil:
			return v, err
		case !moved:
			return v.failure("no logit depends on any token: other tokens change nothing at all"), nil
		case found == nil:
			continue
		}
		form := "inference"
		if training {
			form = "training"
			if why := aheadInTraining(t); why != "" {
				v.AheadInTraining = why
				v.Detail = fmt.Sprintf("in inference no logit changed by a bit when later tokens did; in training they do, by %s", why)
				return v, nil
			}
		}
		v.Layer, err = blame(t, func(t *zoo.Trained) (bool, error) {
			l, _, err := findLeak(ctx, t, training)
			return l != nil, err
		})
		if err != nil {
			return v, err
		}
		v.Difference = Number(found.difference)
		return v.at(found.position).failure("%s: in %s, position %d of %d changes by %.3g when the tokens from %d on do; it must not change by a bit",
			v.Layer, form, found.position, found.length, found.difference, found.from), nil
	}
	v.Detail = fmt.Sprintf("no logit changed by a bit when later tokens did, in inference and training, in sequences of up to %d tokens", longest(t, slices.Max(causalLengths)))
	return v, nil
}

// findLeak is the first position found that later tokens change, nil for none; moved tells
// whether they changed anything, be it their own logits.
func findLeak(ctx context.Context, t *zoo.Trained, training bool) (found *leak, moved bool, err error) {
	for _, n := range causalLengths {
		if n != longest(t, n) {
			continue
		}
		l, m, err := findLeakIn(ctx, t, n, training)
		moved = moved || m
		if err != nil || l != nil {
			return l, moved, err
		}
	}
	return nil, moved, nil
}

// findLeakIn is findLeak for sequences of n tokens.
func findLeakIn(ctx context.Context, t *zoo.Trained, n int, training bool) (found *leak, moved bool, err error) {
	w, err := t.Whole(1, n, training)
	if err != nil {
		return nil, false, err
	}
	defer w.Close()
	ids := tokens(t, uint64(n), n)
	logits, err := w.Logits(ctx, ids)
	if err != nil {
		return nil, false, err
	}
	before, width := slices.Clone(logits), len(logits)/n
	for from := 1; from < n; from += 1 + from/2 {
		for try := range causalTries {
			other := append(slices.Clone(ids[:from]), tokens(t, uint64(1000*n+10*from+try), n-from)...)
			after, err := w.Logits(ctx, other)
			if err != nil {
				return nil, moved, err
			}
			moved = moved || !sameBits(before, after)
			for i := range from {
				a, b := before[i*width:(i+1)*width], after[i*width:(i+1)*width]
				if !sameBits(a, b) {
					return &leak{length: n, position: i, from: from, difference: apart(a, b)}, true, nil
				}
			}
		}
	}
	return nil, moved, nil
}

// aheadInTraining names what may look at other tokens while training, by its own word.
func aheadInTraining(t *zoo.Trained) string {
	for i, l := range t.Net.Layers {
		for _, b := range l.Branches {
			if m, ok := b.Block.(blocks.MoE); ok && m.TopK > 1 && (m.CapacityFactor > 0 || m.Capacity > 0) {
				return "the capacity of " + layerName(t, i) + ": first choices of all tokens come before second ones"
			}
		}
	}
	for _, f := range t.Net.Routers() {
		if !f.Capabilities.Causal {
			return fmt.Sprintf("router %s/%s, which says so", f.Provider, f.Variant)
		}
	}
	return ""
}
