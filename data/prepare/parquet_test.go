package prepare

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

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
