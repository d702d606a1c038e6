package torchfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The headers of a zip file (APPNOTE 6.3.10, sections 4.3.7, 4.3.12, 4.3.14 to 4.3.16).
type (
	localHeader struct {
		Signature                        uint32
		Needs, Flags, Method, Time, Date uint16
		CRC, Compressed, Size            uint32
		Name, Extra                      uint16
	}
	centralHeader struct {
		Signature                                 uint32
		Creator, Needs, Flags, Method, Time, Date uint16
		CRC, Compressed, Size                     uint32
		Name, Extra, Comment, Disk, Internal      uint16
		External, Offset                          uint32
	}
	endHeader struct {
		Signature                                 uint32
		Disk, DirectoryDisk, DiskEntries, Entries uint16
		DirectorySize, DirectoryOffset            uint32
		Comment                                   uint16
	}
	end64Header struct {
		Signature                                            uint32
		RecordSize                                           uint64
		Creator, Needs                                       uint16
		Disk, DirectoryDisk                                  uint32
		DiskEntries, Entries, DirectorySize, DirectoryOffset uint64
	}
	locator64 struct {
		Signature, Disk uint32
		Offset          uint64
		Disks           uint32
	}
)

const (
	localSignature      = 0x04034b50
	centralSignature    = 0x02014b50
	descriptorSignature = 0x08074b50
	endSignature        = 0x06054b50
	end64Signature      = 0x06064b50
	locator64Signature  = 0x07064b50

	flagEncrypted  = 1 << 0
	flagDescriptor = 1 << 3 // checksum and sizes follow the data
	flagUTF8       = 1 << 11

	extraZip64   = 0x0001
	extraPadding = 0x4246 // "FB": brings the data of a record to an aligned place
)

// readAs reads a header at an offset; the error of a short file says so.
func readAs(r io.ReaderAt, at int64, header any) error {
	raw := make([]byte, binary.Size(header))
	if _, err := r.ReadAt(raw, at); err != nil {
		return fmt.Errorf("zip header at byte %d: %w", at, err)
	}
	_, err := binary.Decode(raw, binary.LittleEndian, header)
	return err
}

// findDirectory reads the end of the archive, which must be the end of the file.
func findDirectory(r io.ReaderAt, size int64) (begin, end int64, count int, err error) {
	const endSize, locatorSize, end64Size = 22, 20, 56
	var e endHeader
	if size < endSize {
		return 0, 0, 0, fmt.Errorf("%d bytes are too short for a zip archive", size)
	}
	if err := readAs(r, size-endSize, &e); err != nil {
		return 0, 0, 0, err
	}
	if e.Signature != endSignature {
		return 0, 0, 0, errors.New("does not end with a zip directory: truncated, or something follows the archive")
	}
	if e.Comment != 0 || e.Disk != 0 || e.DirectoryDisk != 0 || e.DiskEntries != e.Entries {
		return 0, 0, 0, errors.New("the zip archive has a comment or several volumes")
	}
	end = size - endSize
	entries, directorySize, offset := uint64(e.Entries), uint64(e.DirectorySize), uint64(e.DirectoryOffset)
	var l locator64
	if end >= locatorSize+end64Size {
		if err := readAs(r, end-locatorSize, &l); err != nil {
			return 0, 0, 0, err
		}
	}
	if l.Signature == locator64Signature {
		var w end64Header
		end -= locatorSize + end64Size
		if err := readAs(r, end, &w); err != nil {
			return 0, 0, 0, err
		}
		agree := func(narrow, wide, all uint64) bool { return narrow == wide || narrow == all }
		if w.Signature != end64Signature || w.RecordSize != end64Size-12 || l.Offset != uint64(end) || l.Disk != 0 || l.Disks != 1 ||
			w.Disk != 0 || w.DirectoryDisk != 0 || w.DiskEntries != w.Entries ||
			!agree(entries, w.Entries, 0xffff) || !agree(directorySize, w.DirectorySize, 0xffffffff) || !agree(offset, w.DirectoryOffset, 0xffffffff) {
			return 0, 0, 0, errors.New("the two ends of the zip directory disagree")
		}
		entries, directorySize, offset = w.Entries, w.DirectorySize, w.DirectoryOffset
	}
	switch {
	case entries > maxRecords:
		return 0, 0, 0, fmt.Errorf("%d records are over the limit of %d", entries, maxRecords)
	case directorySize > maxDirectory:
		return 0, 0, 0, fmt.Errorf("a zip directory of %d bytes is over the limit of %d", directorySize, maxDirectory)
	case offset > uint64(end) || offset+directorySize != uint64(end):
		return 0, 0, 0, fmt.Errorf("a zip directory of %d bytes at byte %d does not end at byte %d, where it should", directorySize, offset, end)
	}
	return int64(offset), end, int(entries), nil
}
