//go:build unix

package data

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
)

// Shard is one token file of a prepared folder.
type Shard struct {
	File   string `json:"file"`
	Tokens int    `json:"tokens"`
	SHA256 string `json:"sha256"`
}

// shardWriter is a sink whose tokens go to files of a bounded size.
type shardWriter struct {
	folder, name string
	vocabulary   int
	most         int    // tokens of one file
	seen         []bool // ids that have occurred
	shards       []Shard
	open         *tokenWriter
	count        int
}

// Len is the number of tokens so far.
func (w *shardWriter) Len() int { return w.count }

func (w *shardWriter) add(ids []int64) (err error) {
	for len(ids) > 0 {
		if w.open == nil {
			if w.open, err = newTokenWriter(w.folder, w.vocabulary); err != nil {
				return err
			}
		}
		n := min(len(ids), w.most-w.open.Len())
		if err := w.open.add(ids[:n]); err != nil {
			return err
		}
		for _, id := range ids[:n] {
			w.seen[id] = true
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
	s := Shard{File: fmt.Sprintf("%s-%05d.tokens", w.name, len(w.shards)), Tokens: w.open.Len()}
	path := filepath.Join(w.folder, s.File)
	err := errors.Join(w.open.finish(), w.open.file.Chmod(0o644), os.Rename(w.open.file.Name(), path))
	if err = errors.Join(err, w.open.file.Close()); err != nil {
		return err
	}
	w.open = nil
	if s.SHA256, err = fileHash(path); err != nil {
		return err
	}
	w.shards = append(w.shards, s)
	return nil
}

// fileHash is the SHA-256 of a file.
func fileHash(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.CopyBuffer(h, f, make([]byte, 1<<18)); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// chain is token files behind one another.
type chain struct {
	files []*TokenFile
	ends  []int // behind each file
}

// openShards maps the shards of a folder. One that is not what the manifest says is an error.
func openShards(folder string, shards []Shard, vocabulary int) (*chain, error) {
	c := &chain{}
	for _, s := range shards {
		path := filepath.Join(folder, s.File)
		sum, err := fileHash(path)
		if err != nil {
			return nil, err
		}
		if sum != s.SHA256 {
			return nil, fmt.Errorf("%s: has changed since it was prepared: its SHA-256 is %.12s…, the manifest says %.12s…", path, sum, s.SHA256)
		}
		f, err := OpenTokens(path)
		if err != nil {
			return nil, err
		}
		if f.Len() != s.Tokens || f.vocabulary != int64(vocabulary) {
			return nil, fmt.Errorf("%s: holds %d tokens of a vocabulary of %d, the manifest says %d of %d", path, f.Len(), f.vocabulary, s.Tokens, vocabulary)
		}
		c.files, c.ends = append(c.files, f), append(c.ends, c.Len()+f.Len())
	}
	return c, nil
}

// Len is the number of tokens.
func (c *chain) Len() int {
	if len(c.ends) == 0 {
		return 0
	}
	return c.ends[len(c.ends)-1]
}

// Copy copies ids, across files.
func (c *chain) Copy(dst []int64, at int) error {
	for i := sort.SearchInts(c.ends, at+1); len(dst) > 0; i++ {
		begin := c.ends[i] - c.files[i].Len()
		n := min(len(dst), c.ends[i]-at)
		if err := c.files[i].Copy(dst[:n], at-begin); err != nil {
			return err
		}
		dst, at = dst[n:], at+n
	}
	return nil
}
