package tokenizer

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/moezoo/moezoo/internal/testroot"
	"pgregory.net/rapid"
)

// pipelines are the committed tokenizers by name; see testdata/make_huggingface.py.
func pipelines(t testing.TB) map[string]*Pipeline {
	t.Helper()
	paths, err := filepath.Glob("testdata/huggingface/*.json")
	if err != nil || len(paths) < 12 {
		t.Fatal(len(paths), err)
	}
	all := map[string]*Pipeline{}
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		if all[name], err = ParseHuggingFace(raw, ""); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return all
}

// peerCase is a text with the ids and the decoded text of Hugging Face's tokenizers 0.23.3.
type peerCase struct {
	text, decoded string
	ids           []int64
}

// UnmarshalJSON reads [text, ids, decoded].
func (c *peerCase) UnmarshalJSON(raw []byte) error {
	return json.Unmarshal(raw, &[]any{&c.text, &c.ids, &c.decoded})
}

type peerCases struct {
	Size  int
	Frame []int64
	Cases []peerCase
}

func casesOfPeer(t testing.TB) map[string]peerCases {
	t.Helper()
	raw, err := os.ReadFile("testdata/huggingface_cases.json")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]peerCases{}
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestTokenizersOfHuggingFaceGiveThePeersIDs(t *testing.T) {
	all := pipelines(t)
	for name, of := range casesOfPeer(t) {
		p := all[name]
		if p == nil || len(of.Cases) < 40 {
			t.Errorf("%s: %v, %d cases", name, p, len(of.Cases))
			continue
		}
		before, after := p.Frame()
		if p.Size() != of.Size || !slices.Equal(slices.Concat(before, after), of.Frame) {
			t.Errorf("%s: %d tokens framed by %v %v, want %d and %v", name, p.Size(), before, after, of.Size, of.Frame)
		}
		wrong := 0
		for _, c := range of.Cases {
			got := p.Append(nil, []byte(c.text))
			if !slices.Equal(got, c.ids) {
				if wrong++; wrong < 4 {
					t.Errorf("%s: %q:\n%v, want\n%v", name, c.text, got, c.ids)
				}
				continue
			}
			// Where the peer writes U+FFFD for bytes that are no character, we keep the bytes.
			text, err := p.Decode(c.ids)
			if !utf8.ValidString(string(text)) || strings.ContainsRune(c.decoded, utf8.RuneError) {
				continue
			}
			if err != nil || string(text) != c.decoded {
				if wrong++; wrong < 4 {
					t.Errorf("%s: %v decodes to\n%q, want\n%q (%v)", name, c.ids, text, c.decoded, err)
				}
			}
		}
		if wrong > 0 {
			t.Errorf("%s: %d of %d cases are wrong", name, wrong, len(of.Cases))
		}
	}
}

// lossless are the tokenizers that give back every text: those that do not normalize it, put
// blanks before it or leave parts out.
var lossless = []string{"llama3", "gpt4o", "falcon", "starcoder", "gemma"}

func TestEveryTextComesBack(t *testing.T) {
	all := pipelines(t)
	for _, name := range lossless {
		rapid.Check(t, func(r *rapid.T) {
			text := anyText(r)
			if name == "gemma" && bytes.ContainsRune(text, '▁') {
				return // a blank for it
			}
			ids := all[name].Append(nil, text)
			if back, err := all[name].Decode(ids); err != nil || !bytes.Equal(back, text) {
				r.Fatalf("%s: %q comes back as %q (%v)", name, text, back, err)
			}
		})
	}
}

// anyText draws a text with what tokenizers treat in a special way, and bytes that are no
// characters.
func anyText(r *rapid.T) []byte {
	piece := rapid.OneOf(
		rapid.StringOfN(rapid.RuneFrom([]rune("abcde fgh  stS'ſ")), 1, 12, -1),
		rapid.StringOfN(rapid.RuneFrom([]rune("  \n\r\t\u3000\u00a0")), 1, 40, -1),
		rapid.StringOfN(rapid.RuneFrom([]rune("e\u0301\u0323éK각\u1100\u1161\u11a8日▁")), 1, 8, -1),
		rapid.StringOfN(rapid.RuneFrom([]rune("019²½.,!?<>|/")), 1, 8, -1),
		rapid.SampledFrom([]string{"<s>", "</s>", "<mask>", "<end>", "whale", "<|endoftext|>", "<|im_start|>", "<0x0A>", "<unk>"}),
		rapid.StringN(1, 6, -1),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 1, 4), func(b []byte) string { return string(b) }),
	)
	return []byte(strings.Join(rapid.SliceOfN(piece, 0, 8).Draw(r, "text"), ""))
}

