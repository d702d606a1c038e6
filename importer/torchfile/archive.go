package torchfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of archives.
const (
	maxRecords   = 65_535
	maxDirectory = 16 << 20
)

// record is a stored file of an archive.
type record struct {
	name string
	crc  uint32
	at   int64 // of its data
	size int64
}

// entry is a record as the directory describes it.
type entry struct {
	record
	central centralHeader
	offset  int64 // of the local header
}

// readArchive lists the records of a zip file of size bytes.
func readArchive(r io.ReaderAt, size int64) ([]record, error) {
	begin, end, count, err := findDirectory(r, size)
	if err != nil {
		return nil, err
	}
	entries, err := readDirectory(r, begin, end, count)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(entries, func(a, b entry) int {
		switch {
		case a.offset < b.offset:
			return -1
		case a.offset > b.offset:
			return 1
		}
		return 0
	})
	records := make([]record, len(entries))
	at := int64(0)
	for i, e := range entries {
		switch {
		case e.offset < at:
			return nil, fmt.Errorf("record %q overlaps the one before it", e.name)
		case e.offset > at:
			return nil, fmt.Errorf("%d bytes at byte %d belong to no record", e.offset-at, at)
		}
		if at, err = e.locate(r, begin); err != nil {
			return nil, fmt.Errorf("record %q: %w", e.name, err)
		}
		records[i] = e.record
	}
	if at != begin {
		return nil, fmt.Errorf("%d bytes at byte %d belong to no record", begin-at, at)
	}
	return records, nil
}

// readDirectory reads the directory, which fills the bytes from begin to end.
func readDirectory(r io.ReaderAt, begin, end int64, count int) ([]entry, error) {
	const headerSize = 46
	raw := make([]byte, end-begin)
	if _, err := r.ReadAt(raw, begin); err != nil && len(raw) > 0 {
		return nil, fmt.Errorf("zip directory: %w", err)
	}
	if count > len(raw)/headerSize {
		return nil, fmt.Errorf("a zip directory of %d bytes cannot list %d records", len(raw), count)
	}
	entries := make([]entry, count)
	seen := make(map[string]bool, count)
	for i := range entries {
		e := &entries[i]
		h := &e.central
		if n, err := binary.Decode(raw, binary.LittleEndian, h); err != nil || h.Signature != centralSignature ||
			len(raw)-n < int(h.Name)+int(h.Extra)+int(h.Comment) {
			return nil, fmt.Errorf("entry %d of the zip directory is damaged", i)
		}
		name, rest := raw[headerSize:headerSize+int(h.Name)], raw[headerSize+int(h.Name):]
		e.name = string(name)
		if err := checkName(e.name); err != nil {
			return nil, err
		}
		if seen[e.name] {
			return nil, fmt.Errorf("record %q occurs twice", e.name)
		}
		seen[e.name] = true
		if err := e.describe(rest[:h.Extra], begin); err != nil {
			return nil, fmt.Errorf("record %q: %w", e.name, err)
		}
		raw = rest[int(h.Extra)+int(h.Comment):]
	}
	if len(raw) > 0 {
		return nil, fmt.Errorf("the zip directory has %d bytes more than its %d records", len(raw), count)
	}
	return entries, nil
}

// checkName refuses names that could mean a place outside of the archive's folder, and those
// of programs.
func checkName(name string) error {
	if _, inner, _ := strings.Cut(name, "/"); inner == "constants.pkl" || strings.HasPrefix(inner, "code/") {
		return errors.New("a TorchScript program is unsupported: save its state_dict")
	}
	if !utf8.ValidString(name) || strings.ContainsAny(name, "\\:\x00") {
		return fmt.Errorf("the record name %.80q is not a plain path", name)
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." || part == ".." {
			return fmt.Errorf("the record name %.80q leads out of the archive or names no file", name)
		}
	}
	return nil
}

// describe takes over what the directory says of a record.
func (e *entry) describe(extra []byte, limit int64) error {
	h := e.central
	const dosDirectory, unixType, unixRegular = 0x10, 0xf000, 0x8000
	switch mode := h.External >> 16 & unixType; {
	case h.Flags&flagEncrypted != 0:
		return errors.New("is encrypted")
	case h.Method != 0:
		return fmt.Errorf("is compressed (method %d), must be stored", h.Method)
	case h.Flags&^(flagDescriptor|flagUTF8) != 0:
		return fmt.Errorf("has the unknown flags %#x", h.Flags)
	case mode != 0 && mode != unixRegular || h.External&dosDirectory != 0:
		return errors.New("is a link, a folder or a device, not a file")
	case h.Comment != 0 || h.Disk != 0:
		return errors.New("has a comment or lies in another volume")
	}
	compressed, offset := uint64(h.Compressed), uint64(h.Offset)
	size := uint64(h.Size)
	err := eachExtra(extra, func(id uint16, field []byte) error {
		if id != extraZip64 {
			return fmt.Errorf("has the unknown extra field %#04x", id)
		}
		for _, v := range []*uint64{&size, &compressed, &offset} {
			if *v == 0xffffffff && len(field) >= 8 {
				*v, field = binary.LittleEndian.Uint64(field), field[8:]
			}
		}
		if len(field) > 0 {
			return errors.New("has a zip64 field of the wrong length")
		}
		return nil
	})
	if err != nil {
		return err
	}
	if compressed != size {
		return fmt.Errorf("has %d bytes but %d compressed ones, must be stored", size, compressed)
	}
	if offset > uint64(limit) || size > uint64(limit)-offset {
		return fmt.Errorf("%d bytes at byte %d are outside of the file", size, offset)
	}
	e.crc, e.size, e.offset = h.CRC, int64(size), int64(offset)
	return nil
}

