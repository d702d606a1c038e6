package data

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/moezoo/moezoo/data/corpus"
	"github.com/moezoo/moezoo/data/tokenizer"
)

func tokenizers(t testing.TB) []tokenizer.Tokenizer {
	t.Helper()
	b, err := tokenizer.GPT2()
	if err != nil {
		t.Fatal(err)
	}
	return []tokenizer.Tokenizer{tokenizer.Bytes{}, b}
}

// whole tokenizes two parts of documents each at once.
func whole(docs [][]byte, cut int, t tokenizer.Tokenizer) (train, held []int64) {
	add := func(ids []int64, text []byte) []int64 {
		if len(text) == 0 {
			return ids
		}
		if end, ok := t.EndOfText(); ok && len(ids) > 0 {
			ids = append(ids, end)
		}
		return t.Append(ids, text)
	}
	for _, d := range docs {
		n := min(max(cut, 0), len(d))
		train, held = add(train, d[:n]), add(held, d[n:])
		cut -= len(d)
	}
	return train, held
}

// awkward draws texts of what cuts GPT-2's words: white space of one and three bytes,
// contractions, letters of all lengths, bytes that are no UTF-8.
func awkward(t *rapid.T, label string) []byte {
	pieces := []string{" ", "  ", "\n", "\r\n", "\t", "\u3000", "\u2003", "\u0085", "'s", "'ll", "'", "'r", "we're", "word", "é", "日本", "𝔘𝔫", "٣", "12", "²", "!", "…", "😀", "\xff", "\xe6\x97", "\xf0\x9f\x98", "\x00", "\x1c", "<|endoftext|>"}
	return []byte(strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 60).Draw(t, label), ""))
}

func TestAStreamGivesTheTokensOfTheWholeText(t *testing.T) {
	all := tokenizers(t)
	rapid.Check(t, func(t *rapid.T) {
		tk := all[rapid.IntRange(0, 1).Draw(t, "tokenizer")]
		text := awkward(t, "text")
		var ids []int64
		rest := text
		for len(rest) > 0 { // a random split, of which only what is settled is taken
			n := rapid.IntRange(1, len(rest)).Draw(t, "split")
			var taken int
			ids, taken = tk.AppendSettled(ids, rest[:n])
			rest = rest[taken:]
			if n == len(text) || rapid.Bool().Draw(t, "end") {
				break
			}
		}
		ids = tk.Append(ids, rest)
		if want := tk.Append(nil, text); !slices.Equal(ids, want) {
			t.Fatalf("%q: %v, want %v", text, ids, want)
		}
	})
}

func TestDocumentsAndTheCutGiveTheTokensOfTheWholeText(t *testing.T) {
	all := tokenizers(t)
	rapid.Check(t, func(t *rapid.T) {
		tk := all[rapid.IntRange(0, 1).Draw(t, "tokenizer")]
		var texts [][]byte
		var docs []corpus.Document
		for i := range rapid.IntRange(1, 4).Draw(t, "documents") {
			text := awkward(t, fmt.Sprint("document ", i))
			if rapid.Bool().Draw(t, "long") { // beyond a chunk, which then ends anywhere
				text = bytes.Repeat(append(text, "pad "...), 1+chunkBytes/(len(text)+4))
			}
			texts, docs = append(texts, text), append(docs, corpus.FromBytes(fmt.Sprint(i), text))
		}
		s, err := NewSet(context.Background(), docs, tk, rapid.Float64Range(0, 0.99).Draw(t, "holdout"), "")
		if err != nil {
			t.Fatal(err)
		}
		train, held := whole(texts, int(s.TrainBytes), tk)
		if !slices.Equal([]int64(s.Train.(InMemory)), train) || !slices.Equal([]int64(s.Held.(InMemory)), held) {
			t.Fatalf("cut at %d: tokens differ", s.TrainBytes)
		}
		if whole := s.AllHeld(); whole.Held.Len() > 3 {
			got := make([]int64, 3)
			at := rapid.IntRange(0, whole.Held.Len()-3).Draw(t, "at")
			if err := whole.Held.Copy(got, at); err != nil || !slices.Equal(got, append(train, held...)[at:at+3]) {
				t.Fatalf("all of it from %d: %v (%v)", at, got, err)
			}
		}
	})
}

