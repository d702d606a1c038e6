package prepare

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/encoding"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/moezoo/moezoo/data/corpus"
)

type record struct {
	ID   int64    `parquet:"id"`
	Text *string  `parquet:"text,optional,zstd,dict"`
	Body string   `parquet:"body,snappy"`
	Tags []string `parquet:"tags,list"`
}

// parquetFile has three row groups.
func parquetFile(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[record](&b, parquet.MaxRowsPerRowGroup(3), parquet.PageBufferSize(64))
	for i := range 8 {
		r := record{ID: int64(i), Body: fmt.Sprint("body ", i), Tags: []string{"a", "b"}}
		if text := fmt.Sprint("text ", i%5); i != 4 {
			r.Text = &text
		}
		if _, err := w.Write([]record{r}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// column writes a parquet file of one column of texts.
func column(t testing.TB, texts []string, codec compress.Codec, encoding encoding.Encoding, version int) string {
	t.Helper()
	node := parquet.Compressed(parquet.Encoded(parquet.String(), encoding), codec)
	var b bytes.Buffer
	w := parquet.NewGenericWriter[any](&b, parquet.NewSchema("x", parquet.Group{"text": node}), parquet.DataPageVersion(version))
	for _, text := range texts {
		if _, err := w.WriteRows([]parquet.Row{{parquet.ByteArrayValue([]byte(text)).Level(0, 0, 0)}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestParquetPages of every codec, encoding and version are read or refused by name.
func TestParquetPages(t *testing.T) {
	texts := []string{"one", strings.Repeat("two ", 1000), "", "three"}
	for _, c := range []struct {
		codec    compress.Codec
		encoding encoding.Encoding
		want     string // an error
	}{
		{&parquet.Uncompressed, &parquet.Plain, ""},
		{&parquet.Snappy, &parquet.RLEDictionary, ""},
		{&parquet.Gzip, &parquet.DeltaLengthByteArray, ""},
		{&parquet.Zstd, &parquet.Plain, ""},
		{&parquet.Brotli, &parquet.Plain, "its text is compressed by BROTLI, want [UNCOMPRESSED SNAPPY GZIP ZSTD]"},
		{&parquet.Lz4Raw, &parquet.Plain, "its text is compressed by LZ4_RAW"},
		{&parquet.Zstd, &parquet.DeltaByteArray, "a page is encoded as DELTA_BYTE_ARRAY"},
	} {
		for version := 1; version <= 2; version++ {
			got, err := rows(t, column(t, texts, c.codec, c.encoding, version))
			switch {
			case c.want == "" && (err != nil || strings.Join(got, "|") != strings.Join(texts, "|")):
				t.Errorf("%v, %v, version %d: %.80q, %v", c.codec, c.encoding, version, got, err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%v, %v, version %d: error %v, want %q", c.codec, c.encoding, version, err, c.want)
			}
		}
	}
	// A header holds the least and the largest text of its page.
	large := strings.Repeat("x", 100_000)
	if got, err := rows(t, column(t, []string{large}, &parquet.Zstd, &parquet.Plain, 1)); err != nil || len(got) != 1 || got[0] != large {
		t.Errorf("%d texts, %v", len(got), err)
	}
}

// rows are the texts of a parquet file.
func rows(t testing.TB, file string) (texts []string, err error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.parquet")
	if err := os.WriteFile(path, []byte(file), 0o644); err != nil {
		t.Fatal(err)
	}
	docs, err := corpus.Read(nil, path)
	if err != nil {
		return nil, err
	}
	err = eachRow(context.Background(), docs[0], "text", func(d corpus.Document) error {
		text, err := readAll(context.Background(), d)
		texts = append(texts, string(text))
		return err
	})
	if err != nil && !strings.HasPrefix(err.Error(), path+": ") {
		t.Errorf("error %v names no file", err)
	}
	return texts, err
}

// TestPagesThatClaimTooMuch are refused before anything of that size is made.
func TestPagesThatClaimTooMuch(t *testing.T) {
	data := thrift.Null[format.DataPageHeader]{Valid: true}
	many := data
	many.V.NumValues = maxPageValues + 1
	levels := thrift.Null[format.DataPageHeaderV2]{Valid: true, V: format.DataPageHeaderV2{DefinitionLevelsByteLength: 11}}
	for want, h := range map[string]format.PageHeader{
		"claims 268435457 bytes":       {Type: format.DataPage, CompressedPageSize: maxPage + 1, DataPageHeader: data},
		"268435457 without":            {Type: format.DataPage, UncompressedPageSize: maxPage + 1, DataPageHeader: data},
		"claims 16777217 values":       {Type: format.DataPage, DataPageHeader: many},
		"claims 11 of levels":          {Type: format.DataPageV2, CompressedPageSize: 10, DataPageHeaderV2: levels},
		"longer than what is left":     {Type: format.DataPage, CompressedPageSize: 10, UncompressedPageSize: 10, DataPageHeader: data},
		"a page is of the type INDEX_": {Type: format.IndexPage},
	} {
		if err := checkPage(&h, format.Uncompressed, strings.NewReader("12345")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// TestPagesThatAreMoreThanTheyClaim are refused: what says a kilobyte and is sixteen million.
func TestPagesThatAreMoreThanTheyClaim(t *testing.T) {
	const large = 16 << 20
	for _, codec := range []compress.Codec{&parquet.Gzip, &parquet.Zstd, &parquet.Snappy} {
		packed, err := codec.Encode(nil, make([]byte, large))
		if err != nil {
			t.Fatal(err)
		}
		for whole, want := range map[int64]string{large: "", large - 1: "larger than the 16777215 bytes", 1000: "larger than the 1000 bytes"} {
			err := checkExpanded(codec.CompressionCodec(), bytes.NewReader(packed), whole)
			if (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%v of %d: error %v, want %q", codec, whole, err, want)
			}
		}
	}
}

// FuzzParquet: a file is read or refused, and takes memory by its size.
func FuzzParquet(f *testing.F) {
	f.Add(parquetFile(f))
	for version := 1; version <= 2; version++ {
		for _, codec := range []compress.Codec{&parquet.Uncompressed, &parquet.Snappy, &parquet.Gzip, &parquet.Zstd} {
			f.Add([]byte(column(f, []string{"one", "two", "two"}, codec, &parquet.Plain, version)))
			f.Add([]byte(column(f, []string{"one", "two", "two"}, codec, &parquet.RLEDictionary, version)))
		}
		f.Add([]byte(column(f, []string{"one", "two"}, &parquet.Uncompressed, &parquet.DeltaLengthByteArray, version)))
	}
	f.Add([]byte("PAR1\xff\xff\xff\x7fPAR1"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _ = rows(t, string(raw))
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 1<<30 {
			t.Errorf("%d bytes were allocated for a file of %d", took, len(raw))
		}
	})
}

func TestParquetFiles(t *testing.T) {
	write(t, map[string]string{"a.parquet": string(parquetFile(t)), "bad.parquet": "PAR1 of nothing PAR1", "b.txt": "behind"})
	o := options("a.parquet", "b.txt")
	m, err := Prepare(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	train, _ := documents(t, "out")
	want := []string{"text 0", "text 1", "text 2", "text 3", "text 0", "text 1", "text 2", "behind"}
	if strings.Join(train, "|") != strings.Join(want, "|") || m.Total.Empty != 1 {
		t.Errorf("got %q and %+v, want %q", train, m.Total, want)
	}
	for field, want := range map[string]string{
		"txt": `a.parquet: has no column "txt": its columns are "body", "id", "tags.list.element", "text"; --field names another`,
		"id":  `a.parquet: the column "id" holds INT(64,true), want one text in a row`,
	} {
		o := options("a.parquet")
		o.Out, o.Field = "other", field
		if _, err := Prepare(context.Background(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	o = options("bad.parquet")
	o.Out = "other"
	if _, err := Prepare(context.Background(), o); err == nil || !strings.Contains(err.Error(), "bad.parquet: ") {
		t.Errorf("error %v", err)
	}
}

// TestDamagedParquetFiles are errors or other texts, never a panic: a byte is changed at a time.
func TestDamagedParquetFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	whole := parquetFile(t)
	for at := 0; at < len(whole); at += 7 {
		raw := bytes.Clone(whole)
		raw[at] ^= 0x55
		if err := os.WriteFile("a.parquet", raw, 0o644); err != nil {
			t.Fatal(err)
		}
		docs, err := corpus.Read(nil, "a.parquet")
		if err != nil {
			t.Fatal(err)
		}
		rows := 0
		err = eachRow(context.Background(), docs[0], "text", func(corpus.Document) error { rows++; return nil })
		if err != nil && !strings.HasPrefix(err.Error(), "a.parquet: ") {
			t.Errorf("byte %d: error %v names no file", at, err)
		}
	}
}