// eachExtra calls f with the extra fields of a header.
func eachExtra(extra []byte, f func(id uint16, field []byte) error) error {
	for len(extra) > 0 {
		if len(extra) < 4 {
			return errors.New("has a damaged extra field")
		}
		id, n := binary.LittleEndian.Uint16(extra), int(binary.LittleEndian.Uint16(extra[2:]))
		if extra = extra[4:]; n > len(extra) {
			return errors.New("has a damaged extra field")
		}
		if err := f(id, extra[:n]); err != nil {
			return err
		}
		extra = extra[n:]
	}
	return nil
}

var errHeaders = errors.New("its two headers disagree")

// locate reads the local header, which must say what the directory says, and answers where
// the record ends, its descriptor included. Records end before limit.
func (e *entry) locate(r io.ReaderAt, limit int64) (int64, error) {
	const headerSize = 30
	var h localHeader
	if err := readAs(r, e.offset, &h); err != nil {
		return 0, err
	}
	if h.Signature != localSignature || h.Flags != e.central.Flags || h.Method != 0 || int(h.Name) != len(e.name) {
		return 0, errHeaders
	}
	rest := make([]byte, int(h.Name)+int(h.Extra))
	if _, err := r.ReadAt(rest, e.offset+headerSize); err != nil {
		return 0, err
	}
	if string(rest[:h.Name]) != e.name {
		return 0, errHeaders
	}
	deferred := h.Flags&flagDescriptor != 0
	same := func(v, want uint64) bool { return v == want || deferred && v == 0 }
	size, compressed := uint64(h.Size), uint64(h.Compressed)
	err := eachExtra(rest[h.Name:], func(id uint16, field []byte) error {
		switch {
		case id == extraPadding:
			return nil
		case id != extraZip64 || len(field) < 16:
			return fmt.Errorf("has the unknown extra field %#04x", id)
		}
		size, compressed = binary.LittleEndian.Uint64(field), binary.LittleEndian.Uint64(field[8:])
		return nil
	})
	if err != nil {
		return 0, err
	}
	if !same(uint64(h.CRC), uint64(e.crc)) || !same(size, uint64(e.size)) || !same(compressed, uint64(e.size)) {
		return 0, errHeaders
	}
	e.at = e.offset + headerSize + int64(len(rest))
	end := e.at + e.size
	if end > limit {
		return 0, errors.New("runs into the directory")
	}
	if !deferred {
		return end, nil
	}
	return e.descriptor(r, end, limit)
}

// descriptor checks the checksum and sizes behind the data, of 32 or 64 bits.
func (e *entry) descriptor(r io.ReaderAt, at, limit int64) (int64, error) {
	var d [24]byte
	n, err := r.ReadAt(d[:min(24, limit-at)], at)
	if err != nil {
		return 0, err
	}
	word := func(i int) uint64 { return uint64(binary.LittleEndian.Uint32(d[i:])) }
	size := uint64(e.size)
	switch {
	case n < 16 || word(0) != descriptorSignature || word(4) != uint64(e.crc):
	case n == 24 && binary.LittleEndian.Uint64(d[8:]) == size && binary.LittleEndian.Uint64(d[16:]) == size:
		return at + 24, nil
	case word(8) == size && word(12) == size:
		return at + 16, nil
	}
	return 0, errors.New("what follows its data disagrees with the directory")
}

// verify reads a record once and compares its checksum.
func (rec record) verify(r io.ReaderAt) error {
	sum := crc32.NewIEEE()
	if n, err := io.Copy(sum, io.NewSectionReader(r, rec.at, rec.size)); err != nil || n != rec.size {
		return fmt.Errorf("record %q: %d of %d bytes are there (has the file shrunk?)", rec.name, n, rec.size)
	}
	if sum.Sum32() != rec.crc {
		return fmt.Errorf("record %q: the checksum is %08x, should be %08x: the file is damaged, or saved without checksums", rec.name, sum.Sum32(), rec.crc)
	}
	return nil
}

// text reads a whole record of at most limit bytes.
func (rec record) text(r io.ReaderAt, limit int64) (string, error) {
	if rec.size > limit {
		return "", fmt.Errorf("record %q: %d bytes are over the limit of %d", rec.name, rec.size, limit)
	}
	if err := rec.verify(r); err != nil {
		return "", err
	}
	var b strings.Builder
	b.Grow(int(rec.size))
	_, err := io.Copy(&b, io.NewSectionReader(r, rec.at, rec.size))
	return b.String(), err
}
