package tokenizer

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func gpt2(t testing.TB) Tokenizer {
	t.Helper()
	b, err := GPT2()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The cases were made by an independent implementation (npm package gpt-3-encoder 1.1.4).
func TestGPT2GivesThePeersIDs(t *testing.T) {
	raw, err := os.ReadFile("testdata/gpt2_cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Text string
		IDs  []int64
	}
	if err := json.Unmarshal(raw, &cases); err != nil || len(cases) < 20 {
		t.Fatal(len(cases), err)
	}
	b := gpt2(t)
	if b.Size() != 50257 {
		t.Errorf("%d tokens", b.Size())
	}
	for _, c := range cases {
		if got := b.Append(nil, []byte(c.Text)); !slices.Equal(got, c.IDs) {
			t.Errorf("%.40q: %v, want %v", c.Text, got, c.IDs)
		}
	}
}

func TestOneLongWordTakesLinearTime(t *testing.T) {
	b := gpt2(t)
	text := bytes.Repeat([]byte("^"), 1_000_000)
	start := time.Now()
	ids := b.Append(nil, text)
	if d := time.Since(start); d > 20*time.Second {
		t.Errorf("took %v", d)
	}
	if back, err := b.Decode(ids); err != nil || !bytes.Equal(back, text) {
		t.Error("does not decode to the text", err)
	}
}

func TestBadVocabulariesAreRefused(t *testing.T) {
	all := map[string]int64{}
	for i := range 256 {
		all[string(spelled[i])] = int64(i)
	}
	with := func(name string, id int64) []byte {
		m := map[string]int64{name: id}
		for k, v := range all {
			if _, own := m[k]; !own {
				m[k] = v
			}
		}
		raw, _ := json.Marshal(m)
		return raw
	}
	for _, c := range []struct {
		vocab        []byte
		merges, want string
	}{
		{[]byte("[]"), "", "is no JSON object"},
		{[]byte("{}"), "", "for the byte 0x00"},
		{with("ab", -1), "", "has the id -1"},
		{with("ab", 1<<31), "", "has the id 2147483648"},
		{with("ab", 300), "", "leaves a hole"},
		{with("ab", 7), "", "have the same id 7"},
		{with("", 256), "", "a token is empty"},
		{with("日", 256), "", "stands for no byte"},
		{with("ab", 256), "a b\na b", `line 2 merges "a" and "b" again`},
		{with("ab", 256), "a c", `line 1 merges "a" and "c", which or whose union`},
		{with("ab", 256), "ab", `line 1 merges "ab" and ""`},
	} {
		if _, err := NewBPE(c.vocab, []byte(c.merges)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.30s %q: %v, want %q", c.vocab, c.merges, err, c.want)
		}
	}
}

func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("It's we'll  x\n\n 日本 \xff\x00 1²"))
	b := gpt2(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, tk := range []Tokenizer{Bytes{}, b} {
			back, err := tk.Decode(tk.Append(nil, text))
			if err != nil || !bytes.Equal(back, text) {
				t.Fatalf("%T: %q comes back as %q (%v)", tk, text, back, err)
			}
		}
	})
}

func FuzzVocabulary(f *testing.F) {
	f.Add([]byte(`{"a":0}`), []byte("a b"))
	f.Fuzz(func(_ *testing.T, vocab, merges []byte) { _, _ = NewBPE(vocab, merges) })
}
