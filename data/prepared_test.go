package data

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moezoo/moezoo/data/corpus"
	"github.com/moezoo/moezoo/data/tokenizer"
)

// prepared writes a folder of two parts with small shards.
func prepared(t *testing.T) (dir string, texts []string) {
	t.Helper()
	dir = t.TempDir()
	w := NewWriter(dir, tokenizer.Bytes{}, 200)
	m := &Manifest{}
	for part, weight := range []uint64{3, 1} {
		p := w.Part(fmt.Sprint("part ", part), weight)
		for i := range 9 {
			text := strings.Repeat(fmt.Sprintf("%d.%d ", part, i), 7+i)
			texts = append(texts, text)
			d := corpus.FromBytes("document", []byte(text))
			sum, err := DocumentHash(context.Background(), d)
			if err != nil {
				t.Fatal(err)
			}
			cut := d.Size
			if i == 4 {
				cut = 10
			}
			if i%2 == 0 {
				err = p.Add(Encode(tokenizer.Bytes{}, []byte(text), cut))
			} else {
				err = p.Document(context.Background(), d, cut, sum, 0, nil)
			}
			if err != nil {
				t.Fatal(err)
			}
			m.Total.Bytes += d.Size
			m.Total.HeldBytes += d.Size - cut
		}
	}
	if err := w.Finish(m); err != nil {
		t.Fatal(err)
	}
	return dir, texts
}

// TestPreparedTokensAreTheTexts, whatever the shards.
func TestPreparedTokensAreTheTexts(t *testing.T) {
	dir, texts := prepared(t)
	p, err := OpenPrepared(dir)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(p.Manifest.Parts[0].Train); n < 3 {
		t.Fatalf("%d shards, want several", n)
	}
	var want []int64
	for i, text := range texts {
		if i%9 == 4 {
			text = text[:10]
		}
		if i%9 > 0 {
			want = append(want, 256)
		}
		want = tokenizer.Bytes{}.Append(want, []byte(text))
	}
	got := make([]int64, p.Train.Len())
	if err := p.Train.Copy(got, 0); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("got %v\nwant %v", got, want)
	}
	for _, at := range []int{0, 83, 84, 85, 200, len(want) - 90} { // across the ends of shards
		if err := p.Train.Copy(got[:90], at); err != nil || fmt.Sprint(got[:90]) != fmt.Sprint(want[at:at+90]) {
			t.Fatalf("from %d on: %v, %v", at, got[:90], err)
		}
	}
	var train, held strings.Builder
	for i, text := range texts {
		cut := len(text)
		if i%9 == 4 {
			cut = 10
		}
		train.WriteString(text[:cut])
		held.WriteString(text[cut:])
	}
	s := &Set{TrainBytes: int64(train.Len()), text: newText([]corpus.Document{corpus.FromBytes("", []byte(train.String()+held.String()))})}
	for range 2 {
		a, errA := s.Baselines()
		b, errB := p.Baselines() // of the text that the tokens decode to
		if errA != nil || errB != nil || a != b {
			t.Fatalf("baselines %+v, %v, want %+v, %v", b, errB, a, errA)
		}
		s, p.Set = &Set{text: s.text}, p.AllHeld()
	}
}

// TestChangedPreparedDataIsRefused, whatever of it has changed.
func TestChangedPreparedDataIsRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(dir string) error
		want   string
	}{
		{"a shard", func(dir string) error { return flip(filepath.Join(dir, "train-000-00001.tokens"), 40) }, "has changed since it was prepared"},
		{"a shard is gone", func(dir string) error { return os.Remove(filepath.Join(dir, "held-out-001-00000.tokens")) }, "no such file"},
		{"a shard is another", func(dir string) error {
			return os.Rename(filepath.Join(dir, "train-000-00000.tokens"), filepath.Join(dir, "train-000-00001.tokens"))
		}, "train-000-00000.tokens: no such file"},
		{"the version", edited(`"version": 1`, `"version": 2`), "version 2 of the format is unknown"},
		{"the tokenizer's size", edited(`"size": 257`, `"size": 300`), "the tokenizer bytes has 257 ids, the manifest says 300"},
		{"a name out of the folder", edited(`"train-000-00000.tokens"`, `"../train-000-00000.tokens"`), "is no name of a shard"},
		{"an unknown key", edited(`"dedup"`, `"dedupe"`), `unknown field "dedupe"`},
		{"a weight", edited(`"weight": 3`, `"weight": 0`), "parts[0]: weight 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, _ := prepared(t)
			if err := c.change(dir); err != nil {
				t.Fatal(err)
			}
			p, err := OpenPrepared(dir)
			if err == nil {
				err = p.Check()
				if own := p.Train.Copy(make([]int64, p.Train.Len()), 0); own == nil || own.Error() != err.Error() {
					t.Errorf("reading all tokens: %v, want %v", own, err)
				}
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want %q", err, c.want)
			}
		})
	}
}

func flip(path string, at int) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	raw[at] ^= 1
	return os.WriteFile(path, raw, 0o644)
}

func edited(old, new string) func(dir string) error {
	return func(dir string) error {
		path := filepath.Join(dir, ManifestFile)
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !bytes.Contains(raw, []byte(old)) {
			return fmt.Errorf("there is no %s in %s", old, raw)
		}
		return os.WriteFile(path, bytes.Replace(raw, []byte(old), []byte(new), 1), 0o644)
	}
}

// FuzzManifest: a manifest is read or refused, and what is read is written as it was.
func FuzzManifest(f *testing.F) {
	for _, seed := range []string{
		`{"format": "moezoo-data", "version": 1, "tokenizer": {"kind": "bytes", "size": 257}, "parts": [{"weight": 1, "train": [{"file": "a.tokens", "tokens": 3, "sha256": "` + strings.Repeat("0f", 32) + `"}]}]}`,
		`{"format": "moezoo-data", "version": 1, "tokenizer": {"size": 1e9}, "parts": [{"weight": 18446744073709551615}, {"weight": 2}]}`,
		`{"format": "other"}`, `{}`, `[]`, `null`, `{"format": "moezoo-data", "version": 1} {}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := ParseManifest(raw)
		if err != nil {
			return
		}
		again, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		n, err := ParseManifest(again)
		if err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		if m.hash() != n.hash() {
			t.Fatalf("%s has another hash when it is read again", raw)
		}
	})
}
