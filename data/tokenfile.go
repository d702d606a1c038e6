//go:build unix

package data

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// A token file is a header of 32 bytes and the ids, little-endian, two bytes each when the
// vocabulary allows, else four.
const (
	tokenMagic   = "zootok\x00\x01" // format version 1
	tokenHeader  = 32
	maxVocabFile = 1 << 31
)

// tokenWriter writes a token file. Nothing has the file's name before it is whole.
type tokenWriter struct {
	file       *os.File
	w          *bufio.Writer
	width      int
	vocabulary int64
	count      int
	scratch    []byte
}

// newTokenWriter begins a file in a folder.
func newTokenWriter(folder string, vocabulary int) (*tokenWriter, error) {
	f, err := os.CreateTemp(folder, ".tokens-*")
	if err != nil {
		return nil, err
	}
	t, err := writeTokensTo(f, vocabulary, 0)
	if err != nil {
		t.discard()
	}
	return t, err
}

// writeTokensTo goes on behind the first count tokens of a file.
func writeTokensTo(f *os.File, vocabulary, count int) (*tokenWriter, error) {
	t := &tokenWriter{file: f, w: bufio.NewWriterSize(f, 1<<20), width: tokenWidth(vocabulary), vocabulary: int64(vocabulary), count: count}
	err := f.Truncate(int64(tokenHeader + count*t.width)) // the header is written at the end
	if err == nil {
		_, err = f.Seek(0, io.SeekEnd)
	}
	return t, err
}

// tokenWidth is how many bytes a token of a vocabulary takes.
func tokenWidth(vocabulary int) int {
	if vocabulary <= 1<<16 {
		return 2
	}
	return 4
}

// Len is the number of tokens so far.
func (t *tokenWriter) Len() int { return t.count }

func (t *tokenWriter) add(ids []int64) error {
	t.scratch = t.scratch[:0]
	for _, id := range ids {
		if id < 0 || id >= t.vocabulary {
			return fmt.Errorf("token %d is outside of the vocabulary of %d", id, t.vocabulary)
		}
		if t.width == 2 {
			t.scratch = binary.LittleEndian.AppendUint16(t.scratch, uint16(id))
		} else {
			t.scratch = binary.LittleEndian.AppendUint32(t.scratch, uint32(id))
		}
	}
	t.count += len(ids)
	_, err := t.w.Write(t.scratch)
	return err
}

// finish writes the header and makes the file durable.
func (t *tokenWriter) finish() error {
	header := make([]byte, tokenHeader)
	copy(header, tokenMagic)
	binary.LittleEndian.PutUint32(header[8:], uint32(t.width))
	binary.LittleEndian.PutUint64(header[16:], uint64(t.vocabulary))
	binary.LittleEndian.PutUint64(header[24:], uint64(t.count))
	if err := t.w.Flush(); err != nil {
		return err
	}
	if _, err := t.file.WriteAt(header, 0); err != nil {
		return err
	}
	return t.file.Sync()
}

// discard removes a file that has not been renamed; it may be called again.
func (t *tokenWriter) discard() {
	os.Remove(t.file.Name())
	t.file.Close()
}

// TokenFile is Tokens in a file that is mapped into memory: the system keeps what is used
// and drops the rest.
type TokenFile struct {
	path       string
	data       []byte // the ids
	mapped     []byte
	width      int
	vocabulary int64
}

// OpenTokens maps a token file, after checking its header against its size.
func OpenTokens(path string) (*TokenFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	header := make([]byte, tokenHeader)
	if _, err := f.ReadAt(header, 0); err != nil || string(header[:8]) != tokenMagic {
		return nil, fmt.Errorf("%s: is no token file of this version", path)
	}
	width, vocabulary, count := binary.LittleEndian.Uint32(header[8:]), binary.LittleEndian.Uint64(header[16:]), binary.LittleEndian.Uint64(header[24:])
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if width != 2 && width != 4 || vocabulary < 1 || vocabulary > maxVocabFile || count > uint64(info.Size()) || int64(count)*int64(width)+tokenHeader != info.Size() {
		return nil, fmt.Errorf("%s: %d tokens of %d bytes do not fit a file of %d bytes", path, count, width, info.Size())
	}
	mapped, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &TokenFile{path, mapped[tokenHeader:], mapped, int(width), int64(vocabulary)}, nil
}

// Len is the number of tokens.
func (t *TokenFile) Len() int { return len(t.data) / t.width }

// Copy copies ids. A file that has shrunk since it was opened, and an id outside of its
// vocabulary, are errors.
func (t *TokenFile) Copy(dst []int64, at int) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil { // the system signals a page that is gone
			err = fmt.Errorf("%s: cannot be read at token %d: has the file shrunk?", t.path, at)
		}
	}()
	from := t.data[at*t.width : (at+len(dst))*t.width]
	for i := range dst {
		id := int64(0)
		if t.width == 2 {
			id = int64(binary.LittleEndian.Uint16(from[2*i:]))
		} else {
			id = int64(binary.LittleEndian.Uint32(from[4*i:]))
		}
		if id >= t.vocabulary {
			return fmt.Errorf("%s: token %d is %d, outside of the vocabulary of %d", t.path, at+i, id, t.vocabulary)
		}
		dst[i] = id
	}
	return nil
}

// Close unmaps the file.
func (t *TokenFile) Close() error {
	if t.mapped == nil {
		return nil
	}
	err := unix.Munmap(t.mapped)
	t.mapped, t.data = nil, nil
	return err
}

// tokenStore is a token file of a cache folder, there already or being made.
type tokenStore struct {
	path       string // empty: a file without a name
	vocabulary int
	file       *TokenFile
	*tokenWriter
}

// newTokenStore looks for a file of that name, whole and of that vocabulary.
func newTokenStore(folder, name string, vocabulary int) (*tokenStore, error) {
	s := &tokenStore{vocabulary: vocabulary}
	if folder == "" {
		return s, nil
	}
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return nil, err
	}
	s.path = filepath.Join(folder, name+".tokens")
	f, err := OpenTokens(s.path)
	switch {
	case err == nil && f.vocabulary == int64(vocabulary):
		s.file = f
	case err == nil:
		return s, f.Close()
	case !errors.Is(err, os.ErrNotExist):
		os.Remove(s.path) // of another version, or damaged: made again
	}
	return s, nil
}

func (s *tokenStore) cached() bool { return s.file != nil }

// begin makes the file anew.
func (s *tokenStore) begin() (err error) {
	if s.file != nil {
		err = s.file.Close()
		s.file = nil
	}
	folder := os.TempDir()
	if s.path != "" {
		folder = filepath.Dir(s.path)
	}
	w, e := newTokenWriter(folder, s.vocabulary)
	s.tokenWriter = w
	return errors.Join(err, e)
}

// discard removes what has not been committed.
func (s *tokenStore) discard() {
	if s.tokenWriter != nil {
		s.tokenWriter.discard()
	}
}

// commit gives the file its name and maps it.
func (s *tokenStore) commit() (*TokenFile, error) {
	if err := s.finish(); err != nil {
		return nil, err
	}
	if s.path == "" {
		return OpenTokens(s.tokenWriter.file.Name()) // mapped; discard takes the name away
	}
	if err := os.Rename(s.tokenWriter.file.Name(), s.path); err != nil {
		return nil, err
	}
	return OpenTokens(s.path)
}
