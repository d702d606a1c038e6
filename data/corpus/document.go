package corpus

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Document is one text that can be read as often as wanted.
type Document struct {
	Name string
	Size int64 // bytes of text, decompressed
	open func() (io.ReadCloser, error)
}

// New is a text of so many bytes that open begins to read anew.
func New(name string, size int64, open func() (io.ReadCloser, error)) Document {
	return Document{name, size, open}
}

// FromBytes is a text in memory.
func FromBytes(name string, text []byte) Document {
	return Document{name, int64(len(text)), func() (io.ReadCloser, error) { return memory{bytes.NewReader(text)}, nil }}
}

// memory is a reader with nothing to close that can seek.
type memory struct{ *bytes.Reader }

// Close does nothing.
func (memory) Close() error { return nil }

// Section reads the bytes from … to−1 of the text. It is an error, never an early end, when
// the text has become shorter, and when bytes follow what was its end.
func (d Document) Section(from, to int64) (io.ReadCloser, error) {
	r, err := d.open()
	if err != nil {
		return nil, err
	}
	if s, ok := r.(io.Seeker); ok {
		_, err = s.Seek(from, io.SeekStart)
	} else if _, err = io.CopyN(io.Discard, r, from); errors.Is(err, io.EOF) {
		err = d.changed("shorter")
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	return &section{d: d, r: r, at: from, to: to}, nil
}

func (d Document) changed(how string) error {
	return fmt.Errorf("%s: has become %s than %d bytes while it was read", d.Name, how, d.Size)
}

type section struct {
	d      Document
	r      io.ReadCloser
	at, to int64
}

// Read reads on.
func (s *section) Read(p []byte) (int, error) {
	if s.at == s.to {
		return 0, s.end()
	}
	n, err := s.r.Read(p[:min(int64(len(p)), s.to-s.at)])
	s.at += int64(n)
	switch {
	case err == io.EOF && s.at < s.to:
		return n, s.d.changed("shorter")
	case err == io.EOF:
		return n, nil // the end is looked at by the next call
	case err != nil:
		return n, fmt.Errorf("%s: byte %d: %w", s.d.Name, s.at, err)
	}
	return n, nil
}

// end is io.EOF unless the document goes on behind its end.
func (s *section) end() error {
	if s.to < s.d.Size {
		return io.EOF
	}
	var more [1]byte
	if n, err := io.ReadFull(s.r, more[:]); n > 0 {
		return s.d.changed("longer")
	} else if err != io.EOF {
		return fmt.Errorf("%s: byte %d: %w", s.d.Name, s.at, err)
	}
	return io.EOF
}

// Close closes the file behind it.
func (s *section) Close() error { return s.r.Close() }
