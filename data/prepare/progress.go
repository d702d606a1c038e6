package prepare

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/moezoo/moezoo/data"
	"github.com/moezoo/moezoo/data/tokenizer"
	"github.com/moezoo/moezoo/internal/whole"
)

// progressFile says, in the folder of a preparation on its way, how far it has come. It is written
// whenever a token file has become whole.
const progressFile = ".progress.json"

// progress is what a process that was killed leaves to the next one.
type progress struct {
	Command string           `json:"command"` // a hash of what was asked for
	Sources []sourceProgress `json:"sources"` // those before, and the one at work
	Parts   []data.Written   `json:"parts"`
}

// sourceProgress is how far a source has come.
type sourceProgress struct {
	Documents int64  `json:"documents"`
	SHA256    string `json:"sha256"`          // of the SHA-256 of these documents
	Begun     string `json:"begun,omitempty"` // the SHA-256 of the next document
	Bytes     int64  `json:"bytes,omitempty"` // of it whose tokens are written
	data.Written
}

// errOther says that what was kept belongs to other documents, or is damaged.
var errOther = errors.New("what was kept is of no use")

// save makes durable what has been written, and then says so.
func (w *writing) save() (err error) {
	if w.saved.Parts, err = w.out.Save(); err != nil {
		return err
	}
	w.whole = w.out.Files()
	raw, err := json.Marshal(w.saved)
	if err != nil {
		return err
	}
	return whole.Write(filepath.Join(w.dir, progressFile), raw)
}

// removeProgress removes the file, and what an interrupted process was about to make one of.
func removeProgress(dir string) error {
	all, err := os.ReadDir(dir)
	for _, f := range all {
		if strings.Contains(f.Name(), progressFile) {
			err = errors.Join(err, os.Remove(filepath.Join(dir, f.Name())))
		}
	}
	return err
}

// restore goes on from what an earlier process has saved, if it was asked for the same.
func (w *writing) restore() error {
	command, err := w.command()
	if err != nil {
		return err
	}
	w.saved.Command = command
	raw, err := os.ReadFile(filepath.Join(w.dir, progressFile))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	var kept progress
	if err != nil || json.Unmarshal(raw, &kept) != nil || kept.Command != command {
		return clear(w.dir)
	}
	if err := w.out.Restore(kept.Parts); err != nil {
		return errors.Join(errOther, err)
	}
	w.kept, w.whole = kept.Sources, w.out.Files()
	return nil
}

// command is a hash of all that the tokens depend on but the sources' documents.
func (p *preparation) command() (string, error) {
	raw, err := json.Marshal(struct {
		Format    int
		Sources   []string
		Tokenizer tokenizer.Spec
		Field     string
		Lines     bool
		Weights   map[string]float64
		Holdout   float64
		Dedup     bool
		ShardSize int64
	}{1, p.Sources, p.Tokenizer.Spec(), p.Field, p.Lines, p.Weights, p.Holdout, p.Dedup, p.ShardSize})
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:]), err
}
