package data

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"
)

// Names and the version of a prepared folder.
const (
	ManifestFile    = "manifest.json"
	manifestFormat  = "moezoo-data"
	manifestVersion = 1
	maxManifest     = 64 << 20 // bytes
)

// Manifest says what is in a prepared folder.
type Manifest struct {
	Format    string           `json:"format"`
	Version   int              `json:"version"`
	Tokenizer TokenizerEntry   `json:"tokenizer"`
	Holdout   float64          `json:"holdout"`
	Dedup     bool             `json:"dedup"`
	Total     Statistics       `json:"total"`
	UsedIDs   int              `json:"used_ids"` // how many of the vocabulary's ids occur
	Sources   []SourceEntry    `json:"sources"`
	Parts     []ManifestedPart `json:"parts"`
}

// TokenizerEntry names the tokenizer: bytes, gpt2, or a tokenizer.json in the folder.
type TokenizerEntry struct {
	Kind   string `json:"kind"` // "bytes", "gpt2" or "tokenizer.json"
	Size   int    `json:"size"` // number of ids
	End    string `json:"end,omitempty"`
	SHA256 string `json:"sha256,omitempty"` // of the tokenizer.json
}

// SourceEntry is a source as it was when it was read.
type SourceEntry struct {
	Name   string  `json:"name"`
	SHA256 string  `json:"sha256"` // of the SHA-256 of its documents, one behind another
	Weight float64 `json:"weight,omitempty"`
	Statistics
}

// Statistics count documents. Bytes and tokens are those that were kept.
type Statistics struct {
	Documents  int64 `json:"documents"`
	Duplicates int64 `json:"duplicates_dropped"`
	Empty      int64 `json:"empty_dropped"`
	HeldOut    int64 `json:"documents_held_out"` // a document of which a part is held out counts
	Bytes      int64 `json:"bytes"`
	HeldBytes  int64 `json:"bytes_held_out"`
	Tokens     int64 `json:"tokens"` // with those that end documents
	HeldTokens int64 `json:"tokens_held_out"`
	Longest    int64 `json:"longest_document_bytes"`
}

// Add counts what another has counted.
func (s *Statistics) Add(o Statistics) {
	s.Documents += o.Documents
	s.Duplicates += o.Duplicates
	s.Empty += o.Empty
	s.HeldOut += o.HeldOut
	s.Bytes += o.Bytes
	s.HeldBytes += o.HeldBytes
	s.Tokens += o.Tokens
	s.HeldTokens += o.HeldTokens
	s.Longest = max(s.Longest, o.Longest)
}

// ManifestedPart is a part of a mixture: its weight in windows, and its token files.
type ManifestedPart struct {
	Name   string  `json:"name"`
	Weight uint64  `json:"weight"`
	Train  []Shard `json:"train"`
	Held   []Shard `json:"held_out"`
}

// maxRound is how many windows a round of a mixture may have.
const maxRound = 1 << 20

// ParseManifest reads a manifest.json strictly: unknown keys, impossible numbers and names
// that lead out of the folder are errors.
func ParseManifest(raw []byte) (*Manifest, error) {
	if len(raw) > maxManifest {
		return nil, fmt.Errorf("%d bytes are over the limit of %d", len(raw), maxManifest)
	}
	var head struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return nil, err
	}
	switch {
	case head.Format != manifestFormat:
		return nil, fmt.Errorf("the format is %.40q, want %q", head.Format, manifestFormat)
	case head.Version != manifestVersion:
		return nil, fmt.Errorf("version %d of the format is unknown, this program reads %d: prepare the data again", head.Version, manifestVersion)
	}
	m := &Manifest{}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(m); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something follows its end")
	}
	return m, m.check()
}

// check refuses what cannot be.
func (m *Manifest) check() error {
	if m.Tokenizer.Size < 1 || m.Tokenizer.Size > maxVocabFile {
		return fmt.Errorf("tokenizer: size %d, want 1 to %d", m.Tokenizer.Size, maxVocabFile)
	}
	if m.Total.HeldBytes < 0 || m.Total.Bytes < m.Total.HeldBytes {
		return fmt.Errorf("total: %d of %d bytes held out", m.Total.HeldBytes, m.Total.Bytes)
	}
	if len(m.Parts) == 0 {
		return errors.New("there are no parts")
	}
	round, tokens := uint64(0), 0
	for i, p := range m.Parts {
		if p.Weight < 1 || p.Weight > maxRound || round+p.Weight > maxRound {
			return fmt.Errorf("parts[%d]: weight %d: want at least 1, and %d in all", i, p.Weight, maxRound)
		}
		round += p.Weight
		for _, s := range append(p.Train[:len(p.Train):len(p.Train)], p.Held...) {
			switch sum, err := hex.DecodeString(s.SHA256); {
			case filepath.Base(s.File) != s.File || !strings.HasSuffix(s.File, ".tokens"):
				return fmt.Errorf("parts[%d]: %.80q is no name of a shard", i, s.File)
			case s.Tokens < 1 || s.Tokens > math.MaxInt-tokens:
				return fmt.Errorf("parts[%d]: %s: %d tokens", i, s.File, s.Tokens)
			case err != nil || len(sum) != sha256.Size:
				return fmt.Errorf("parts[%d]: %s: %.80q is no SHA-256", i, s.File, s.SHA256)
			}
			tokens += s.Tokens
		}
	}
	return nil
}

// hash tells prepared data apart by what training sees of it: the tokenizer, the parts'
// weights and their token files. Where the sources lay does not matter.
func (m *Manifest) hash() string {
	h := sha256.New()
	fmt.Fprintf(h, "%s %d\n%s %d %q %s\n", manifestFormat, m.Version, m.Tokenizer.Kind, m.Tokenizer.Size, m.Tokenizer.End, m.Tokenizer.SHA256)
	for _, p := range m.Parts {
		fmt.Fprintf(h, "part %d\n", p.Weight)
		for _, s := range p.Train {
			fmt.Fprintf(h, "train %s\n", s.SHA256)
		}
		for _, s := range p.Held {
			fmt.Fprintf(h, "held %s\n", s.SHA256)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}
