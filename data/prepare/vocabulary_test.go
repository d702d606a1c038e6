package prepare

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
)

// TestVocabularyOfTheStudies is what the command in examples/studies/data/ORIGIN.md makes, byte by byte.
func TestVocabularyOfTheStudies(t *testing.T) {
	folder, err := filepath.Abs("../../examples/studies/data")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	o := options(filepath.Join(folder, "sotu.txt.gz"))
	o.Tokenizer, o.Learn, o.Holdout = nil, 1024, 0.01
	if _, err := Prepare(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tokenizer.json", "tokenizer_config.json"} {
		got, errA := os.ReadFile(filepath.Join("out", name))
		want, errB := os.ReadFile(filepath.Join(folder, "sotu-bpe", name))
		if errA != nil || errB != nil || !bytes.Equal(got, want) {
			t.Errorf("%s differs: %v %v", name, errA, errB)
		}
	}
}
