package data

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moezoo/moezoo/data/corpus"
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
	b, err := measure(newText([]corpus.Document{corpus.FromBytes("train", train), corpus.FromBytes("held", held)}), int64(len(train)))
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(b.Order0-2) > 0.02 || b.Order2 > 0.02 || b.Gzip > 0.2 || b.GzipPrimed > 0.2 {
		t.Errorf("%+v", b)
	}
}

// What runs of earlier versions were trained on does not change.
func TestTheEmbeddedCorpusHasAlwaysTheSameTokens(t *testing.T) {
	docs, err := corpus.Read(nil, corpus.DefaultName)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"be384e9bda6eaf84dde882f5cbeea9ac6950530d55ddcf74b2cd95e1a2319dee", "0087e17d3c446e3c8ce3ed2e5a0b3d3d44349bd1013ce7e52c27f36242741fa9"} {
		s, err := NewSet(context.Background(), docs, tokenizers(t)[i], DefaultHoldout, "")
		if err != nil {
			t.Fatal(err)
		}
		if s.Hash != "5ab5626d28393ce6326489d5022086643c6b498b49cc33a22b55ff2ede8f9607" || s.TrainBytes != 1144820 || s.HeldBytes != 60177 {
			t.Errorf("SHA-256 %s, %d and %d bytes", s.Hash, s.TrainBytes, s.HeldBytes)
		}
		if got := fmt.Sprintf("%x", sha256.Sum256(fmt.Append(nil, s.Train, s.Held))); got != want {
			t.Errorf("tokens have SHA-256 %s, want %s", got, want)
		}
		if b, err := s.Baselines(); err != nil || b != (Baselines{Order0: 4.55343072978429, Order2: 2.844619785070409, Gzip: 3.36394303471426, GzipPrimed: 3.1940442361699652}) {
			t.Errorf("%+v (%v)", b, err)
		}
	}
}

func writeTokens(path string, ids []int64, vocabulary int) error {
	s, err := newTokenStore(filepath.Dir(path), strings.TrimSuffix(filepath.Base(path), ".tokens"), vocabulary)
	if err != nil {
		return err
	}
	defer s.discard()
	if err := s.begin(); err != nil {
		return err
	}
	if err := s.add(ids); err != nil {
		return err
	}
	f, err := s.commit()
	if err != nil {
		return err
	}
	return f.Close()
}

func TestTokenFilesHoldWhatWasWritten(t *testing.T) {
	for _, vocabulary := range []int{300, 70000} {
		path := filepath.Join(t.TempDir(), "x.tokens")
		ids := make([]int64, 5000)
		for i := range ids {
			ids[i] = int64(i*i) % int64(vocabulary)
		}
		if err := writeTokens(path, ids, vocabulary); err != nil {
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
	if err := writeTokens(filepath.Join(t.TempDir(), "y"), []int64{3}, 3); err == nil {
		t.Error("a token outside of the vocabulary was written")
	}
}

// tokenBytes is a token file with this header.
func tokenBytes(magic string, width uint32, vocabulary, count uint64, ids ...byte) []byte {
	raw := make([]byte, tokenHeader)
	copy(raw, magic)
	binary.LittleEndian.PutUint32(raw[8:], width)
	binary.LittleEndian.PutUint64(raw[16:], vocabulary)
	binary.LittleEndian.PutUint64(raw[24:], count)
	return append(raw, ids...)
}

// badTokenFiles are refused when they are opened, or, with tokens in them, when these are
// read.
var badTokenFiles = []struct {
	name, want string
	raw        []byte
}{
	{"empty", "no token file", nil},
	{"cut in the header", "no token file", tokenBytes(tokenMagic, 2, 5, 0)[:31]},
	{"another version", "no token file", tokenBytes("zootok\x00\x02", 2, 5, 0)},
	{"width 0", "do not fit", tokenBytes(tokenMagic, 0, 5, 0)},
	{"width 3", "do not fit", tokenBytes(tokenMagic, 3, 5, 1, 1, 0, 0)},
	{"no vocabulary", "do not fit", tokenBytes(tokenMagic, 2, 0, 1, 1, 0)},
	{"a huge vocabulary", "do not fit", tokenBytes(tokenMagic, 2, 1<<62, 1, 1, 0)},
	{"a huge count", "do not fit", tokenBytes(tokenMagic, 2, 5, 1<<63, 1, 0)},
	{"a count that overflows", "do not fit", tokenBytes(tokenMagic, 4, 5, 1<<62, 1, 0, 0, 0)},
	{"one byte short", "do not fit", tokenBytes(tokenMagic, 2, 5, 2, 1, 0, 2)},
	{"one byte more", "do not fit", tokenBytes(tokenMagic, 2, 5, 1, 1, 0, 2)},
	{"a token outside", "token 1 is 5, outside of the vocabulary of 5", tokenBytes(tokenMagic, 2, 5, 2, 4, 0, 5, 0)},
	{"a negative token", "token 0 is 4294967295, outside", tokenBytes(tokenMagic, 4, 70000, 1, 255, 255, 255, 255)},
}

func TestBadTokenFilesAreRefused(t *testing.T) {
	for _, c := range badTokenFiles {
		path := filepath.Join(t.TempDir(), "x.tokens")
		if err := os.WriteFile(path, c.raw, 0o666); err != nil {
			t.Fatal(err)
		}
		f, err := OpenTokens(path)
		if err == nil {
			err = f.Copy(make([]int64, f.Len()), 0)
			f.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func FuzzTokenFile(f *testing.F) {
	path := filepath.Join(f.TempDir(), "x.tokens")
	if err := writeTokens(path, []int64{1, 2, 3}, 5); err != nil {
		f.Fatal(err)
	}
	raw, _ := os.ReadFile(path)
	f.Add(raw)
	for _, c := range badTokenFiles {
		f.Add(c.raw)
	}
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
