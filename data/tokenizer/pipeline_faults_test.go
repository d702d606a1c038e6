package tokenizer

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the committed seeds of FuzzTokenizer anew")

// document is a tokenizer.json of the tokens a, b, ab and <s>, with parts put in place.
func document(parts map[string]string) string {
	all := map[string]string{
		"version": `"1.0"`, "added_tokens": `[{"id":3,"content":"<s>","special":true,"normalized":false}]`, "normalizer": "null",
		"pre_tokenizer": "null", "post_processor": "null", "decoder": `{"type":"Fuse"}`,
		"model": `{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"],"unk_token":"b"}`,
	}
	maps.Copy(all, parts)
	var members []string
	for _, key := range slices.Sorted(maps.Keys(all)) {
		members = append(members, fmt.Sprintf("%q:%s", key, all[key]))
	}
	return "{" + strings.Join(members, ",") + "}"
}

func with(key, value string) string { return document(map[string]string{key: value}) }

func withModel(vocab, merges, more string) string {
	return with("model", `{"type":"BPE","unk_token":"b","vocab":`+vocab+`,"merges":`+merges+more+`}`)
}

func withSplit(pattern string) string {
	return with("pre_tokenizer", fmt.Sprintf(`{"type":"Split","pattern":{"Regex":%q},"behavior":"Isolated"}`, pattern))
}

// nested is n Sequences, one in the other.
func nested(n int) string {
	return strings.Repeat(`{"type":"Sequence","pretokenizers":[`, n) + `{"type":"Digits"}` + strings.Repeat(`]}`, n)
}

// byteVocabulary is a vocabulary of all byte tokens and b, one of them replaced.
func byteVocabulary(instead map[string]string) string {
	var members []string
	for b := range 256 {
		name := byteToken(b)
		if other, ok := instead[name]; ok {
			name = other
		}
		members = append(members, fmt.Sprintf("%q:%d", name, b))
	}
	return "{" + strings.Join(append(members, `"b":256`), ",") + "}"
}

// tokenizerSeed is a faulty tokenizer.json, what must be said of it, and the number of its
// fault in the list of bad inputs.
type tokenizerSeed struct {
	row              int
	name, file, want string // no want: it is read
}

