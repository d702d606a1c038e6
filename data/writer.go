//go:build unix

package data

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/moezoo/moezoo/data/corpus"
	"github.com/moezoo/moezoo/data/tokenizer"
)

// Writer writes a prepared folder. Its parts are written side by side; the manifest, which
// makes the folder one, comes last.
type Writer struct {
	dir   string
	t     tokenizer.Tokenizer
	most  int
	seen  []bool
	parts []*PartWriter
}

// NewWriter begins to write into a folder, in files of at most shardBytes.
func NewWriter(dir string, t tokenizer.Tokenizer, shardBytes int64) *Writer {
	width := int64(4)
	if t.Size() <= 1<<16 {
		width = 2
	}
	return &Writer{dir: dir, t: t, most: int(max(1, (shardBytes-tokenHeader)/width)), seen: make([]bool, t.Size())}
}

// PartWriter takes the documents of one part.
type PartWriter struct {
	part        Part
	train, held *shardWriter
	words       wordStream
}

// Part begins a part with a weight.
func (w *Writer) Part(name string, weight uint64) *PartWriter {
	shards := func(kind string) *shardWriter {
		return &shardWriter{folder: w.dir, name: fmt.Sprintf("%s-%03d", kind, len(w.parts)), vocabulary: w.t.Size(), most: w.most, seen: w.seen}
	}
	p := &PartWriter{part: Part{Name: name, Weight: weight}, train: shards("train"), held: shards("held-out"), words: wordStream{t: w.t}}
	w.parts = append(w.parts, p)
	return p
}

// Document tokenizes a document, its first cut bytes for training, the rest held out. sum is
// the SHA-256 it was known by before: a document that has changed is an error. It answers how
// many tokens both have gained.
func (p *PartWriter) Document(ctx context.Context, d corpus.Document, cut int64, sum [sha256.Size]byte) (train, held int, err error) {
	train, held = p.train.Len(), p.held.Len()
	p.words.ctx, p.words.hash = ctx, sha256.New()
	if err := p.words.document(d, cut, p.train, p.held); err != nil {
		return 0, 0, err
	}
	if !bytes.Equal(p.words.hash.Sum(nil), sum[:]) {
		return 0, 0, fmt.Errorf("%s: has changed while it was read", d.Name)
	}
	return p.train.Len() - train, p.held.Len() - held, nil
}

// Finish writes the tokenizer and the manifest, whose parts, tokenizer and used ids it fills in.
func (w *Writer) Finish(m *Manifest) error {
	m.Format, m.Version = manifestFormat, manifestVersion
	for _, p := range w.parts {
		if err := errors.Join(p.train.finish(), p.held.finish()); err != nil {
			return err
		}
		m.Parts = append(m.Parts, ManifestedPart{p.part.Name, p.part.Weight, p.train.shards, p.held.shards})
	}
	for _, used := range w.seen {
		if used {
			m.UsedIDs++
		}
	}
	var raw []byte
	var err error
	if m.Tokenizer, raw, err = entryOf(w.t); err != nil {
		return err
	}
	if raw != nil {
		if err := w.writeTokenizer(raw); err != nil {
			return err
		}
	}
	if raw, err = json.MarshalIndent(m, "", "  "); err != nil {
		return err
	}
	return writeSynced(filepath.Join(w.dir, ManifestFile), append(raw, '\n'))
}

// writeTokenizer writes a tokenizer.json, and beside it which token ends a document, for who
// takes it from here.
func (w *Writer) writeTokenizer(raw []byte) error {
	files, err := tokenizer.HuggingFace(w.t)
	if err != nil {
		return err
	}
	const settings = "tokenizer_config.json"
	config, err := json.MarshalIndent(files[settings], "", "  ")
	if err != nil {
		return err
	}
	return errors.Join(writeSynced(filepath.Join(w.dir, TokenizerFile), raw), writeSynced(filepath.Join(w.dir, settings), append(config, '\n')))
}

// writeSynced writes a file and makes it durable.
func writeSynced(path string, raw []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	return errors.Join(err, f.Sync(), f.Close())
}

// entryOf describes a tokenizer, and is the tokenizer.json that it needs, if any.
func entryOf(t tokenizer.Tokenizer) (TokenizerEntry, []byte, error) {
	s := t.Spec()
	e := TokenizerEntry{Kind: s.Kind, Size: t.Size()}
	switch {
	case s.Kind == "bpe" && s.Name != "":
		e.Kind = s.Name
		return e, nil, nil
	case s.Kind == "bytes":
		return e, nil, nil
	case s.Kind == TokenizerFile:
		e.End = s.End
		sum := sha256.Sum256(s.JSON)
		e.SHA256 = hex.EncodeToString(sum[:])
		return e, s.JSON, nil
	}
	return e, nil, fmt.Errorf("a tokenizer of the kind %q has no place in prepared data", s.Kind)
}
