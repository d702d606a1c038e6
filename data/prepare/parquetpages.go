package prepare

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/moezoo/moezoo/data"
)

// Limits of a page. The library believes what pages claim, and takes apart what they hold however
// large it becomes, so that all pages are looked at before.
const (
	maxPage       = 256 << 20 // bytes, compressed or not
	maxPageValues = 1 << 24
)

// oldDictionary is how older writers call a dictionary.
const oldDictionary format.Encoding = 2

// What pages of texts may be: what cannot be made larger than it says.
var (
	pageCodecs    = []format.CompressionCodec{format.Uncompressed, format.Snappy, format.Gzip, format.Zstd}
	pageEncodings = []format.Encoding{format.Plain, oldDictionary, format.RLEDictionary, format.DeltaLengthByteArray}
)

// checkPages reads the pages of a column's part, without keeping any, and refuses those that are not
// what they claim to be, or claim too much.
func checkPages(ctx context.Context, file io.ReaderAt, m *format.ColumnMetaData) error {
	if !slices.Contains(pageCodecs, m.Codec) {
		return fmt.Errorf("its text is compressed by %v, want %v", m.Codec, pageCodecs)
	}
	at := m.DataPageOffset
	if m.DictionaryPageOffset != 0 {
		at = m.DictionaryPageOffset
	}
	if at < 0 || m.TotalCompressedSize < 0 {
		return fmt.Errorf("its pages are %d bytes at %d", m.TotalCompressedSize, at)
	}
	pages := io.NewSectionReader(file, at, m.TotalCompressedSize)
	for at := int64(0); ; {
		header, size, err := pageHeader(pages, at)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("a page's header: %w", err)
		}
		body := io.NewSectionReader(pages, at+size, int64(header.CompressedPageSize))
		if err := checkPage(header, m.Codec, data.WhileAlive(ctx, body)); err != nil {
			return err
		}
		at += size + int64(header.CompressedPageSize)
	}
}

// pageHeader is the header at a place, and its size; io.EOF at the end. Most are small; some hold two
// texts.
func pageHeader(pages *io.SectionReader, at int64) (*format.PageHeader, int64, error) {
	for size := int64(4 << 10); ; size *= 16 {
		raw := make([]byte, max(0, min(size, pages.Size()-at)))
		if n, err := pages.ReadAt(raw, at); n == 0 || err != nil && !errors.Is(err, io.EOF) {
			return nil, 0, cmp.Or(err, io.EOF)
		} else {
			raw = raw[:n]
		}
		header, in := &format.PageHeader{}, new(thrift.CompactProtocol).NewReaderFromBytes(raw)
		err := thrift.NewDecoder(in).Decode(header)
		if err == nil {
			return header, int64(in.BytesRead()), nil
		}
		if int64(len(raw)) < size || size > 2*maxRecord {
			return nil, 0, err
		}
	}
}

// checkFooter refuses a file whose footer would not fit.
func checkFooter(file io.ReaderAt, size int64) error {
	var end [8]byte
	if _, err := file.ReadAt(end[:], max(0, size-8)); err != nil {
		return err
	}
	if n := int64(binary.LittleEndian.Uint32(end[:])); n > size-12 {
		return fmt.Errorf("its footer claims %d bytes of %d", n, size)
	}
	return nil
}

// checkPage reads a page from behind its header on.
func checkPage(h *format.PageHeader, codec format.CompressionCodec, r io.Reader) error {
	size, whole := int64(h.CompressedPageSize), int64(h.UncompressedPageSize)
	if size < 0 || size > maxPage || whole < 0 || whole > maxPage {
		return fmt.Errorf("a page claims %d bytes, %d without compression: want at most %d", size, whole, maxPage)
	}
	var (
		values   int32
		encoding format.Encoding
		plain    int64 // bytes that are not compressed
	)
	switch {
	case h.Type == format.DataPage && h.DataPageHeader.Valid:
		values, encoding = h.DataPageHeader.V.NumValues, h.DataPageHeader.V.Encoding
	case h.Type == format.DictionaryPage && h.DictionaryPageHeader.Valid:
		values, encoding = h.DictionaryPageHeader.V.NumValues, h.DictionaryPageHeader.V.Encoding
	case h.Type == format.DataPageV2 && h.DataPageHeaderV2.Valid:
		v := &h.DataPageHeaderV2.V
		values, encoding = max(v.NumValues, v.NumRows, v.NumNulls), v.Encoding
		plain = int64(v.RepetitionLevelsByteLength) + int64(v.DefinitionLevelsByteLength)
		if v.RepetitionLevelsByteLength < 0 || v.DefinitionLevelsByteLength < 0 || plain > size {
			return fmt.Errorf("a page of %d bytes claims %d of levels", size, plain)
		}
		if v.IsCompressed.Valid && !v.IsCompressed.V {
			codec = format.Uncompressed
		}
	default:
		return fmt.Errorf("a page is of the type %v", h.Type)
	}
	if values < 0 || values > maxPageValues {
		return fmt.Errorf("a page claims %d values: want at most %d", values, maxPageValues)
	}
	if !slices.Contains(pageEncodings, encoding) {
		return fmt.Errorf("a page is encoded as %v, want %v", encoding, pageEncodings)
	}
	body := &io.LimitedReader{R: r, N: size}
	if _, err := io.CopyN(io.Discard, body, plain); err != nil {
		return err
	}
	if err := checkExpanded(codec, body, whole-plain); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, body); err != nil {
		return err
	}
	if body.N > 0 {
		return errors.New("a page is longer than what is left of its column")
	}
	return nil
}

// checkExpanded takes apart what is compressed, and refuses what is larger than it claims.
func checkExpanded(codec format.CompressionCodec, body io.Reader, whole int64) error {
	size := int64(0)
	switch codec {
	case format.Snappy: // says first how large it is, and is no larger
		n, err := binary.ReadUvarint(bufio.NewReaderSize(body, 16))
		if err != nil {
			return fmt.Errorf("a page: %w", err)
		}
		size = int64(min(n, maxPage+1))
	case format.Gzip:
		z, err := gzip.NewReader(body)
		if err == nil {
			size, err = io.Copy(io.Discard, io.LimitReader(z, whole+1))
		}
		if err != nil {
			return fmt.Errorf("a page: %w", err)
		}
	case format.Zstd:
		z, err := zstd.NewReader(body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(64<<20))
		if err != nil {
			return fmt.Errorf("a page: %w", err)
		}
		defer z.Close()
		if size, err = io.Copy(io.Discard, io.LimitReader(z, whole+1)); err != nil {
			return fmt.Errorf("a page: %w", err)
		}
	}
	if size > whole {
		return fmt.Errorf("a page is larger than the %d bytes that it claims without compression", whole)
	}
	return nil
}
