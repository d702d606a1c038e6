package prepare

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/moezoo/moezoo/data"
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
	Threads   int   // that hash and tokenize, 0 for all; the result does not depend on it
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

// Prepare makes the folder. It appears whole or not at all. What a process that was killed or
// interrupted has written is kept when the same is asked for again, and the sources' documents
// are the same.
func Prepare(ctx context.Context, o Options) (m *data.Manifest, err error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	p := &preparation{Options: o, ctx: ctx}
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
	defer func() { done(ctx.Err() != nil) }()
	m, err = p.write(dir)
	if errors.Is(err, errOther) { // what was kept is of no use
		if err = clear(dir); err == nil {
			m, err = p.write(dir)
		}
	}
	if err != nil {
		return nil, err
	}
	return m, os.Rename(dir, o.Out)
}

// preparation is the work on its way.
type preparation struct {
	Options
	ctx      context.Context
	sources  []*source
	weights  []uint64 // of the parts
	repeats  repeats
	progress Progress
}

func (o *Options) check() error {
	switch {
	case len(o.Sources) == 0:
		return errors.New("there is no source to prepare")
	case !(o.Holdout >= 0 && o.Holdout < 1):
		return fmt.Errorf("holdout %v: want a fraction from 0 up to 1", o.Holdout)
	case o.ShardSize < smallestShard:
		return fmt.Errorf("a shard size of %d bytes: want at least %d", o.ShardSize, smallestShard)
	case o.Threads < 0:
		return fmt.Errorf("%d threads: want 0 or more", o.Threads)
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
