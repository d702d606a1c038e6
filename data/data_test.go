package data

import (
	"math"
	"slices"
	"testing"

	"github.com/moezoo/moezoo/data/corpus"
	"github.com/moezoo/moezoo/data/tokenizer"
	"pgregory.net/rapid"
)

func TestEveryEpochVisitsEveryWindowOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, context := rapid.IntRange(2, 5000).Draw(t, "tokens"), rapid.IntRange(1, 64).Draw(t, "context")
		s, err := NewSampler(make([]int64, n), rapid.Uint64().Draw(t, "seed"), context)
		if err != nil {
			if n-1 >= context {
				t.Fatal(err)
			}
			return
		}
		for epoch := range int64(3) {
			var starts []int
			for i := range int64(s.Windows()) {
				starts = append(starts, s.Start(epoch*int64(s.Windows())+i))
			}
			slices.Sort(starts)
			for i, at := range starts {
				if at != starts[0]+i*context || at+context+1 > n || starts[0] > context {
					t.Fatalf("epoch %d: windows begin at %v", epoch, starts)
				}
			}
		}
	})
}

func TestEveryHeldOutTokenIsATargetOnce(t *testing.T) {
	for _, n := range []int{0, 1, 2, 7, 8, 9, 17} {
		tokens := make([]int64, n)
		for i := range tokens {
			tokens[i] = int64(i)
		}
		w := NewWindows(tokens, 4)
		var seen []int64
		for first := 0; first < w.Count(); first += 2 {
			ids, targets := make([]int64, 8), make([]int64, 8)
			w.Fill(first, ids, targets)
			for i, x := range targets {
				if x != IgnoreTarget {
					if ids[i]+1 != x {
						t.Fatalf("target %d after token %d", x, ids[i])
					}
					seen = append(seen, x)
				}
			}
		}
		if n > 1 && !slices.Equal(seen, tokens[1:]) || len(seen) != w.Targets() {
			t.Errorf("%d tokens: targets %v", n, seen)
		}
	}
}

func TestBaselinesOfKnownSources(t *testing.T) {
	train, held := make([]byte, 40000), make([]byte, 4000)
	for i := range train { // a cycle: the byte before tells the next
		train[i] = "abcd"[i%4]
	}
	for i := range held {
		held[i] = "abcd"[i%4]
	}
	b := Measure(train, held)
	if math.Abs(b.Order0-2) > 0.02 || b.Order2 > 0.02 || b.Gzip > 0.2 || b.GzipPrimed > 0.2 {
		t.Errorf("%+v", b)
	}
}

func TestTheEmbeddedCorpusSplitsOnce(t *testing.T) {
	docs, err := corpus.Read(nil, corpus.DefaultName)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSet(docs, tokenizer.Bytes{}, DefaultHoldout)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Train)+len(s.Held) != len(corpus.Default()) || len(s.Held) < 50000 {
		t.Errorf("%d + %d tokens", len(s.Train), len(s.Held))
	}
	t.Logf("%+v", Measure(s.TrainText, s.HeldText))
}
