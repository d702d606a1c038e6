package prepare

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/moezoo/moezoo/data"
	"github.com/moezoo/moezoo/data/corpus"
	"github.com/moezoo/moezoo/data/tokenizer"
)

// Options say what to prepare and how.
type Options struct {
	Sources   []string // files, folders, "-" or the embedded novel's name, as corpus.Read takes them
	Stdin     io.Reader
	Out       string // the folder to make; it must not be there
	Tokenizer tokenizer.Tokenizer
	Learn     int                // when there is no Tokenizer: how many tokens to learn from the texts
	Field     string             // of JSONL and parquet files
	Lines     bool               // standard input and .json files are JSON lines
	Weights   map[string]float64 // by source: its share of training windows
	Holdout   float64
	Dedup     bool
	ShardSize int64 // bytes of a token file
	Progress  func(Progress)
}

// Progress is how far a pass over the sources has come.
type Progress struct {
	Pass      string
	Done, All int64 // bytes of the sources' files
}

// Defaults of the options.
const (
	DefaultField     = "text"
	DefaultShardSize = 64 << 20
	smallestShard    = 1 << 10
)

// Prepare makes the folder. It appears whole or not at all.
func Prepare(ctx context.Context, o Options) (*data.Manifest, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	p := &preparation{Options: o, ctx: ctx}
	var err error
	if p.weights, err = mixture(o.Sources, o.Weights); err != nil {
		return nil, err
	}
	for _, path := range o.Sources {
		s, err := open(path, &p.Options)
		if err != nil {
			return nil, err
		}
		p.sources = append(p.sources, s)
	}
	if p.Tokenizer == nil {
		if err := p.learnTokenizer(); err != nil {
			return nil, err
		}
	}
	dir, done, err := stage(o.Out)
	if err != nil {
		return nil, err
	}
	defer done()
	m, err := p.write(dir)
	if err != nil {
		return nil, err
	}
	return m, os.Rename(dir, o.Out)
}

func (o *Options) check() error {
	switch {
	case len(o.Sources) == 0:
		return errors.New("there is no source to prepare")
	case !(o.Holdout >= 0 && o.Holdout < 1):
		return fmt.Errorf("holdout %v: want a fraction from 0 up to 1", o.Holdout)
	case o.ShardSize < smallestShard:
		return fmt.Errorf("a shard size of %d bytes: want at least %d", o.ShardSize, smallestShard)
	}
	seen := map[string]bool{}
	for _, s := range o.Sources {
		if seen[s] {
			return fmt.Errorf("source %s is given twice", s)
		}
		seen[s] = true
	}
	if _, err := os.Lstat(o.Out); err == nil {
		return fmt.Errorf("%s: exists already; give the name of a new folder", o.Out)
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// stage makes the folder that becomes out when it is whole. What a killed process left of it
// is removed; one that is still at work is an error.
func stage(out string) (dir string, done func(), err error) {
	out = filepath.Clean(out)
	dir = filepath.Join(filepath.Dir(out), "."+filepath.Base(out)+".preparing")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", nil, err
	}
	lock, err := os.Open(dir)
	if err != nil {
		return "", nil, err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		lock.Close()
		return "", nil, fmt.Errorf("%s: is being prepared by another process", out)
	}
	left, err := os.ReadDir(dir)
	for _, e := range left {
		err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
	}
	done = func() {
		os.RemoveAll(dir) // of a failure; behind the renaming there is none
		lock.Close()
	}
	if err != nil {
		lock.Close()
		return "", nil, err
	}
	return dir, done, nil
}

// preparation is the work on its way.
type preparation struct {
	Options
	ctx     context.Context
	sources []*source
	weights []uint64 // of the parts
	repeats repeats
}

// document is what is known of a document before its tokens.
type document struct {
	corpus.Document
	sum [sha256.Size]byte
	cut int64 // behind it, it is held out
}

// walk calls use for every document of a source that is kept, and answers what it counted.
func (p *preparation) walk(s *source, use func(d document) error) (n data.Statistics, err error) {
	err = s.each(p.ctx, func(d corpus.Document) error {
		doc := document{Document: d, cut: d.Size}
		var err error
		if doc.sum, err = data.DocumentHash(p.ctx, d); err != nil {
			return err
		}
		s.hash.Write(doc.sum[:])
		switch {
		case d.Size == 0:
			n.Empty++
			return nil
		case p.Dedup:
			again, err := p.repeats.add(doc.sum)
			if again {
				n.Duplicates++
			}
			if again || err != nil {
				return err
			}
		}
		if p.Holdout > 0 {
			if doc.cut, err = p.cut(s, doc); err != nil {
				return err
			}
		}
		n.Documents++
		n.Bytes += d.Size
		n.Longest = max(n.Longest, d.Size)
		if doc.cut < d.Size {
			n.HeldOut++
			n.HeldBytes += d.Size - doc.cut
		}
		return use(doc)
	})
	return n, err
}

// cut is where a document's held-out part begins. Of a source that is a single text, its end is
// held out; of others whole documents, chosen by their hashes, so that equal ones are always
// on the same side.
func (p *preparation) cut(s *source, d document) (int64, error) {
	if s.single {
		return data.Cut(d.Document, p.Holdout)
	}
	const bits = 53
	draw := float64(binary.LittleEndian.Uint64(d.sum[16:])>>(64-bits)) / (1 << bits)
	if draw < p.Holdout {
		return 0, nil
	}
	return d.Size, nil
}

// pass makes ready for one more reading of all sources, and tells how far it has come.
func (p *preparation) pass(name string) {
	p.repeats = repeats{}
	all, done := int64(0), int64(0)
	for _, s := range p.sources {
		all += s.size
	}
	for _, s := range p.sources {
		s.hash.Reset()
		s.read = func(n int64) {
			if done += n; p.Progress != nil {
				p.Progress(Progress{name, done, all})
			}
		}
	}
}

// write tokenizes everything into a folder.
func (p *preparation) write(dir string) (*data.Manifest, error) {
	p.pass("writing tokens")
	m := &data.Manifest{Holdout: p.Holdout, Dedup: p.Dedup}
	w := data.NewWriter(dir, p.Tokenizer, p.ShardSize)
	parts := make([]*data.PartWriter, len(p.weights))
	for i, weight := range p.weights {
		parts[i] = w.Part(p.partName(i), weight)
	}
	for i, s := range p.sources {
		tokens, held := int64(0), int64(0)
		n, err := p.walk(s, func(d document) error {
			t, h, err := parts[p.partOf(i)].Document(p.ctx, d.Document, d.cut, d.sum)
			tokens, held = tokens+int64(t)+int64(h), held+int64(h)
			return err
		})
		if err != nil {
			return nil, err
		}
		n.Tokens, n.HeldTokens = tokens, held
		m.Total.Add(n)
		m.Sources = append(m.Sources, data.SourceEntry{Name: s.name, SHA256: hex.EncodeToString(s.hash.Sum(nil)), Weight: p.Weights[s.name], Statistics: n})
	}
	if m.Total.Documents == 0 {
		return nil, fmt.Errorf("%s: there is no document with text", strings.Join(p.Sources, ", "))
	}
	return m, w.Finish(m)
}
