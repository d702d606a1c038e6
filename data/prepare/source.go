package prepare

import (
	"context"
	"crypto/sha256"
	"hash"
	"strings"

	"github.com/moezoo/moezoo/data/corpus"
)

// source is one of the texts to prepare: a file, a folder, or standard input.
type source struct {
	name   string
	files  []file
	single bool // it is one text
	size   int64
	hash   hash.Hash // of its documents' hashes, during a pass
}

// file is a text, or a file of many documents.
type file struct {
	corpus.Document
	each  func(ctx context.Context, f corpus.Document, field string, use func(corpus.Document) error) error // nil: it is one
	field string
}

// kinds are the files of many documents, by the ends of their names. A .json file may be
// anything, among source code for instance: it is one of lines where that was said.
var kinds = []struct {
	suffix string
	each   func(ctx context.Context, f corpus.Document, field string, use func(corpus.Document) error) error
	said   bool
}{
	{".jsonl", eachLine, false},
	{".jsonl.gz", eachLine, false},
	{".ndjson", eachLine, false},
	{".ndjson.gz", eachLine, false},
	{".json", eachLine, true},
	{".json.gz", eachLine, true},
	{".parquet", eachRow, false},
}

// open finds the files of a source.
func open(path string, o *Options) (*source, error) {
	docs, err := corpus.Read(o.Stdin, path)
	if err != nil {
		return nil, err
	}
	s := &source{name: path, hash: sha256.New()}
	for _, d := range docs {
		f := file{Document: d, field: o.Field}
		if path == "-" && o.Lines {
			f.each = eachLine
		}
		for _, k := range kinds {
			if path != "-" && (o.Lines || !k.said) && strings.HasSuffix(strings.ToLower(d.Name), k.suffix) {
				f.each = k.each
			}
		}
		s.files, s.size = append(s.files, f), s.size+d.Size
	}
	s.single = len(s.files) == 1 && s.files[0].each == nil
	return s, nil
}

// each calls use for every document, in order, with how many bytes of its file it stands for.
func (s *source) each(ctx context.Context, use func(d corpus.Document, bytes int64) error) error {
	for _, f := range s.files {
		if f.each == nil {
			if err := use(f.Document, f.Size); err != nil {
				return err
			}
			continue
		}
		left := f.Size
		err := f.each(ctx, f.Document, f.field, func(d corpus.Document) error {
			n := min(d.Size, left)
			left -= n
			return use(d, n)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
