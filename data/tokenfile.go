//go:build unix

package data

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
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

// WriteTokens writes a token file whole or not at all.
func WriteTokens(path string, ids []int64, vocabulary int) (err error) {
	temp, err := os.CreateTemp(filepath.Dir(path), ".tokens-*")
	if err != nil {
		return err
	}
	defer func() {
		temp.Close()
		if err != nil {
			os.Remove(temp.Name())
		}
	}()
	w := bufio.NewWriterSize(temp, 1<<20)
	header := make([]byte, tokenHeader)
	copy(header, tokenMagic)
	width := 4
	if vocabulary <= 1<<16 {
		width = 2
	}
	binary.LittleEndian.PutUint32(header[8:], uint32(width))
	binary.LittleEndian.PutUint64(header[16:], uint64(vocabulary))
	binary.LittleEndian.PutUint64(header[24:], uint64(len(ids)))
	w.Write(header)
	var b [4]byte
	for _, id := range ids {
		if id < 0 || id >= int64(vocabulary) {
			return fmt.Errorf("token %d is outside of the vocabulary of %d", id, vocabulary)
		}
		binary.LittleEndian.PutUint32(b[:], uint32(id))
		if _, err := w.Write(b[:width]); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := temp.Sync(); err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
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

// mapAbove is how many tokens are kept in a mapped file rather than in memory.
const mapAbove = 8 << 20

// mapTokens moves a long sequence into a token file of a folder and maps it; a file of the
// same name is taken as it is. A short sequence, or no folder, stays in memory.
func mapTokens(folder, name string, ids []int64, vocabulary int) (Tokens, error) {
	if folder == "" || len(ids) < mapAbove {
		return InMemory(ids), nil
	}
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return nil, err
	}
	path := filepath.Join(folder, name+".tokens")
	t, err := OpenTokens(path)
	if err == nil && t.Len() == len(ids) && t.vocabulary == int64(vocabulary) {
		return t, nil
	}
	if err == nil {
		err = t.Close()
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		os.Remove(path) // of another version, or damaged: made again
	}
	if err := WriteTokens(path, ids, vocabulary); err != nil {
		return nil, err
	}
	return OpenTokens(path)
}
