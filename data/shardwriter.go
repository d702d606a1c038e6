//go:build unix

package data

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
)

// shardWriter is a sink whose tokens go to files of a bounded size. All files but the last are
// full, so that the number of tokens says how far it has come.
type shardWriter struct {
	folder, name string
	vocabulary   int
	most         int // tokens of one file
	count        int
	open         *tokenWriter
	shards       []*wholeShard
	reader       *shardReader
}

// wholeShard is a file that is full or the last one; its sum is known when its reader is done.
type wholeShard struct {
	Shard
	err error
}

// partSuffix ends the name of a file that is not whole.
const partSuffix = ".part"

// Len is the number of tokens so far.
func (w *shardWriter) Len() int { return w.count }

// next is the path of the file that is not whole yet, when it will be.
func (w *shardWriter) next() string {
	return filepath.Join(w.folder, fmt.Sprintf("%s-%05d.tokens", w.name, len(w.shards)))
}

func (w *shardWriter) add(ids []int64) (err error) {
	for len(ids) > 0 {
		if w.open == nil {
			f, err := os.OpenFile(w.next()+partSuffix, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
			if err != nil {
				return err
			}
			if w.open, err = writeTokensTo(f, w.vocabulary, 0); err != nil {
				return err
			}
		}
		n := min(len(ids), w.most-w.open.Len())
		if err := w.open.add(ids[:n]); err != nil {
			return err
		}
		w.count += n
		ids = ids[n:]
		if w.open.Len() == w.most {
			if err := w.finish(); err != nil {
				return err
			}
		}
	}
	return nil
}

// finish gives the open file its name.
func (w *shardWriter) finish() error {
	if w.open == nil {
		return nil
	}
	path, open := w.next(), w.open
	w.open = nil
	err := errors.Join(open.finish(), open.file.Close())
	if err == nil {
		err = os.Rename(path+partSuffix, path)
	}
	if err == nil {
		w.whole(open.Len())
	}
	return err
}

// whole takes the next file for whole, and has it read meanwhile.
func (w *shardWriter) whole(tokens int) {
	path := w.next()
	s := &wholeShard{Shard: Shard{File: filepath.Base(path), Tokens: tokens}}
	w.shards = append(w.shards, s)
	w.reader.read(path, w.vocabulary, s)
}

// close closes the open file as it is.
func (w *shardWriter) close() error {
	if w.open == nil {
		return nil
	}
	return w.open.file.Close()
}

// save makes durable what has been added.
func (w *shardWriter) save() error {
	if w.open == nil {
		return nil
	}
	return errors.Join(w.open.w.Flush(), w.open.file.Sync())
}

// restore takes the first count tokens from the files of another writer that saved so many.
func (w *shardWriter) restore(count int) error {
	for range count / w.most {
		f, err := OpenTokens(w.next())
		if err != nil {
			return err
		}
		n, vocabulary := f.Len(), f.vocabulary
		if err := f.Close(); err != nil || n != w.most || vocabulary != int64(w.vocabulary) {
			return fmt.Errorf("%s: holds %d tokens of a vocabulary of %d: %w", f.path, n, vocabulary, err)
		}
		w.whole(n)
	}
	w.count = count
	rest := count % w.most
	if rest == 0 {
		return nil
	}
	path := w.next()
	if _, err := os.Stat(path); err == nil { // it became whole behind the saving
		if err := os.Rename(path, path+partSuffix); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(path+partSuffix, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if info, err := f.Stat(); err != nil || info.Size() < int64(tokenHeader+rest*tokenWidth(w.vocabulary)) {
		return errors.Join(fmt.Errorf("%s%s: is shorter than %d tokens", path, partSuffix, rest), err, f.Close())
	}
	w.open, err = writeTokensTo(f, w.vocabulary, rest)
	return err
}

// shardReader reads whole shards, several at a time: their sums, and which ids occur in them.
type shardReader struct {
	all   sync.WaitGroup
	slots chan struct{}
	mu    sync.Mutex
	used  []bool
}

func newShardReader(vocabulary int) *shardReader {
	return &shardReader{slots: make(chan struct{}, runtime.GOMAXPROCS(0)), used: make([]bool, vocabulary)}
}

func (r *shardReader) read(path string, vocabulary int, s *wholeShard) {
	r.all.Go(func() {
		r.slots <- struct{}{}
		defer func() { <-r.slots }()
		used := make([]bool, vocabulary)
		s.SHA256, s.err = readShard(path, used)
		r.mu.Lock()
		defer r.mu.Unlock()
		for id, u := range used {
			r.used[id] = r.used[id] || u
		}
	})
}

// wait answers how many ids occur in all shards, once they are read.
func (r *shardReader) wait() (used int) {
	r.all.Wait()
	for _, u := range r.used {
		if u {
			used++
		}
	}
	return used
}

// readShard marks the ids of a token file, and answers the file's SHA-256.
func readShard(path string, used []bool) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h, width := sha256.New(), tokenWidth(len(used))
	in := io.TeeReader(f, h)
	if _, err := io.ReadFull(in, make([]byte, tokenHeader)); err != nil {
		return "", err
	}
	for block := make([]byte, 1<<18); ; {
		n, err := io.ReadFull(in, block)
		for at := 0; at+width <= n; at += width {
			id := uint32(binary.LittleEndian.Uint16(block[at:]))
			if width == 4 {
				id = binary.LittleEndian.Uint32(block[at:])
			}
			if int(id) >= len(used) {
				return "", fmt.Errorf("%s: token %d is outside of the vocabulary of %d", path, id, len(used))
			}
			used[id] = true
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return hex.EncodeToString(h.Sum(nil)), nil
		case err != nil:
			return "", err
		}
	}
}
