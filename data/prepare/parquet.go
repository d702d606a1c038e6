package prepare

import (
	"context"
	"fmt"

	"github.com/moezoo/moezoo/data/corpus"
)

// eachRow calls use for the text of every row of a parquet file.
func eachRow(_ context.Context, f corpus.Document, _ string, _ func(corpus.Document) error) error {
	return fmt.Errorf("%s: parquet files are not read", f.Name)
}
