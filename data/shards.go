//go:build unix

package data

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sort"
	"sync"
)

// Shard is one token file of a prepared folder.
type Shard struct {
	File   string `json:"file"`
	Tokens int    `json:"tokens"`
	SHA256 string `json:"sha256"`
}

// shardFile is a shard of which no token is read before all of it has been held against the
// manifest's checksum, once.
type shardFile struct {
	*TokenFile
	sum  string
	once sync.Once
	err  error
}

// Copy copies ids of a shard that is as it was written, else it is an error.
func (s *shardFile) Copy(dst []int64, at int) error {
	if err := s.check(); err != nil {
		return err
	}
	return s.TokenFile.Copy(dst, at)
}

// check compares the whole file with its checksum, when that has not been done.
func (s *shardFile) check() error {
	s.once.Do(func() {
		sum, err := s.hash()
		if err == nil && sum != s.sum {
			err = fmt.Errorf("%s: has changed since it was prepared: its SHA-256 is %.12s…, the manifest says %.12s…", s.path, sum, s.sum)
		}
		s.err = err
	})
	return s.err
}

// hash is the SHA-256 of the file as it is mapped.
func (s *shardFile) hash() (sum string, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: cannot be read: has the file shrunk?", s.path)
		}
	}()
	h := sha256.Sum256(s.mapped)
	return hex.EncodeToString(h[:]), nil
}

// chain is token files behind one another.
type chain struct {
	files []*shardFile
	ends  []int // behind each file
}

// openShards maps the shards of a folder. One whose size or vocabulary is not what the manifest
// says is an error now, one of other content when it is read.
func openShards(folder string, shards []Shard, vocabulary int) (*chain, error) {
	c := &chain{}
	for _, s := range shards {
		f, err := OpenTokens(filepath.Join(folder, s.File))
		if err != nil {
			return nil, err
		}
		if f.Len() != s.Tokens || f.vocabulary != int64(vocabulary) {
			return nil, fmt.Errorf("%s: has changed since it was prepared: it holds %d tokens of a vocabulary of %d, the manifest says %d of %d", f.path, f.Len(), f.vocabulary, s.Tokens, vocabulary)
		}
		c.files, c.ends = append(c.files, &shardFile{TokenFile: f, sum: s.SHA256}), append(c.ends, c.Len()+f.Len())
	}
	return c, nil
}

// check compares all files with their checksums, several at a time, and tells of all that differ.
func (c *chain) check() error {
	faults := make([]error, len(c.files))
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	var all sync.WaitGroup
	for i, f := range c.files {
		slots <- struct{}{}
		all.Go(func() {
			faults[i] = f.check()
			<-slots
		})
	}
	all.Wait()
	return errors.Join(faults...)
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