func tokenizerSeeds() []tokenizerSeed {
	return []tokenizerSeed{
		{0, "good", document(nil), ""},

		{69, "nested-repetition", withSplit(`(a+)+`), ""},
		{69, "nested-repetition-end", withSplit(`(a+)+$`), "anchors are unsupported"},
		{69, "backreference", withSplit(`(a)\1`), "backreferences are refused"},
		{69, "look-behind", withSplit(`(?<=a)b`), "this kind of group is unsupported"},
		{69, "atomic", withSplit(`(?>a+)b`), "this kind of group is unsupported"},
		{69, "empty-match", withSplit(`a*`), "matches the empty text"},
		{69, "no-pattern", withSplit(``), "the pattern is empty"},

		{70, "id-negative", withModel(`{"a":-1,"b":1}`, "[]", ""), `token "a" has the id -1`},
		{70, "id-twice", withModel(`{"a":0,"b":0}`, "[]", ""), `tokens "a" and "b" have the same id 0`},
		{70, "hole", withModel(`{"a":0,"b":2}`, "[]", ""), "the id 2 leaves a hole"},
		{70, "hole-2^31", withModel(`{"a":0,"b":2147483648}`, "[]", ""), `token "b" has the id 2147483648`},
		{70, "id-2^63", withModel(`{"a":0,"b":9223372036854775808}`, "[]", ""), "which is no whole number"},
		{70, "id-fraction", withModel(`{"a":0,"b":1.5}`, "[]", ""), "which is no whole number"},
		{70, "id-text", withModel(`{"a":0,"b":"1"}`, "[]", ""), "which is no whole number"},
		{70, "added-beyond", with("added_tokens", `[{"id":9,"content":"<s>"}]`), `"<s>" has the id 9, want 3`},
		{70, "added-on-another", with("added_tokens", `[{"id":0,"content":"<s>"}]`), `"<s>" has the id 0, want 3`},
		{70, "added-moved", with("added_tokens", `[{"id":3,"content":"ab"}]`), `"ab" has the id 3, want 2`},
		{70, "added-negative", with("added_tokens", `[{"id":-1,"content":"<s>"}]`), `"<s>" has the id -1, want 3`},
		{70, "added-twice", with("added_tokens", `[{"id":3,"content":"<s>"},{"id":3,"content":"<s>"}]`), `"<s>" occurs twice`},
		{70, "token-twice", withModel(`{"a":0,"b":1,"a":2}`, "[]", ""), `token "a" occurs twice`},

		{71, "merge-of-unknown", withModel(`{"a":0,"b":1}`, `["a c"]`, ""), "which or whose union the vocabulary does not have"},
		{71, "merge-to-unknown", withModel(`{"a":0,"b":1}`, `["a b"]`, ""), "which or whose union the vocabulary does not have"},
		{71, "merge-cycle", withModel(`{"a":0,"b":1,"":2}`, `[["a",""]]`, ""), "a token is empty"},
		{71, "merge-twice", withModel(`{"a":0,"b":1,"ab":2}`, `["a b",["a","b"]]`, ""), `number 1 merges "a" and "b" again`},
		{71, "merge-of-three", withModel(`{"a":0,"b":1,"ab":2}`, `["a b a"]`, ""), "3 parts instead of 2"},
		{71, "merge-of-one", withModel(`{"a":0,"b":1,"ab":2}`, `[["a"]]`, ""), "1 parts instead of 2"},
		{71, "merge-number", withModel(`{"a":0,"b":1,"ab":2}`, `[7]`, ""), "model: merges"},

		{72, "empty-token", withModel(`{"a":0,"b":1,"":2}`, `[]`, ""), "a token is empty"},
		{72, "empty-added", with("added_tokens", `[{"id":3,"content":""}]`), "a content of 0 bytes"},

		{73, "nested-64", with("pre_tokenizer", nested(64)), "more than 8 sequences are nested"},
		{73, "nested-normalizer", with("normalizer", strings.Repeat(`{"type":"Sequence","normalizers":[`, 20)+strings.Repeat(`]}`, 20)), "more than 8 sequences are nested"},
		{73, "nested-decoder", with("decoder", strings.Repeat(`{"type":"Sequence","decoders":[`, 20)+strings.Repeat(`]}`, 20)), "more than 8 sequences are nested"},

		{74, "long-added", with("added_tokens", `[{"id":3,"content":"`+strings.Repeat("x", maxAdded+1)+`"}]`), "a content of 513 bytes"},
		{74, "long-pattern", withSplit(strings.Repeat("x", maxPattern+1)), "a pattern of 4097 bytes is over the limit"},

		{75, "carets", document(map[string]string{
			"model":         `{"type":"BPE","vocab":{"^":0,"^^":1,"^^^^":2,"b":3},"merges":["^ ^","^^ ^^"],"unk_token":"b"}`,
			"added_tokens":  "[]",
			"pre_tokenizer": fmt.Sprintf(`{"type":"Split","pattern":{"Regex":%q},"behavior":"Isolated"}`, patternLlama3),
		}), ""},

		{76, "byte-minus", withModel(byteVocabulary(map[string]string{"<0x07>": "<0x-1>"}), `[]`, `,"byte_fallback":true`), `"<0x-1>" is no byte`},
		{76, "byte-zz", withModel(byteVocabulary(map[string]string{"<0x07>": "<0xZZ>"}), `[]`, `,"byte_fallback":true`), `"<0xZZ>" is no byte`},
		{76, "byte-missing", withModel(byteVocabulary(map[string]string{"<0x07>": "x"}), `[]`, `,"byte_fallback":true`), `there is no token "<0x07>" for the byte 0x07`},
		{76, "byte-good", withModel(byteVocabulary(nil), `[]`, `,"byte_fallback":true`), `"<s>" has the id 3, want 257`},

		{0, "unigram", with("model", `{"type":"Unigram","vocab":[],"unk_id":0}`), `the type "Unigram" is unsupported: BPE alone is read`},
		{0, "wordpiece", with("model", `{"type":"WordPiece","vocab":{}}`), `the type "WordPiece" is unsupported`},
		{0, "no-model", with("model", `null`), "model is missing"},
		{0, "prefix", withModel(`{"a":0,"b":1}`, "[]", `,"continuing_subword_prefix":"##"`), "continuing_subword_prefix \"##\" is unsupported"},
		{0, "dropout", withModel(`{"a":0,"b":1}`, "[]", `,"dropout":0.1`), "dropout is unsupported"},
		{0, "unknown-key", withModel(`{"a":0,"b":1}`, "[]", `,"Vocab":{}`), `the key "Vocab" is unknown`},
		{0, "key-twice", `{"model":null,"model":null}`, `"model" occurs twice`},
		{0, "no-unknown", with("model", `{"type":"BPE","vocab":{"a":0},"merges":[]}`), "unknown characters would vanish"},
		{0, "normalizer", with("normalizer", `{"type":"Lowercase"}`), `the type "Lowercase" is unsupported`},
		{0, "pre-tokenizer", with("pre_tokenizer", `{"type":"BertPreTokenizer"}`), `the type "BertPreTokenizer" is unsupported`},
		{0, "decoder", with("decoder", `{"type":"WordPiece"}`), `the type "WordPiece" is unsupported`},
		{0, "no-decoder", with("decoder", `null`), "decoder: none is unsupported"},
		{0, "processor", with("post_processor", `{"type":"BertProcessing"}`), `the type "BertProcessing" is unsupported`},
		{0, "template", with("post_processor", `{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<x>","type_id":0}}],"pair":[],"special_tokens":{}}`), `special_tokens do not have "<x>"`},
		{0, "template-id", with("post_processor", `{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<x>","type_id":0}}],"pair":[],"special_tokens":{"<x>":{"id":"<x>","ids":[4],"tokens":["<x>"]}}}`), "the id 4"},
		{0, "behavior", with("pre_tokenizer", `{"type":"Split","pattern":{"String":" "},"behavior":"Glued"}`), `behavior: "Glued" is unsupported`},
		{0, "byte-level-twice", with("pre_tokenizer", `{"type":"Sequence","pretokenizers":[{"type":"ByteLevel"},{"type":"ByteLevel"}]}`), "ByteLevel occurs twice"},
		{0, "bytes-missing", with("pre_tokenizer", `{"type":"ByteLevel"}`), "for the byte 0x00"},
		{0, "list", `[]`, "is no JSON object"},
		{0, "empty", ``, "is not valid JSON"},
		{0, "trailing", document(nil) + "{}", "is not valid JSON"},
		{0, "not-utf8", "{\"\xff\":1}", "is not valid UTF-8"},
	}
}

