package prepare

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moezoo/moezoo/data"
	"github.com/moezoo/moezoo/data/corpus"
	"github.com/moezoo/moezoo/data/tokenizer"
)

// write puts files into a new folder and goes there.
func write(t *testing.T, files map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func zipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text))
	_ = z.Close()
	return b.String()
}

// lines is a JSONL file of texts.
func lines(texts ...string) string {
	var b strings.Builder
	for i, text := range texts {
		raw, _ := json.Marshal(map[string]any{"text": text, "id": i})
		b.Write(append(raw, '\n'))
	}
	return b.String()
}

func options(sources ...string) Options {
	return Options{Sources: sources, Out: "out", Tokenizer: tokenizer.Bytes{}, Field: DefaultField, ShardSize: DefaultShardSize}
}

// documents are the texts of the training part, and of what is held out.
func documents(t *testing.T, dir string) (train, held []string) {
	t.Helper()
	p, err := data.OpenPrepared(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i, tokens := range []data.Tokens{p.Train, p.Held} {
		ids := make([]int64, tokens.Len())
		if err := tokens.Copy(ids, 0); err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		for _, id := range ids {
			if id == 256 {
				text.WriteByte(0)
			} else {
				text.WriteByte(byte(id))
			}
		}
		if text.Len() > 0 {
			*[]*[]string{&train, &held}[i] = strings.Split(text.String(), "\x00")
		}
	}
	return train, held
}

func TestSourcesAreReadInOrder(t *testing.T) {
	write(t, map[string]string{
		"b.txt": "of b", "folder/z.txt": "of z", "folder/a/deep.jsonl": lines("deep one", "deep two"), "folder/b.json.gz": zipped(lines("none")),
		"folder/.hidden": "hidden", "c.jsonl.gz": zipped("\n" + lines("c one", "", "c two\n") + `{"text": null}`),
	})
	o := options("b.txt", "folder", "c.jsonl.gz", "-")
	o.Stdin, o.Lines = strings.NewReader(lines("piped")), true
	m, err := Prepare(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	train, held := documents(t, "out")
	want := []string{"of b", "deep one", "deep two", "none", "of z", "c one", "c two\n", "piped"}
	if fmt.Sprintf("%q", train) != fmt.Sprintf("%q", want) || held != nil {
		t.Fatalf("got %q and %q, want %q", train, held, want)
	}
	if m.Total.Documents != 8 || m.Total.Empty != 2 || m.Total.Longest != 8 || m.Total.Bytes != 44 || m.Total.Tokens != 44+7 || m.UsedIDs != 15 {
		t.Errorf("counted %+v and %d ids", m.Total, m.UsedIDs)
	}
	o.Sources, o.Out, o.Lines = []string{"folder/b.json.gz"}, "text", false // as nobody said that it has lines
	if _, err := Prepare(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	if train, _ := documents(t, "text"); len(train) != 1 || train[0] != lines("none") {
		t.Errorf("a .json file is %q", train)
	}
}

func TestRepeatsAreDropped(t *testing.T) {
	write(t, map[string]string{"a.jsonl": lines("one", "two", "one"), "b.jsonl": lines("three", "two", "One")})
	o := options("a.jsonl", "b.jsonl")
	o.Dedup = true
	m, err := Prepare(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	train, _ := documents(t, "out")
	if want := []string{"one", "two", "three", "One"}; fmt.Sprint(train) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", train, want)
	}
	if m.Sources[0].Duplicates != 1 || m.Sources[1].Duplicates != 1 {
		t.Errorf("counted %+v", m.Sources)
	}
}

// TestWholeDocumentsAreHeldOut, equal ones on one side, as many as wanted.
func TestWholeDocumentsAreHeldOut(t *testing.T) {
	var texts []string
	for i := range 3000 {
		texts = append(texts, fmt.Sprint("document ", i%1500))
	}
	write(t, map[string]string{"a.jsonl": lines(texts...)})
	o := options("a.jsonl")
	o.Holdout = 0.1
	m, err := Prepare(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	train, held := documents(t, "out")
	if len(train)+len(held) != 3000 || len(held) < 220 || len(held) > 380 { // four standard deviations
		t.Errorf("%d and %d documents", len(train), len(held))
	}
	side := map[string]bool{}
	for _, d := range train {
		side[d] = true
	}
	for _, d := range held {
		if side[d] {
			t.Fatalf("%q is on both sides", d)
		}
	}
	if m.Total.HeldOut != int64(len(held)) || m.Total.HeldTokens != m.Total.HeldBytes+int64(len(held)-1) {
		t.Errorf("counted %+v", m.Total)
	}
}

// TestTheEndOfASingleTextIsHeldOut, from a line on, as zoo train does it.
func TestTheEndOfASingleTextIsHeldOut(t *testing.T) {
	text := strings.Repeat("a line of text\n", 100)
	write(t, map[string]string{"a.txt": text})
	o := options("a.txt")
	o.Holdout = 0.1
	if _, err := Prepare(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	set, err := data.NewSet(context.Background(), []corpus.Document{corpus.FromBytes("a.txt", []byte(text))}, tokenizer.Bytes{}, 0.1, "")
	if err != nil {
		t.Fatal(err)
	}
	train, held := documents(t, "out")
	if len(held) != 1 || int64(len(train[0])) != set.TrainBytes || train[0]+held[0] != text {
		t.Errorf("%d bytes and %q, want %d", len(train[0]), held, set.TrainBytes)
	}
}

func TestSourcesWithWeightsArePartsOfAMixture(t *testing.T) {
	write(t, map[string]string{"a.txt": "aaa", "b.txt": "bb", "c.txt": "c"})
	o := options("a.txt", "b.txt", "c.txt")
	o.Weights = map[string]float64{"b.txt": 0.7}
	m, err := Prepare(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if p := m.Parts; len(p) != 2 || p[0].Name != "b.txt" || p[0].Weight != 7 || p[1].Name != "a.txt, c.txt" || p[1].Weight != 3 || p[1].Train[0].Tokens != 5 {
		t.Errorf("parts %+v", p)
	}
}

// TestFaultsLeaveNothing and are named.
func TestFaultsLeaveNothing(t *testing.T) {
	files := map[string]string{
		"a.txt": "text", "good.jsonl": lines("one"), "empty.jsonl": lines("", ""),
		"broken.jsonl": lines("one") + "\n{\"text\": ", "list.jsonl": "[1]\n", "number.jsonl": `{"text": 3}`, "other.jsonl": `{"body": "x", "id": 1}`,
		"false.gz": "no gzip",
	}
	for _, c := range []struct {
		name   string
		change func(o *Options)
		want   string
	}{
		{"broken", func(o *Options) { o.Sources = []string{"a.txt", "broken.jsonl"} }, `broken.jsonl: line 3: is no JSON object`},
		{"no object", func(o *Options) { o.Sources = []string{"list.jsonl"} }, `list.jsonl: line 1: is no JSON object: "[1]"`},
		{"no string", func(o *Options) { o.Sources = []string{"number.jsonl"} }, `number.jsonl: line 1: the field "text" is 3, want a string`},
		{"no field", func(o *Options) { o.Sources = []string{"other.jsonl"} }, `other.jsonl: line 1: has no field "text": its fields are "body", "id"; --field names another`},
		{"no gzip", func(o *Options) { o.Sources = []string{"false.gz"} }, "false.gz: is no gzip file"},
		{"no text", func(o *Options) { o.Sources = []string{"empty.jsonl"} }, "there is no document with text"},
		{"not there", func(o *Options) { o.Sources = []string{"nowhere"} }, "no such file"},
		{"no source", func(o *Options) { o.Sources = nil }, "there is no source"},
		{"twice", func(o *Options) { o.Sources = []string{"a.txt", "a.txt"} }, "a.txt is given twice"},
		{"out is there", func(o *Options) { o.Out = "a.txt" }, "a.txt: exists already"},
		{"holdout", func(o *Options) { o.Holdout = 1 }, "holdout 1: want"},
		{"shards", func(o *Options) { o.ShardSize = 10 }, "a shard size of 10 bytes"},
		{"weight of another", func(o *Options) { o.Weights = map[string]float64{"x": 0.5} }, "the weight of x: it is none of the sources"},
		{"weights over 1", func(o *Options) { o.Weights = map[string]float64{"a.txt": 0.7, "good.jsonl": 0.7} }, "add up to more than 1"},
		{"weights under 1", func(o *Options) { o.Weights = map[string]float64{"a.txt": 0.7, "good.jsonl": 0.2} }, "add up to 0.9: want 1"},
		{"nothing left", func(o *Options) { o.Weights = map[string]float64{"a.txt": 1} }, "leave nothing"},
		{"no share", func(o *Options) { o.Weights = map[string]float64{"a.txt": 0} }, "the weight 0 of a.txt"},
	} {
		t.Run(c.name, func(t *testing.T) {
			write(t, files)
			o := options("a.txt", "good.jsonl")
			c.change(&o)
			before, _ := os.ReadDir(".")
			if _, err := Prepare(context.Background(), o); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if after, _ := os.ReadDir("."); len(after) != len(before) {
				t.Errorf("left behind: %v", after)
			}
		})
	}
}

func TestInterruptedPreparationsLeaveNothing(t *testing.T) {
	write(t, map[string]string{"a.jsonl": lines("one", "two", "three")})
	ctx, cancel := context.WithCancel(context.Background())
	o := options("a.jsonl")
	o.Progress = func(Progress) { cancel() }
	if _, err := Prepare(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if left, _ := os.ReadDir("."); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

// FuzzLines: a line is a text or an error, never a panic.
func FuzzLines(f *testing.F) {
	for _, seed := range []string{lines("one", "two"), "\n\r\n{\"text\": \"\\ud800\"}", `{"text": null}`, `{"text": {"a": 1}}`, `{"text": "a"`, "{\"text\": \"\xff\"}", "null\n1\n\"x\"", strings.Repeat("[", 10_001)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		err := eachLine(context.Background(), corpus.FromBytes("f", raw), "text", func(d corpus.Document) error {
			if !strings.HasPrefix(d.Name, "f: line ") {
				t.Errorf("a document is called %q", d.Name)
			}
			return nil
		})
		if err != nil && !strings.HasPrefix(err.Error(), "f: line ") {
			t.Errorf("error %v names no line", err)
		}
	})
}
