package corpus

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
)

// maxRatio is how many times larger than its file a compressed text may be.
const maxRatio = 200

// Read finds texts: files, files ending in .gz, folders (every file in them, in order of
// their paths, hidden ones left out), "-" for standard input, or DefaultName for the
// embedded corpus. Each file is one document. No text at all is an error.
//
// Compressed texts are decompressed once to learn their sizes. Standard input can be read
// only once and goes to a temporary file that nobody else sees.
func Read(stdin io.Reader, paths ...string) ([]Document, error) {
	var docs []Document
	for _, p := range paths {
		more, err := readPath(stdin, p)
		if err != nil {
			return nil, err
		}
		docs = append(docs, more...)
	}
	total := int64(0)
	for _, d := range docs {
		total += d.Size
	}
	if total == 0 {
		return nil, fmt.Errorf("%s: the text is empty", strings.Join(paths, ", "))
	}
	return docs, nil
}

func readPath(stdin io.Reader, path string) ([]Document, error) {
	switch path {
	case "":
		return nil, errors.New("the path of a text is empty")
	case DefaultName:
		if _, err := os.Stat(path); err != nil {
			return []Document{FromBytes(DefaultName, Default())}, nil
		}
	case "-":
		d, err := spool("standard input", stdin)
		return []Document{d}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("text %w", err)
	}
	if info.IsDir() {
		return readFolder(path)
	}
	d, err := file(path, info)
	return []Document{d}, err
}

func readFolder(root string) ([]Document, error) {
	var docs []Document
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if hidden := strings.HasPrefix(e.Name(), ".") && path != root; hidden {
			if e.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			return err
		}
		d, err := file(path, info)
		docs = append(docs, d)
		return err
	})
	sort.Slice(docs, func(i, j int) bool { return docs[i].Name < docs[j].Name })
	return docs, err
}

// file is the text of a regular file.
func file(path string, info fs.FileInfo) (Document, error) {
	if !info.Mode().IsRegular() {
		return Document{}, fmt.Errorf("%s: is no regular file", path)
	}
	if strings.HasSuffix(path, ".gz") {
		return compressed(path, info.Size())
	}
	d := Document{Name: path, Size: info.Size(), open: func() (io.ReadCloser, error) { return openRegular(path) }}
	f, err := d.open() // what cannot be read is said now
	if err != nil {
		return d, err
	}
	return d, f.Close()
}

// openRegular opens a file without waiting for one that has become a pipe.
func openRegular(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, fmt.Errorf("%s: is no regular file any more", path)
	}
	return f, nil
}

// compressed is the text of a gzip file of size bytes.
func compressed(path string, size int64) (Document, error) {
	d := Document{Name: path, open: func() (io.ReadCloser, error) {
		f, err := openRegular(path)
		if err != nil {
			return nil, err
		}
		z, err := gzip.NewReader(bufio.NewReader(f))
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("%s: is no gzip file: %w", path, err)
		}
		return unpacker{z, f}, nil
	}}
	r, err := d.open()
	if err != nil {
		return d, err
	}
	defer r.Close()
	limit := 1<<20 + maxRatio*size
	d.Size, err = io.Copy(io.Discard, io.LimitReader(r, limit+1))
	if err != nil {
		return d, fmt.Errorf("%s: byte %d of the text: %w", path, d.Size, err)
	}
	if d.Size > limit {
		return d, fmt.Errorf("%s: holds more than %d bytes of text, over %d times its own size", path, limit, maxRatio)
	}
	return d, nil
}

// unpacker reads from one and closes the other.
type unpacker struct {
	io.Reader
	io.Closer
}

// spool moves a stream into a file without a name, which is gone when the process is.
func spool(name string, r io.Reader) (Document, error) {
	if r == nil {
		return Document{}, fmt.Errorf("%s: there is none to read", name)
	}
	f, err := os.CreateTemp("", "zoo-text-*")
	if err != nil {
		return Document{}, err
	}
	os.Remove(f.Name())
	n, err := io.Copy(f, r)
	if err != nil {
		f.Close()
		return Document{}, fmt.Errorf("%s: byte %d: %w", name, n, err)
	}
	return Document{name, n, func() (io.ReadCloser, error) { return spooled{io.NewSectionReader(f, 0, n)}, nil }}, nil
}

// spooled reads a spooled file, which stays open.
type spooled struct{ *io.SectionReader }

// Close does nothing: the file has no name to be opened by again.
func (spooled) Close() error { return nil }