func TestFaultyTokenizersGiveOneErrorThatNamesTheFault(t *testing.T) {
	for _, s := range tokenizerSeeds() {
		p, err := ParseHuggingFace([]byte(s.file), "")
		switch {
		case s.want == "":
			if err != nil {
				t.Errorf("row %d, %s: %v", s.row, s.name, err)
				continue
			}
			text := map[bool]string{false: "aab<s>", true: strings.Repeat("^", 4096)}[s.row == 75]
			ids := p.Append(nil, []byte(text))
			if back, err := p.Decode(ids); err != nil || string(back) != text {
				t.Errorf("row %d, %s: %v is %.40q (%v)", s.row, s.name, ids, back, err)
			}
		case err == nil || !strings.Contains(err.Error(), s.want) || !strings.HasPrefix(err.Error(), "tokenizer.json: ") || strings.Contains(err.Error(), "\n"):
			t.Errorf("row %d, %s: got %v, want %q", s.row, s.name, err, s.want)
		}
	}
	if _, err := ParseHuggingFace([]byte(document(nil)), "</s>"); err == nil || !strings.Contains(err.Error(), `no token "</s>"`) {
		t.Error(err)
	}
}

// TestTheTokenizerSeedsAreCommitted: go test -run TheTokenizerSeeds -update writes them.
func TestTheTokenizerSeedsAreCommitted(t *testing.T) {
	dir := filepath.Join("testdata", "fuzz", "FuzzTokenizer")
	for _, s := range tokenizerSeeds() {
		path := filepath.Join(dir, fmt.Sprintf("row%d-%s", s.row, s.name))
		content := fmt.Appendf(nil, "go test fuzz v1\n[]byte(%q)\n[]byte(%q)\n", s.file, "aabc<s> 12\n"+strings.Repeat("^", 100))
		if *update {
			if err := os.MkdirAll(dir, 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, content, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		if committed, err := os.ReadFile(path); err != nil || !bytes.Equal(committed, content) {
			t.Errorf("%s is not what tokenizerSeeds makes (%v)", path, err)
		}
	}
}

// TestLargeTokenizersAreRefusedAtOnce: row 73 at its full depth, row 74 at its full size. At
// most twice the file and 64 MiB, allocated in all, and a second, with a tenfold margin for
// a busy machine.
func TestLargeTokenizersAreRefusedAtOnce(t *testing.T) {
	var vocab bytes.Buffer
	vocab.WriteString(`{"b":0`)
	for i := 1; i <= maxVocabulary; i++ {
		fmt.Fprintf(&vocab, `,"t%d":%d`, i, i)
	}
	vocab.WriteString("}")
	for _, c := range []struct{ name, file, want string }{
		{"10000 sequences", with("pre_tokenizer", nested(10_000)), "nested too deep"},
		{"100 MiB", strings.Repeat("x", maxVocabBytes+1), "over the limit of 104857600"},
		{"2^19 tokens and one", withModel(vocab.String(), "[]", ""), "has the id 524288"},
	} {
		raw := []byte(c.file)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		_, err := ParseHuggingFace(raw, "")
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %.200v, want %q", c.name, err, c.want)
		}
		grown := after.TotalAlloc - before.TotalAlloc
		t.Logf("%s: %d MiB allocated for a file of %d, in %v", c.name, grown>>20, len(raw)>>20, took)
		if grown > uint64(2*len(raw)+64<<20) || took > 10*time.Second {
			t.Errorf("%s: %d MiB allocated for a file of %d, in %v", c.name, grown>>20, len(raw)>>20, took)
		}
	}
}

// TestLongTextsTakeLinearTime: row 75, and what else is one word or no word for a pattern.
// The limit is what a hundred times the work would take; quadratic time is 10⁶ times.
func TestLongTextsTakeLinearTime(t *testing.T) {
	const n = 1 << 16
	texts := []string{
		strings.Repeat("^", 16*n), strings.Repeat("a", 16*n), strings.Repeat(" ", 16*n), strings.Repeat("\n", n) + strings.Repeat(" ", n) + "x",
		strings.Repeat("1", n), strings.Repeat("e\u0301", n), strings.Repeat("▁", n), strings.Repeat("<", n), strings.Repeat("\xff", n),
	}
	for name, p := range pipelines(t) {
		of := texts
		if name != "gpt_neox" && name != "llama3" && name != "llama" {
			of = texts[3:]
		}
		for _, text := range of {
			start := time.Now()
			ids := p.Append(nil, []byte(text))
			if took := time.Since(start); took > 60*time.Second {
				t.Errorf("%s: %.3q takes %v", name, text, took)
			}
			if len(ids) > len(text)+2 {
				t.Errorf("%s: %.3q: %d ids", name, text, len(ids))
			}
		}
	}
}

// FuzzTokenizer: any tokenizer.json is read or refused; one that is read encodes any text to
// ids of its own, piece by piece as at once, and decodes them.
func FuzzTokenizer(f *testing.F) {
	paths, err := filepath.Glob("testdata/huggingface/*.json")
	if err != nil || len(paths) < 12 {
		f.Fatal(len(paths), err)
	}
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw, []byte("It's we'll  x\n\n 日本 \xff\x00 1² <s>"))
	}
	f.Fuzz(func(t *testing.T, raw, text []byte) {
		p, err := ParseHuggingFace(raw, "")
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Fatalf("more than one line: %v", err)
			}
			return
		}
		checkPipeline(t, p, text)
	})
}

// FuzzText: any text, with the committed tokenizers.
func FuzzText(f *testing.F) {
	all := pipelines(f)
	f.Add([]byte("It's we'll  x\n\n 日本 \xff\x00 1² <s>e\u0301 <mask>"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for name, p := range all {
			ids := checkPipeline(t, p, text)
			if back, err := p.Decode(ids); slices.Contains(lossless, name) && !(name == "gemma" && bytes.ContainsRune(text, '▁')) && (err != nil || !bytes.Equal(back, text)) {
				t.Fatalf("%s: %q comes back as %q (%v)", name, text, back, err)
			}
		}
	})
}

func checkPipeline(t *testing.T, p *Pipeline, text []byte) []int64 {
	ids := p.Append(nil, text)
	if _, err := p.Decode(ids); err != nil {
		t.Fatal(err)
	}
	settled, n := p.AppendSettled(nil, text[:len(text)*2/3])
	if whole := p.Append(settled, text[n:]); !slices.Equal(whole, ids) {
		t.Fatalf("%q settles %d bytes: %v, want %v", text, n, whole, ids)
	}
	return ids
}
