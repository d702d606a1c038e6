package prepare

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"

	"github.com/moezoo/moezoo/data/corpus"
)

// eachRow calls use for the text of every row of a parquet file. Rows without one have an
// empty text.
func eachRow(ctx context.Context, f corpus.Document, field string, use func(corpus.Document) error) (err error) {
	file, err := os.Open(f.Name)
	if err != nil {
		return err
	}
	defer file.Close()
	row := 0
	defer func() {
		if r := recover(); r != nil { // the library's answer to some damaged files
			err = fmt.Errorf("%s: row %d: the file is damaged: %v", f.Name, row, r)
		}
	}()
	if err := checkFooter(file, f.Size); err != nil {
		return fmt.Errorf("%s: is no parquet file: %w", f.Name, err)
	}
	p, err := parquet.OpenFile(file, f.Size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return fmt.Errorf("%s: is no parquet file: %w", f.Name, err)
	}
	column, err := textColumn(p, field)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Name, err)
	}
	for i, group := range p.RowGroups() {
		if err := checkPages(ctx, file, &p.Metadata().RowGroups[i].Columns[column].MetaData); err != nil {
			return fmt.Errorf("%s: row group %d: %w", f.Name, i, err)
		}
		err := eachValue(ctx, group.ColumnChunks()[column], func(text []byte) error {
			row++
			if len(text) > maxRecord {
				return fmt.Errorf("%s: row %d: a text of more than %d bytes", f.Name, row, maxRecord)
			}
			return use(corpus.FromBytes(fmt.Sprintf("%s: row %d", f.Name, row), bytes.Clone(text)))
		})
		var fault pageFault
		if errors.As(err, &fault) {
			return fmt.Errorf("%s: behind row %d: %w", f.Name, row, fault.error)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// textColumn is the number of the column of texts of that name.
func textColumn(p *parquet.File, field string) (int, error) {
	leaf, ok := p.Schema().Lookup(field)
	if !ok {
		var names []string
		for _, path := range p.Schema().Columns() {
			names = append(names, fmt.Sprintf("%.40q", strings.Join(path, ".")))
		}
		slices.Sort(names)
		return 0, fmt.Errorf("has no column %q: its columns are %s; --field names another", field, strings.Join(names[:min(len(names), 10)], ", "))
	}
	if leaf.MaxRepetitionLevel > 0 || leaf.Node.Type().Kind() != parquet.ByteArray {
		return 0, fmt.Errorf("the column %q holds %s, want one text in a row", field, leaf.Node.Type())
	}
	return leaf.ColumnIndex, nil
}

// pageFault is a page that cannot be read.
type pageFault struct{ error }

// eachValue calls use for every value of a column's part.
func eachValue(ctx context.Context, c parquet.ColumnChunk, use func(text []byte) error) error {
	pages := c.Pages()
	defer pages.Close()
	values := make([]parquet.Value, 256)
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return pageFault{err}
		}
		for r := page.Values(); err == nil; {
			var n int
			n, err = r.ReadValues(values)
			for _, v := range values[:n] {
				var text []byte
				if !v.IsNull() {
					text = v.ByteArray()
				}
				if err := errors.Join(ctx.Err(), use(text)); err != nil {
					parquet.Release(page)
					return err
				}
			}
		}
		parquet.Release(page)
		if !errors.Is(err, io.EOF) {
			return pageFault{err}
		}
	}
}
