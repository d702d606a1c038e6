//go:build cgo

package ort_test

import (
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/moezoo/moezoo/export/ort"
	"github.com/moezoo/moezoo/export/ort/orttest"
)

func openCounter(t *testing.T) *ort.Session {
	t.Helper()
	orttest.Require(t)
	s, err := ort.OpenBytes(counter().bytes(), ort.Options{Name: "counter.onnx"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// argmaxLast gives, for each sequence, the place of the largest logit after its last token.
func argmaxLast(t ort.Tensor) []int64 {
	out := make([]int64, t.Shape[0])
	l, v := int(t.Shape[1]), int(t.Shape[2])
	for b := range out {
		row := t.F32[(b*l+l-1)*v:][:v]
		out[b] = int64(slices.Index(row, slices.Max(row)))
	}
	return out
}

func TestDecodingInAnySplitEqualsTheSumSoFar(t *testing.T) {
	s := openCounter(t)
	const batch, total = 2, 40
	d, err := ort.NewDecoder(s, batch)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	for range 3 { // the same decoder again after Reset
		d.Reset()
		var sum [batch]int64
		for d.Len() < total {
			width := 1 + rng.IntN(5)
			ids := make([]int64, batch*width)
			for i := range ids {
				ids[i] = rng.Int64N(100)
				sum[i/width] += ids[i]
			}
			before := d.Len()
			logits, err := d.Step(ids)
			if err != nil {
				t.Fatal(err)
			}
			if d.Len() != before+width || !slices.Equal(logits.Shape, []int64{batch, int64(width), 4}) {
				t.Fatalf("after %d tokens: length %d, logits %v", before+width, d.Len(), logits.Shape)
			}
			if got, want := argmaxLast(logits), []int64{sum[0] % 4, sum[1] % 4}; !slices.Equal(got, want) {
				t.Fatalf("after %d tokens: got %v, want %v", d.Len(), got, want)
			}
		}
	}
}

func TestDecoderFeedsPositionsAndAsksForTheLastLogitsOnly(t *testing.T) {
	orttest.Require(t)
	s, err := ort.OpenBytes(counterKeep().bytes(), ort.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	d, err := ort.NewDecoder(s, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, c := range []struct{ ids, want []int64 }{{[]int64{1, 2, 3}, []int64{(6 + 2) % 4}}, {[]int64{1}, []int64{(7 + 3) % 4}}, {[]int64{4}, []int64{(11 + 4) % 4}}} {
		logits, err := d.Step(c.ids)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(logits.Shape, []int64{1, 1, 4}) || !slices.Equal(argmaxLast(logits), c.want) {
			t.Errorf("after %v: %v, want %v", c.ids, logits, c.want)
		}
	}
}

func TestDecoderErrorsLeaveItsStatesAlone(t *testing.T) {
	s := openCounter(t)
	if _, err := ort.NewDecoder(s, 0); err == nil {
		t.Error("a decoder for no sequences was made")
	}
	d, err := ort.NewDecoder(s, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if _, err := d.Step([]int64{1, 2}); err != nil {
		t.Fatal(err)
	}
	for _, ids := range [][]int64{nil, {1, 2, 3}} {
		if _, err := d.Step(ids); err == nil || !strings.Contains(err.Error(), "counter.onnx: "+strconv.Itoa(len(ids))+" token ids for 2 sequences") {
			t.Errorf("%v: error is %v", ids, err)
		}
	}
	logits, err := d.Step([]int64{2, 1})
	if err != nil || !slices.Equal(argmaxLast(logits), []int64{3, 3}) {
		t.Errorf("after errors: %v %v", logits, err)
	}
	arithmetic, err := ort.OpenBytes(arith().bytes(), ort.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer arithmetic.Close()
	if _, err := ort.NewDecoder(arithmetic, 1); err == nil || !strings.Contains(err.Error(), "needs the input input_ids") {
		t.Errorf("not a language model: %v", err)
	}
}

// TestDecodingMemoryStaysConstant lets a model with one small growing cache run for a long time.
func TestDecodingMemoryStaysConstant(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc/self/statm")
	}
	s := openCounter(t)
	d, err := ort.NewDecoder(s, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	step := func(n int) {
		for range n {
			if _, err := d.Step([]int64{1}); err != nil {
				t.Fatal(err)
			}
		}
	}
	step(500)
	before := residentPages(t)
	step(8000)
	if grown := (residentPages(t) - before) * os.Getpagesize() >> 20; grown > 16 {
		t.Errorf("8000 steps took %d MB more", grown)
	} else {
		t.Logf("8000 steps took %d MB more", grown)
	}
}

func residentPages(t *testing.T) int {
	t.Helper()
	runtime.GC()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.Fields(string(b))[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func BenchmarkDecoderStep(b *testing.B) {
	orttest.Require(b)
	s, err := ort.OpenBytes(counter().bytes(), ort.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	d, err := ort.NewDecoder(s, 1)
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	b.ReportAllocs()
	for b.Loop() {
		if d.Len() > 256 {
			d.Reset()
		}
		if _, err := d.Step([]int64{1}); err != nil {
			b.Fatal(err)
		}
	}
}
