package data

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moezoo/moezoo/data/corpus"
	"github.com/moezoo/moezoo/data/tokenizer"
	"pgregory.net/rapid"
)

func TestEveryEpochVisitsEveryWindowOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, context := rapid.IntRange(2, 5000).Draw(t, "tokens"), rapid.IntRange(1, 64).Draw(t, "context")
		s, err := NewSampler(make(InMemory, n), rapid.Uint64().Draw(t, "seed"), context)
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
		w := NewWindows(InMemory(tokens), 4)
		var seen []int64
		for first := 0; first < w.Count(); first += 2 {
			ids, targets := make([]int64, 8), make([]int64, 8)
			if err := w.Fill(first, ids, targets); err != nil {
				t.Fatal(err)
			}
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
	s, err := NewSet(docs, tokenizer.Bytes{}, DefaultHoldout, "")
	if err != nil {
		t.Fatal(err)
	}
	if s.Train.Len()+s.Held.Len() != len(corpus.Default()) || s.Held.Len() < 50000 {
		t.Errorf("%d + %d tokens", s.Train.Len(), s.Held.Len())
	}
	t.Logf("%+v", Measure(s.TrainText, s.HeldText))
}

func TestTokenFilesHoldWhatWasWritten(t *testing.T) {
	for _, vocabulary := range []int{300, 70000} {
		path := filepath.Join(t.TempDir(), "x.tokens")
		ids := make([]int64, 5000)
		for i := range ids {
			ids[i] = int64(i*i) % int64(vocabulary)
		}
		if err := WriteTokens(path, ids, vocabulary); err != nil {
			t.Fatal(err)
		}
		f, err := OpenTokens(path)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]int64, 4000)
		if err := f.Copy(got, 1000); err != nil || !slices.Equal(got, ids[1000:]) || f.Len() != 5000 {
			t.Errorf("vocabulary %d: %v", vocabulary, err)
		}
		if err := os.Truncate(path, 64); err != nil {
			t.Fatal(err)
		}
		if err := f.Copy(make([]int64, 10), 4990); err == nil || !strings.Contains(err.Error(), "has the file shrunk?") {
			t.Errorf("after shrinking: %v", err)
		}
		if _, err := OpenTokens(path); err == nil || !strings.Contains(err.Error(), "do not fit a file of 64 bytes") {
			t.Errorf("opened short: %v", err)
		}
		f.Close()
	}
	if err := WriteTokens(filepath.Join(t.TempDir(), "y"), []int64{3}, 3); err == nil {
		t.Error("a token outside of the vocabulary was written")
	}
}

func FuzzTokenFile(f *testing.F) {
	path := filepath.Join(f.TempDir(), "x")
	if err := WriteTokens(path, []int64{1, 2, 3}, 5); err != nil {
		f.Fatal(err)
	}
	raw, _ := os.ReadFile(path)
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		path := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(path, raw, 0o666); err != nil {
			t.Fatal(err)
		}
		file, err := OpenTokens(path)
		if err != nil {
			return
		}
		defer file.Close()
		_ = file.Copy(make([]int64, file.Len()), 0)
	})
}