// TestSettledIDsStay: a text that comes in pieces has the ids of the whole.
func TestSettledIDsStay(t *testing.T) {
	for name, p := range pipelines(t) {
		rapid.Check(t, func(r *rapid.T) {
			text := anyText(r)
			want := p.Append(nil, text)
			var ids []int64
			rest := text
			for step := 1; step <= len(rest); step += rapid.IntRange(1, 30).Draw(r, "step") {
				var n int
				ids, n = p.AppendSettled(ids, rest[:step])
				rest = rest[n:]
			}
			if got := p.Append(ids, rest); !slices.Equal(got, want) {
				r.Fatalf("%s: %q: %v, want %v", name, text, got, want)
			}
		})
	}
}

// TestLongTextsSettle: all but a little of a long text is settled, whatever the tokenizer.
func TestLongTextsSettle(t *testing.T) {
	text := bytes.Repeat([]byte("Call me Ishmael. Some years ago, never mind how long, e\u0301tait 1851!\n"), 50)
	for name, p := range pipelines(t) {
		_, n := p.AppendSettled(nil, text)
		if all := name != "roberta" && name != "merged"; all && n < len(text)-200 || !all && n != 0 {
			t.Errorf("%s: %d of %d bytes are settled", name, n, len(text))
		}
	}
}

// TestGoldenTokenizers compares with cases of another implementation (transformers.js), for
// GPT-2's tokenizer, as we export it, and GPT-NeoX's, which lie in $MOEZOO_GOLDEN and beside it.
func TestGoldenTokenizers(t *testing.T) {
	dir := testroot.FromEnv("MOEZOO_GOLDEN")
	if dir == "" {
		t.Skip("MOEZOO_GOLDEN is not set")
	}
	raw, err := os.ReadFile(filepath.Join(dir, "tokenizer_cases.json"))
	if err != nil {
		t.Skip(err)
	}
	var cases []struct {
		Text       string
		Neox, GPT2 []int64
	}
	if err := json.Unmarshal(raw, &cases); err != nil || len(cases) < 20 {
		t.Fatal(len(cases), err)
	}
	packed, err := os.ReadFile(filepath.Join(dir, "..", "data", "tokenizers", "gpt_neox_20b", "tokenizer.json.gz"))
	if err != nil {
		t.Skip(err)
	}
	if raw, err = unpack(packed); err != nil {
		t.Fatal(err)
	}
	neox, err := ParseHuggingFace(raw, endOfTextToken)
	if err != nil {
		t.Fatal(err)
	}
	if end, ok := neox.EndOfText(); neox.Size() != 50277 || end != 0 || !ok {
		t.Error(neox.Size(), end, ok)
	}
	for _, c := range cases {
		if got := neox.Append(nil, []byte(c.Text)); !slices.Equal(got, c.Neox) {
			t.Errorf("GPT-NeoX: %q: %v, want %v", c.Text, got, c.Neox)
		}
	}
}

// TestExportedTokenizersReadBack: the tokenizer.json that we write for our own tokenizers
// gives the ids of GPT-2's peer.
func TestExportedTokenizersReadBack(t *testing.T) {
	raw, err := os.ReadFile("testdata/gpt2_cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Text string
		IDs  []int64
	}
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	for _, own := range []Tokenizer{gpt2(t), Bytes{}} {
		files, err := HuggingFace(own)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(files["tokenizer.json"])
		if err != nil {
			t.Fatal(err)
		}
		end := ""
		if _, ok := own.(*BPE); ok {
			end = endOfTextToken
		}
		p, err := ParseHuggingFace(raw, end)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Load(p.Spec())
		if err != nil || again.Size() != own.Size() {
			t.Fatal(again, err)
		}
		for _, c := range cases {
			if got, want := again.Append(nil, []byte(c.Text)), own.Append(nil, []byte(c.Text)); !slices.Equal(got, want) {
				t.Errorf("%T: %q: %v, want %v", own, c.Text, got, want)
			}
		}
		files, err = HuggingFace(again)
		if again, _ := files["tokenizer.json"].(json.RawMessage); err != nil || !bytes.Equal(again, raw) {
			t.Error("a tokenizer.json does not come back as it was", err)
		}
	}
}