func FuzzSettledTokens(f *testing.F) {
	all := tokenizers(f)
	f.Add([]byte("It's we'll  x\n\n 日本 \xff\x00 1²"), uint(3), uint(9))
	f.Add([]byte("a \u3000\u3000b"), uint(4), uint(2))
	f.Add([]byte("\xf0\x9f\x98\x80\xf0\x9f"), uint(2), uint(3))
	f.Fuzz(func(t *testing.T, text []byte, first, then uint) {
		for _, tk := range all {
			var ids []int64
			rest := text
			for step := first%64 + 1; step <= uint(len(rest)); step += then%64 + 1 {
				var n int
				ids, n = tk.AppendSettled(ids, rest[:step])
				rest = rest[n:]
			}
			if got, want := tk.Append(ids, rest), tk.Append(nil, text); !slices.Equal(got, want) {
				t.Fatalf("%T %q: %v, want %v", tk, text, got, want)
			}
		}
	})
}

// endless is a text that is made while it is read.
type endless struct {
	line []byte
	at   int64
	size int64
}

func (e *endless) Read(p []byte) (int, error) {
	if e.at == e.size {
		return 0, io.EOF
	}
	n := 0
	for n < len(p) && e.at < e.size {
		k := copy(p[n:min(len(p), n+int(e.size-e.at))], e.line[e.at%int64(len(e.line)):])
		n, e.at = n+k, e.at+int64(k)
	}
	return n, nil
}

// peak is the largest heap seen while f runs, above what was there before.
func peak(f func()) uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	before, most := m.HeapAlloc, m.HeapAlloc
	done, finished := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(finished)
		for {
			select {
			case <-done:
				return
			default:
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
				runtime.Gosched()
			}
		}
	}()
	f()
	close(done)
	<-finished
	return most - min(before, most)
}

func TestTextsOfAnySizeTakeBoundedMemory(t *testing.T) {
	size := int64(64 << 20)
	if os.Getenv("MOEZOO_LONG_TEXT") != "" {
		size = 1 << 30
	}
	const allowed = 64 << 20
	for i, tk := range tokenizers(t) {
		// One line of the whole size: no line end helps.
		n := size >> (3 * i) // byte pairs are slower
		docs, err := corpus.Read(&endless{line: []byte("all the words of a line without an end, "), size: n}, "-")
		if err != nil {
			t.Fatal(err)
		}
		var s *Set
		heap := peak(func() { s, err = NewSet(context.Background(), docs, tk, 0.05, t.TempDir()) })
		if err != nil {
			t.Fatal(err)
		}
		if heap > allowed {
			t.Errorf("%T: %d MiB of heap for a text of %d MiB", tk, heap>>20, n>>20)
		}
		if s.TrainBytes+s.HeldBytes != n || s.Train.Len() < int(n/8) {
			t.Errorf("%T: %d tokens", tk, s.Train.Len())
		}
		t.Logf("%T: %d MiB of text, %d MiB of heap", tk, n>>20, heap>>20)
	}
}

func TestAWordThatFitsTakesBoundedMemoryAndALongerOneIsRefusedByLine(t *testing.T) {
	tk := tokenizers(t)[1]
	fits := append(bytes.Repeat([]byte("^"), maxWord-8), " end"...)
	var err error
	heap := peak(func() {
		_, err = NewSet(context.Background(), []corpus.Document{corpus.FromBytes("fits", fits)}, tk, 0, "")
	})
	if err != nil {
		t.Error(err)
	}
	if heap > 64<<20 {
		t.Errorf("%d MiB of heap", heap>>20)
	}
	t.Logf("%d MiB of heap", heap>>20)
	docs, err := corpus.Read(io.MultiReader(strings.NewReader("one\ntwo\n"), &endless{line: []byte("x"), size: 8 << 20}), "-")
	if err != nil {
		t.Fatal(err)
	}
	heap = peak(func() { _, err = NewSet(context.Background(), docs, tk, 0, t.TempDir()) })
	if err == nil || !strings.Contains(err.Error(), "standard input: line 3: a word of more than 1048576 bytes") {
		t.Errorf("got %v", err)
	}
	if heap > 16<<20 {
		t.Errorf("%d MiB of heap to refuse it", heap>>20)
	}
}

