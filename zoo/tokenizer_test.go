package zoo

import (
	"compress/gzip"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/moezoo/moezoo/data/tokenizer"
	"github.com/moezoo/moezoo/importer"
)

func TestTheEndOfTextIsNamedInManyPlaces(t *testing.T) {
	added := []byte(`{"added_tokens": [{"id": 7, "content": "<end>"}]}`)
	for name, c := range map[string]struct {
		files map[string][]byte
		want  string
	}{
		"a word":          {map[string][]byte{"tokenizer_config.json": []byte(`{"eos_token": "</s>"}`)}, "</s>"},
		"an object":       {map[string][]byte{"tokenizer_config.json": []byte(`{"eos_token": {"content": "</s>"}}`)}, "</s>"},
		"the map":         {map[string][]byte{"tokenizer_config.json": []byte(`{"eos_token": null}`), "special_tokens_map.json": []byte(`{"eos_token": "</s>"}`)}, "</s>"},
		"the model's id":  {map[string][]byte{"tokenizer.json": added, importer.OriginFile: []byte(`{"model_type": "mamba", "config": {"eos_token_id": 7}}`)}, "<end>"},
		"an id of none":   {map[string][]byte{"tokenizer.json": added, importer.OriginFile: []byte(`{"model_type": "mamba", "config": {"eos_token_id": 8}}`)}, ""},
		"a list of ids":   {map[string][]byte{"tokenizer.json": added, importer.OriginFile: []byte(`{"model_type": "jamba", "config": {"eos_token_id": [7, 8]}}`)}, "<end>"},
		"nowhere":         {map[string][]byte{"tokenizer.json": added}, ""},
		"of another kind": {map[string][]byte{"tokenizer_config.json": []byte(`{"eos_token": 3}`)}, ""},
	} {
		if got, err := endToken(c.files); err != nil || got != c.want {
			t.Errorf("%s: got %q %v, want %q", name, got, err, c.want)
		}
	}
	if _, err := endToken(map[string][]byte{"tokenizer_config.json": []byte("{")}); err == nil || !strings.Contains(err.Error(), "tokenizer_config.json") {
		t.Errorf("got %v", err)
	}
}

func TestGPT2sFilesAreATokenizer(t *testing.T) {
	files := map[string][]byte{}
	for name, file := range map[string]string{"vocab.json": "vocab.json.gz", "merges.txt": "merges.txt.gz"} {
		f, err := os.Open("../data/tokenizer/gpt2/" + file)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		if files[name], err = io.ReadAll(z); err != nil {
			t.Fatal(err)
		}
	}
	got, err := tokenizerOf(files, 50257)
	if err != nil {
		t.Fatal(err)
	}
	want, err := tokenizer.GPT2()
	if err != nil {
		t.Fatal(err)
	}
	text := []byte("Call me Ishmael. Some years ago")
	if a, b := got.Append(nil, text), want.Append(nil, text); !slices.Equal(a, b) {
		t.Errorf("%v, want %v", a, b)
	}
	delete(files, "merges.txt")
	if _, err := tokenizerOf(files, 50257); err == nil || !strings.Contains(err.Error(), "it knows token ids only") {
		t.Errorf("got %v", err)
	}
}
