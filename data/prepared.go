//go:build unix

package data

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/moezoo/moezoo/data/corpus"
	"github.com/moezoo/moezoo/data/tokenizer"
)

// Prepared is what a prepared folder holds.
type Prepared struct {
	*Set
	Manifest  *Manifest
	Tokenizer tokenizer.Tokenizer

	train, held *chain
}

// TokenizerFile is the tokenizer in a prepared folder that has one of its own.
const TokenizerFile = "tokenizer.json"

// IsPrepared reports whether a path is a folder of prepared data rather than of texts.
func IsPrepared(path string) bool {
	if info, err := os.Stat(filepath.Join(path, ManifestFile)); err != nil || !info.Mode().IsRegular() {
		return false
	}
	shards, err := filepath.Glob(filepath.Join(path, "*.tokens"))
	return err == nil && len(shards) > 0
}

// OpenPrepared reads a prepared folder and maps its token files, which takes no longer for large
// ones. A file is held against the manifest's checksum before its first token is read: what is
// not as it was prepared is never trained on, but may be found out late. [Prepared.Check] looks at
// all files. What changes behind the first reading is not noticed.
func OpenPrepared(dir string) (*Prepared, error) {
	m, err := readManifest(filepath.Join(dir, ManifestFile))
	if err != nil {
		return nil, err
	}
	p := &Prepared{Manifest: m, Set: &Set{Hash: m.hash(), HeldBytes: m.Total.HeldBytes, TrainBytes: m.Total.Bytes - m.Total.HeldBytes}}
	if p.Tokenizer, err = m.Tokenizer.load(dir); err != nil {
		return nil, err
	}
	train, held := &chain{}, &chain{}
	for _, part := range m.Parts {
		t, err := openShards(dir, part.Train, m.Tokenizer.Size)
		if err != nil {
			return nil, err
		}
		h, err := openShards(dir, part.Held, m.Tokenizer.Size)
		if err != nil {
			return nil, err
		}
		p.parts = append(p.parts, Part{part.Name, t, part.Weight})
		train.append(t)
		held.append(h)
	}
	p.Train, p.Held, p.train, p.held = train, held, train, held
	p.decode = func() (text, int64, error) { return p.decodedText(train, held) }
	return p, nil
}

// Check holds all token files against the manifest's checksums; the error names those that differ.
func (p *Prepared) Check() error {
	return errors.Join(p.train.check(), p.held.check())
}

// decodedText is what the tokens stand for, which is what they were made of but for what the
// tokenizer normalizes, and the size of its training part.
func (p *Prepared) decodedText(parts ...*chain) (all text, cut int64, err error) {
	var docs []corpus.Document
	for _, tokens := range parts {
		open := func() (io.ReadCloser, error) { return &decoded{t: p.Tokenizer, from: tokens}, nil }
		stream, err := open()
		if err != nil {
			return all, 0, err
		}
		size, err := io.Copy(io.Discard, stream)
		if err != nil {
			return all, 0, err
		}
		docs = append(docs, corpus.New("decoded tokens", size, open))
	}
	return newText(docs), docs[0].Size, nil
}

func readManifest(path string) (*Manifest, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if err != nil {
		return nil, err
	}
	m, err := ParseManifest(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// load makes the tokenizer.
func (e TokenizerEntry) load(dir string) (t tokenizer.Tokenizer, err error) {
	switch e.Kind {
	case "bytes":
		t = tokenizer.Bytes{}
	case "gpt2":
		t, err = tokenizer.GPT2()
	case TokenizerFile:
		path := filepath.Join(dir, TokenizerFile)
		var raw []byte
		if raw, err = os.ReadFile(path); err != nil {
			return nil, err
		}
		if sum := sha256.Sum256(raw); hex.EncodeToString(sum[:]) != e.SHA256 {
			return nil, fmt.Errorf("%s: has changed since the data was prepared", path)
		}
		t, err = tokenizer.Load(tokenizer.Spec{Kind: e.Kind, JSON: raw, End: e.End, Size: e.Size})
	default:
		err = fmt.Errorf("unknown kind of tokenizer %.40q: bytes, gpt2 and %s are known", e.Kind, TokenizerFile)
	}
	if err == nil && t.Size() != e.Size {
		err = fmt.Errorf("the tokenizer %s has %d ids, the manifest says %d", e.Kind, t.Size(), e.Size)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, ManifestFile), err)
	}
	return t, nil
}

// SameTokenizer is an error when two tokenizers differ in more than how many ids stand for
// no text.
func SameTokenizer(a, b tokenizer.Tokenizer) error {
	x, y := a.Spec(), b.Spec()
	x.Size, y.Size = 0, 0
	rawX, err := json.Marshal(x)
	if err != nil {
		return err
	}
	rawY, err := json.Marshal(y)
	if err == nil && string(rawX) != string(rawY) {
		err = fmt.Errorf("one is %s with %d ids, the other %s with %d", x.Kind, a.Size(), y.Kind, b.Size())
	}
	return err
}

func (c *chain) append(o *chain) {
	for _, f := range o.files {
		c.files, c.ends = append(c.files, f), append(c.ends, c.Len()+f.Len())
	}
}

// decoded is the text of tokens.
type decoded struct {
	t    tokenizer.Tokenizer
	from *chain
	at   int
	ids  []int64
	text []byte // decoded, not yet read
}

// Read decodes on.
func (d *decoded) Read(p []byte) (int, error) {
	for len(d.text) == 0 {
		n := min(chunkBytes, d.from.Len()-d.at)
		if n == 0 {
			return 0, io.EOF
		}
		d.ids = append(d.ids[:0], make([]int64, n)...)
		var err error
		if err = d.from.Copy(d.ids, d.at); err == nil {
			d.text, err = d.t.Decode(d.ids)
		}
		if err != nil {
			return 0, err
		}
		d.at += n
	}
	n := copy(p, d.text)
	d.text = d.text[n:]
	return n, nil
}

// Close does nothing.
func (d *decoded) Close() error { return nil }