// longBook is a file whose tokens are kept in token files.
func longBook(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "book.txt")
	if err := os.WriteFile(path, bytes.Repeat([]byte("some words of a long book\n"), mapAbove/20), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func bookSet(t *testing.T, path, cache string) (*Set, error) {
	t.Helper()
	docs, err := corpus.Read(nil, path)
	if err != nil {
		t.Fatal(err)
	}
	return NewSet(context.Background(), docs, tokenizer.Bytes{}, DefaultHoldout, cache)
}

func listed(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestTokensOfLongTextsAreKeptAndTakenAgain(t *testing.T) {
	path, cache := longBook(t), t.TempDir()
	text, _ := os.ReadFile(path)
	for _, folder := range []string{cache, cache, ""} { // made, taken, without a name
		s, err := bookSet(t, path, folder)
		if err != nil {
			t.Fatal(err)
		}
		train, held := whole([][]byte{text}, int(s.TrainBytes), tokenizer.Bytes{})
		for _, part := range []struct {
			got  Tokens
			want []int64
		}{{s.Train, train}, {s.Held, held}} {
			got := make([]int64, part.got.Len())
			if err := part.got.Copy(got, 0); err != nil || !slices.Equal(got, part.want) {
				t.Errorf("folder %q: %d tokens differ (%v)", folder, len(got), err)
			}
		}
		if names := listed(t, cache); len(names) != 2 {
			t.Errorf("the cache holds %v", names)
		}
	}
	// A damaged file is made again.
	for _, name := range listed(t, cache) {
		if err := os.Truncate(filepath.Join(cache, name), 40); err != nil {
			t.Fatal(err)
		}
	}
	if s, err := bookSet(t, path, cache); err != nil || s.Train.Len()+s.Held.Len() != len(text) {
		t.Errorf("after damage: %v", err)
	}
}

// meddler changes the text when a context is asked for the n-th time.
type meddler struct {
	context.Context
	left int
	do   func()
}

func (m *meddler) Err() error {
	if m.left--; m.left == 0 {
		m.do()
	}
	return m.Context.Err()
}

func TestATextThatChangesWhileItIsReadIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(t *testing.T, path string)
		want   string
	}{
		"shrinks": {func(t *testing.T, path string) { must(t, os.Truncate(path, 1000)) }, "has become shorter than"},
		"grows": {func(t *testing.T, path string) {
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			must(t, err)
			_, err = f.WriteString("more\n")
			must(t, errors.Join(err, f.Close()))
		}, "has become longer than"},
		"is another": {func(t *testing.T, path string) {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			must(t, err)
			_, err = f.WriteAt([]byte("SOME"), 26*80_000)
			must(t, errors.Join(err, f.Close()))
		}, "has changed while it was read: its SHA-256 was"},
		"vanishes": {func(t *testing.T, path string) { must(t, os.Remove(path)) }, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, pass := range []int{1, 2} { // while hashing, while tokenizing
				path, cache := longBook(t), t.TempDir()
				info, err := os.Stat(path)
				must(t, err)
				reads := int(info.Size()/(1<<18)) + 2
				docs, err := corpus.Read(nil, path)
				must(t, err)
				ctx := &meddler{Context: context.Background(), left: 1, do: func() { c.change(t, path) }}
				if pass == 2 || name == "is another" {
					ctx.left = reads + 3
				}
				if name == "vanishes" {
					ctx.left = reads // before it is opened again
				}
				_, err = NewSet(ctx, docs, tokenizer.Bytes{}, DefaultHoldout, cache)
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("pass %d: %v, want %q", pass, err, c.want)
				}
				if names := listed(t, cache); len(names) != 0 {
					t.Errorf("left behind: %v", names)
				}
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestTokenizingEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	docs, err := corpus.Read(nil, longBook(t))
	must(t, err)
	m := &meddler{Context: ctx, left: 15, do: cancel}
	cache := t.TempDir()
	if _, err := NewSet(m, docs, tokenizer.Bytes{}, 0, cache); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if names := listed(t, cache); len(names) != 0 {
		t.Errorf("left behind: %v", names)
	}
}

func TestTextIsBytesWhateverTheyAre(t *testing.T) {
	text := []byte("NUL \x00, Latin-1 \xe9, half a character \xe6\x97, BOM \xef\xbb\xbf, CRLF\r\n")
	for _, tk := range tokenizers(t) {
		s, err := NewSet(context.Background(), []corpus.Document{corpus.FromBytes("x", text)}, tk, 0, "")
		must(t, err)
		if back, err := tk.Decode(s.Train.(InMemory)); err != nil || !bytes.Equal(back, text) {
			t.Errorf("%T: %q (%v)", tk, back, err)
		}
	}
}
