package prepare

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/moezoo/moezoo/data"
)

// writing is the pass that writes tokens.
type writing struct {
	*preparation
	dir   string
	out   *data.Writer
	parts []*data.PartWriter
	saved progress // of the sources before, and of the one at work
	kept  []sourceProgress
	whole int // files that were so when it was saved last
}

// write tokenizes everything into a folder, or what is left of it. An errOther says that the folder
// must be empty before.
func (p *preparation) write(dir string) (m *data.Manifest, err error) {
	p.pass("writing tokens")
	w := &writing{preparation: p, dir: dir, out: data.NewWriter(dir, p.Tokenizer, p.ShardSize)}
	defer func() { err = errors.Join(err, w.out.Close()) }()
	for i, weight := range p.weights {
		w.parts = append(w.parts, w.out.Part(p.partName(i), weight))
	}
	if err := w.restore(); err != nil {
		return nil, err
	}
	m = &data.Manifest{Holdout: p.Holdout, Dedup: p.Dedup}
	for i, s := range p.sources {
		n, err := w.source(i, s)
		if err != nil {
			return nil, err
		}
		m.Total.Add(n)
		m.Sources = append(m.Sources, data.SourceEntry{Name: s.name, SHA256: hex.EncodeToString(s.hash.Sum(nil)), Weight: p.Weights[s.name], Statistics: n})
	}
	if m.Total.Documents == 0 {
		return nil, fmt.Errorf("%s: there is no document with text", strings.Join(p.Sources, ", "))
	}
	if err := w.out.Finish(m); err != nil {
		return nil, err
	}
	return m, removeProgress(dir)
}

// source writes a source's documents, but for those that an earlier process has written.
func (w *writing) source(i int, s *source) (data.Statistics, error) {
	t := &sourceWriting{writing: w, source: s, part: w.parts[w.partOf(i)]}
	if i < len(w.kept) {
		t.kept, t.over = w.kept[i], i+1 < len(w.kept)
	}
	w.saved.Sources = append(w.saved.Sources, t.kept)
	t.at = &w.saved.Sources[i]
	t.before = t.part.Written()
	t.before.Train -= t.kept.Train
	t.before.Held -= t.kept.Held
	n, err := w.walk(s, visitor{work: t.encode, use: t.put, done: t.done})
	if err == nil && t.number < t.kept.Documents {
		err = errOther
	}
	t.at.SHA256 = hex.EncodeToString(s.hash.Sum(nil))
	n.Tokens, n.HeldTokens = int64(t.at.Train+t.at.Held), int64(t.at.Held)
	return n, err
}

// sourceWriting writes one source.
type sourceWriting struct {
	*writing
	*source
	part   *data.PartWriter
	before data.Written    // what the part had when the source began
	kept   sourceProgress  // of an earlier process
	over   bool            // which had come to the end of this source
	number int64           // documents that are done
	at     *sourceProgress // where this process is
}

// encode tokenizes a short document.
func (t *sourceWriting) encode(d *document) {
	if d.text != nil && d.number >= t.kept.Documents {
		d.tokens = data.Encode(t.Tokenizer, d.text, d.cut)
	}
}

// put writes a document, or what is left of it.
func (t *sourceWriting) put(d *document) error {
	if d.number < t.kept.Documents {
		return nil
	}
	from := int64(0)
	if d.number == t.kept.Documents && t.kept.Bytes > 0 {
		if from = t.kept.Bytes; hex.EncodeToString(d.sum[:]) != t.kept.Begun {
			return errOther
		}
	}
	if d.text != nil {
		return t.part.Add(d.tokens)
	}
	sum := hex.EncodeToString(d.sum[:])
	return t.part.Document(t.ctx, d.Document, d.cut, d.sum, from, func(taken int64) error {
		t.tell(max(0, d.bytes-(d.Size-taken)))
		d.bytes = min(d.bytes, d.Size-taken)
		return t.reach(sum, taken)
	})
}

// done comes behind every document.
func (t *sourceWriting) done(number int64) error {
	if t.number = number + 1; t.number > t.kept.Documents {
		if t.over {
			return errOther
		}
		return t.reach("", 0)
	}
	if t.number == t.kept.Documents && hex.EncodeToString(t.hash.Sum(nil)) != t.kept.SHA256 {
		return errOther
	}
	return nil
}

// reach tells where the source is: behind t.number documents, and the first bytes of the one with
// that sum. It is saved when a file has become whole.
func (t *sourceWriting) reach(begun string, bytes int64) error {
	n := t.part.Written()
	*t.at = sourceProgress{
		Documents: t.number, Begun: begun, Bytes: bytes,
		Written: data.Written{Train: n.Train - t.before.Train, Held: n.Held - t.before.Held},
	}
	if t.out.Files() == t.whole {
		return nil
	}
	t.at.SHA256 = hex.EncodeToString(t.hash.Sum(nil))
	return t.save()
}
