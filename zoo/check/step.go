package check

import (
	"context"
	"fmt"
	"slices"

	"github.com/moezoo/moezoo/zoo"
)

// stepTolerance is how far a logit may be off, as a part of the largest: the whole sequence and
// its pieces add the same float32 numbers in another order.
const stepTolerance = 1e-4

// stepLength is how long the sequences are: longer than a chunk of 64 tokens.
const stepLength = 70

// stepPieces are how the sequences are fed: token by token, and split where chunks end and
// where they do not.
func stepPieces(n int) [][]int {
	tokenwise := slices.Repeat([]int{1}, n)
	if n < 10 {
		return [][]int{tokenwise, {n}}
	}
	return [][]int{tokenwise, {1, 1, 1, n - 3}, {n - 6, 6}, {3, 2, n - 5}, {n/2 + 1, n - n/2 - 1}}
}

// apartness is a position at which pieces and the whole differ.
type apartness struct {
	pieces                []int
	row, position         int
	difference, tolerance float64
}

// Step feeds two sequences in pieces and compares the logits behind each piece with those of
// the whole; other sequences where a choice of experts hangs on rounding.
func Step(ctx context.Context, t *zoo.Trained, _ Options) (Verdict, error) {
	v := Verdict{Check: "step", Status: OK}
	router, err := t.LooksAhead(ctx)
	if err != nil {
		return v, err
	}
	if router != "" {
		v.Status, v.Detail = Skipped, fmt.Sprintf("router %s looks at later tokens: the model has no form that goes step by step", router)
		return v, nil
	}
	worst, err := compareSteps(ctx, t)
	if err != nil {
		return v, err
	}
	v.Difference, v.Tolerance = Number(worst.difference), Number(worst.tolerance)
	if worst.within() {
		v.Detail = fmt.Sprintf("%d tokens in pieces are the whole: logits differ by up to %.2g, %.2g is allowed", longest(t, stepLength), worst.difference, worst.tolerance)
		return v, nil
	}
	v.Layer, err = blame(t, func(t *zoo.Trained) (bool, error) {
		w, err := compareSteps(ctx, t)
		return err == nil && !w.within(), err
	})
	if err != nil {
		return v, err
	}
	return v.at(worst.position).failure("%s: in pieces of %v tokens, the logits at position %d differ by %.3g from those of the whole sequence; %.2g is allowed",
		v.Layer, brief(worst.pieces), worst.position, worst.difference, worst.tolerance), nil
}

// within tells whether the difference is small enough; NaN is not.
func (a apartness) within() bool { return a.difference <= a.tolerance }

// stepDraws are how many pairs of sequences are tried where a choice of experts hangs on rounding.
const stepDraws = 3

// compareSteps is the first position that is off, or the largest difference when none is. Where
// what is off hangs on rounding, other tokens are drawn.
func compareSteps(ctx context.Context, t *zoo.Trained) (apartness, error) {
	const batch = 2
	n := longest(t, stepLength)
	for seed := uint64(5); ; seed++ {
		ids := tokens(t, seed, batch*n)
		want, err := t.Forward(ctx, ids, batch, n)
		if err != nil {
			return apartness{}, err
		}
		a, err := comparePieces(ctx, t, ids, want, n)
		if err != nil || a.within() || seed+1 == 5+stepDraws {
			return a, err
		}
		if hung, err := hangs(ctx, t, ids, want, batch, a); err != nil || !hung {
			return a, err
		}
	}
}

// comparePieces feeds the same sequences in all ways.
func comparePieces(ctx context.Context, t *zoo.Trained, ids []int64, want []float32, n int) (apartness, error) {
	worst := apartness{tolerance: stepTolerance * max(1, largest(want))}
	for _, pieces := range stepPieces(n) {
		a, err := feed(ctx, t, ids, want, pieces, worst)
		if err != nil || !a.within() {
			return a, err
		}
		worst = a
	}
	return worst, nil
}

// feed compares one way to cut the rows of ids in pieces.
func feed(ctx context.Context, t *zoo.Trained, ids []int64, want []float32, pieces []int, worst apartness) (apartness, error) {
	const batch = 2
	d, err := t.Decoder(batch)
	if err != nil {
		return worst, err
	}
	defer d.Close()
	n, v, at := len(ids)/batch, int(t.Net.Vocabulary), 0
	for _, piece := range pieces {
		var next []int64
		for row := range batch {
			next = append(next, ids[row*n+at:row*n+at+piece]...)
		}
		logits, err := d.Feed(ctx, next)
		if err != nil {
			return worst, err
		}
		at += piece
		for row := range batch {
			last := row*n + at - 1
			difference := apart(logits[row*v:(row+1)*v], want[last*v:(last+1)*v])
			if !(difference <= worst.difference) {
				worst.pieces, worst.row, worst.position, worst.difference = pieces, row, at-1, difference
			}
			if !worst.within() {
				return worst, nil
			}
		}
	}
	return worst, nil
}

// brief is a list of pieces in few words.
func brief(pieces []int) string {
	if len(pieces) > 6 {
		return fmt.Sprintf("%d", pieces[0])
	}
	return fmt.Sprint(pieces)
}
