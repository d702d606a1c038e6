package prepare

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/moezoo/moezoo/data"
	"github.com/moezoo/moezoo/data/corpus"
)

// document is a document on its way through a pass.
type document struct {
	corpus.Document
	number int64  // in its source, with those that are dropped
	text   []byte // of a short one, which is read once
	sum    [sha256.Size]byte
	cut    int64 // behind it, it is held out
	tokens data.Encoded
	bytes  int64 // of its file that it stands for and that have not been told

	err   error         // of the work
	ready chan struct{} // closed when the work is done
	room  int64
}

// Limits of what is ahead of the document that is being written.
const (
	maxAhead   = 8 << 20  // bytes of text
	leastAhead = 64 << 10 // that a document counts as at least
)

// visitor is what a pass does with documents.
type visitor struct {
	work func(d *document)        // on several at a time, nil for nothing
	use  func(d *document) error  // in order, on those that are kept
	done func(number int64) error // in order, on all
}

// walk visits every document of a source, and answers what it counted. Whatever runs side by side,
// all that is seen of it is in the order of the documents.
func (p *preparation) walk(s *source, v visitor) (n data.Statistics, err error) {
	ctx, stop := context.WithCancel(p.ctx)
	defer stop()
	order, todo := make(chan *document, maxAhead/leastAhead), make(chan *document, maxAhead/leastAhead)
	room := semaphore.NewWeighted(maxAhead)
	var failed error // of reading the source
	begun := p.progress.Done
	go func() {
		defer close(order)
		defer close(todo)
		number := int64(0)
		failed = s.each(ctx, func(d corpus.Document, bytes int64) error {
			doc := &document{Document: d, number: number, bytes: bytes, ready: make(chan struct{}), room: min(max(d.Size, leastAhead), maxAhead)}
			number++
			if err := room.Acquire(ctx, doc.room); err != nil {
				return err
			}
			order <- doc // there is place: who has room is in the channel
			todo <- doc
			return nil
		})
	}()
	threads := p.Threads
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	var workers sync.WaitGroup
	for range threads {
		workers.Go(func() {
			for d := range todo {
				if d.err = p.prepare(ctx, s, d); d.err == nil && v.work != nil {
					v.work(d)
				}
				close(d.ready)
			}
		})
	}
	for d := range order {
		<-d.ready
		if err == nil {
			err = p.visit(s, d, v, &n)
		}
		if err != nil {
			stop() // what is on its way is dropped
		}
		room.Release(d.room)
	}
	workers.Wait()
	if err = cmp.Or(err, failed); err == nil {
		p.tell(begun + s.size - p.progress.Done)
	}
	return n, cmp.Or(err, p.ctx.Err())
}

// prepare reads a document for its hash, and finds what of it is held out.
func (p *preparation) prepare(ctx context.Context, s *source, d *document) (err error) {
	if d.Size > data.MaxEncoded {
		d.sum, err = data.DocumentHash(ctx, d.Document)
	} else if d.text, err = readAll(ctx, d.Document); err == nil {
		d.sum = sha256.Sum256(d.text)
	}
	if err != nil {
		return err
	}
	if d.cut = d.Size; p.Holdout > 0 {
		d.cut, err = p.cut(s, d)
	}
	return err
}

// readAll is the text of a document.
func readAll(ctx context.Context, d corpus.Document) ([]byte, error) {
	r, err := d.Section(0, d.Size)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	text := make([]byte, d.Size)
	if _, err := io.ReadFull(data.WhileAlive(ctx, r), text); err != nil {
		return nil, err
	}
	if _, err = r.Read(make([]byte, 1)); errors.Is(err, io.EOF) { // nothing follows
		err = nil
	}
	return text, err
}

// visit counts a document, and uses it when it is kept.
func (p *preparation) visit(s *source, d *document, v visitor, n *data.Statistics) error {
	if err := cmp.Or(d.err, p.ctx.Err()); err != nil {
		return err
	}
	kept, err := p.keep(d, n)
	if err == nil && kept {
		err = v.use(d)
	}
	if err != nil {
		return err
	}
	s.hash.Write(d.sum[:])
	p.tell(d.bytes)
	if v.done != nil {
		return v.done(d.number)
	}
	return nil
}

// keep counts a document and reports whether it is wanted.
func (p *preparation) keep(d *document, n *data.Statistics) (bool, error) {
	if d.Size == 0 {
		n.Empty++
		return false, nil
	}
	if p.Dedup {
		again, err := p.repeats.add(d.sum)
		if again {
			n.Duplicates++
		}
		if again || err != nil {
			return false, err
		}
	}
	n.Documents++
	n.Bytes += d.Size
	n.Longest = max(n.Longest, d.Size)
	if d.cut < d.Size {
		n.HeldOut++
		n.HeldBytes += d.Size - d.cut
	}
	return true, nil
}

// cut is where a document's held-out part begins. Of a source that is a single text, its end is
// held out; of others whole documents, chosen by their hashes, so that equal ones are always
// on the same side.
func (p *preparation) cut(s *source, d *document) (int64, error) {
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

// pass makes ready for one more reading of all sources.
func (p *preparation) pass(name string) {
	p.repeats, p.progress = repeats{}, Progress{Pass: name}
	for _, s := range p.sources {
		s.hash.Reset()
		p.progress.All += s.size
	}
}

// tell tells how far a pass has come: some bytes further.
func (p *preparation) tell(n int64) {
	if p.progress.Done += n; p.Progress != nil {
		p.Progress(p.progress)
	}
}
