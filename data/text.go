package data

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/moezoo/moezoo/data/corpus"
)

// text is documents behind one another. It is read as a stream, never held.
type text struct {
	docs []corpus.Document
	size int64
}

func newText(docs []corpus.Document) text {
	t := text{docs: docs}
	for _, d := range docs {
		t.size += d.Size
	}
	return t
}

// hash is the SHA-256 of all documents, a zero byte behind each.
func (t text) hash(ctx context.Context) (string, error) {
	h := sha256.New()
	for _, d := range t.docs {
		if err := hashDocument(ctx, h, d); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func hashDocument(ctx context.Context, h hash.Hash, d corpus.Document) error {
	err := copyDocument(ctx, h, d)
	h.Write([]byte{0})
	return err
}

func copyDocument(ctx context.Context, w io.Writer, d corpus.Document) error {
	r, err := d.Section(0, d.Size)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.CopyBuffer(w, whileAlive{ctx, r}, make([]byte, min(d.Size+1, 1<<18)))
	return err
}

// WhileAlive reads from r until the context ends.
func WhileAlive(ctx context.Context, r io.Reader) io.Reader { return whileAlive{ctx, r} }

// whileAlive reads until its context ends.
type whileAlive struct {
	ctx context.Context
	r   io.Reader
}

// Read reads unless the context has ended.
func (w whileAlive) Read(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.r.Read(p)
}

// reader reads the bytes from … to−1 of all documents.
func (t text) reader(from, to int64) io.ReadCloser {
	return &textReader{t: t, from: from, left: to - from}
}

// textReader opens one document after another.
type textReader struct {
	t          text
	from, left int64 // the next byte, in the documents that are left
	open       io.ReadCloser
}

// Read reads on, across documents.
func (r *textReader) Read(p []byte) (int, error) {
	for r.left > 0 {
		if r.open == nil {
			if err := r.next(); err != nil {
				return 0, err
			}
			continue
		}
		n, err := r.open.Read(p)
		r.left -= int64(n)
		if errors.Is(err, io.EOF) {
			err = r.Close()
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.EOF
}

// next opens the document that holds the next byte.
func (r *textReader) next() error {
	d := r.t.docs[0]
	r.t.docs = r.t.docs[1:]
	if r.from >= d.Size {
		r.from -= d.Size
		return nil
	}
	from := r.from
	r.from = 0
	var err error
	r.open, err = d.Section(from, min(d.Size, from+r.left))
	return err
}

// Close closes the document that is open.
func (r *textReader) Close() error {
	if r.open == nil {
		return nil
	}
	err := r.open.Close()
	r.open = nil
	return err
}

// lineEnd is how far behind a cut a line end is looked for.
const lineEnd = 4096

// cutAt moves a cut behind the next line end, when there is one nearby.
func (t text) cutAt(cut int64) (int64, error) {
	r := t.reader(cut, min(cut+lineEnd, t.size))
	defer r.Close()
	near, err := io.ReadAll(r)
	if err != nil {
		return 0, fmt.Errorf("looking for a line end: %w", err)
	}
	for i, b := range near {
		if b == '\n' {
			return cut + int64(i) + 1, nil
		}
	}
	return cut, nil
}

// Cut is where a document is cut whose last holdout of its bytes is held out: behind the
// nearest line end that follows, as in NewSet.
func Cut(d corpus.Document, holdout float64) (int64, error) {
	return newText([]corpus.Document{d}).cutAt(d.Size - int64(float64(d.Size)*holdout))
}

// DocumentHash is the SHA-256 of a document.
func DocumentHash(ctx context.Context, d corpus.Document) (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	err = copyDocument(ctx, h, d)
	h.Sum(sum[:0])
	return sum, err
}
