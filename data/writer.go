//go:build unix

package data

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/moezoo/moezoo/data/tokenizer"
)

// Writer writes a prepared folder. Its parts are written side by side; the manifest, which
// makes the folder one, comes last.
type Writer struct {
	dir    string
	t      tokenizer.Tokenizer
	most   int
	reader *shardReader
	parts  []*PartWriter
}

// NewWriter begins to write into a folder, in files of at most shardBytes.
func NewWriter(dir string, t tokenizer.Tokenizer, shardBytes int64) *Writer {
	return &Writer{dir: dir, t: t, most: int(max(1, (shardBytes-tokenHeader)/int64(tokenWidth(t.Size())))), reader: newShardReader(t.Size())}
}

// Part begins a part with a weight.
func (w *Writer) Part(name string, weight uint64) *PartWriter {
	shards := func(kind string) *shardWriter {
		return &shardWriter{folder: w.dir, name: fmt.Sprintf("%s-%03d", kind, len(w.parts)), vocabulary: w.t.Size(), most: w.most, reader: w.reader}
	}
	p := &PartWriter{part: Part{Name: name, Weight: weight}, train: shards("train"), held: shards("held-out"), words: wordStream{t: w.t}}
	w.parts = append(w.parts, p)
	return p
}

// Written is how many tokens a part has.
type Written struct {
	Train int `json:"train"`
	Held  int `json:"held_out"`
}

// Files is the number of files that are whole.
func (w *Writer) Files() (n int) {
	for _, p := range w.parts {
		n += len(p.train.shards) + len(p.held.shards)
	}
	return n
}

// Save makes durable what has been written, and answers how much that is.
func (w *Writer) Save() (all []Written, err error) {
	for _, p := range w.parts {
		err = errors.Join(err, p.train.save(), p.held.save())
		all = append(all, p.Written())
	}
	return all, err
}

// Restore goes on from the files of a writer of the same parts that saved so much. Without an
// error they hold that; [Writer.Close] lets go of them, also after one.
func (w *Writer) Restore(all []Written) error {
	if len(all) != len(w.parts) {
		return fmt.Errorf("%d parts were saved, want %d", len(all), len(w.parts))
	}
	for i, n := range all {
		if n.Train < 0 || n.Held < 0 {
			return fmt.Errorf("part %d holds %d and %d tokens", i, n.Train, n.Held)
		}
		if err := errors.Join(w.parts[i].train.restore(n.Train), w.parts[i].held.restore(n.Held)); err != nil {
			return err
		}
	}
	return w.removeOthers()
}

// removeOthers removes what came into the folder behind a saving. Hidden files are not the
// writer's.
func (w *Writer) removeOthers() error {
	ours := map[string]bool{}
	for _, p := range w.parts {
		for _, s := range []*shardWriter{p.train, p.held} {
			for _, whole := range s.shards {
				ours[whole.File] = true
			}
			if s.open != nil {
				ours[filepath.Base(s.open.file.Name())] = true
			}
		}
	}
	there, err := os.ReadDir(w.dir)
	for _, e := range there {
		if name := e.Name(); !ours[name] && !strings.HasPrefix(name, ".") {
			err = errors.Join(err, os.Remove(filepath.Join(w.dir, name)))
		}
	}
	return err
}

// Close waits for what is at work, and closes the files that are not whole.
func (w *Writer) Close() (err error) {
	w.reader.all.Wait()
	for _, p := range w.parts {
		err = errors.Join(err, p.train.close(), p.held.close())
	}
	return err
}

// Finish writes the tokenizer and the manifest, whose parts, tokenizer and used ids it fills in.
func (w *Writer) Finish(m *Manifest) error {
	m.Format, m.Version = manifestFormat, manifestVersion
	for _, p := range w.parts {
		if err := errors.Join(p.train.finish(), p.held.finish()); err != nil {
			return err
		}
	}
	m.UsedIDs = w.reader.wait()
	for _, p := range w.parts {
		part := ManifestedPart{Name: p.part.Name, Weight: p.part.Weight}
		for _, f := range []struct {
			to   *[]Shard
			from *shardWriter
		}{{&part.Train, p.train}, {&part.Held, p.held}} {
			for _, s := range f.from.shards {
				if s.err != nil {
					return s.err
				}
				*f.to = append(*f.to, s.Shard)
			}
		}
		m.Parts = append(m.Parts, part)
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
