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
)

// MaxBytes is the largest text that is read into memory.
const MaxBytes = 4 << 30

// maxRatio is how many times larger than its file a compressed text may be.
const maxRatio = 200

// Document is one text.
type Document struct {
	Name string
	Text []byte
}

// Read reads texts: files, files ending in .gz, folders (every file in them, in order of
// their paths, hidden ones left out), "-" for standard input, or DefaultName for the
// embedded corpus. Each file is one document. No text at all is an error.
func Read(stdin io.Reader, paths ...string) ([]Document, error) {
	var docs []Document
	for _, p := range paths {
		more, err := readPath(stdin, p)
		if err != nil {
			return nil, err
		}
		docs = append(docs, more...)
	}
	total := 0
	for _, d := range docs {
		total += len(d.Text)
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
			return []Document{{DefaultName, Default()}}, nil
		}
	case "-":
		text, err := readLimited("standard input", stdin, MaxBytes)
		return []Document{{"-", text}}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("text %w", err)
	}
	if info.IsDir() {
		return readFolder(path)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: is no regular file", path)
	}
	text, err := readFile(path, info.Size())
	return []Document{{path, text}}, err
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
		text, err := readFile(path, info.Size())
		docs = append(docs, Document{path, text})
		return err
	})
	sort.Slice(docs, func(i, j int) bool { return docs[i].Name < docs[j].Name })
	return docs, err
}

func readFile(path string, size int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if !strings.HasSuffix(path, ".gz") {
		text, err := readLimited(path, f, MaxBytes)
		if err == nil && int64(len(text)) != size {
			return nil, fmt.Errorf("%s: has changed from %d to %d bytes while it was read", path, size, len(text))
		}
		return text, err
	}
	z, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		return nil, fmt.Errorf("%s: is no gzip file: %w", path, err)
	}
	return readLimited(path, z, min(MaxBytes, 1<<20+maxRatio*size))
}

func readLimited(name string, r io.Reader, limit int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("%s: more than %d bytes of text", name, limit)
	}
	return text, nil
}
