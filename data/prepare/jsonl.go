package prepare

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/moezoo/moezoo/data/corpus"
)

// maxRecord is how long a line of a JSONL file may be, and a text in a parquet file.
const maxRecord = 64 << 20

// eachLine calls use for the text of every line of a JSONL file. Blank lines are none.
func eachLine(ctx context.Context, f corpus.Document, field string, use func(corpus.Document) error) error {
	stream, err := f.Section(0, f.Size)
	if err != nil {
		return err
	}
	defer stream.Close()
	r := bufio.NewReaderSize(stream, 1<<18)
	var line []byte
	for number := 1; ; number++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if line, err = readLine(r, line[:0]); errors.Is(err, io.EOF) {
			return nil
		}
		var text string
		blank := len(bytes.TrimSpace(line)) == 0
		if err == nil && !blank {
			text, err = textOf(line, field)
		}
		if err != nil {
			return fmt.Errorf("%s: line %d: %w", f.Name, number, err)
		}
		if blank {
			continue
		}
		if err := use(corpus.FromBytes(fmt.Sprintf("%s: line %d", f.Name, number), []byte(text))); err != nil {
			return err
		}
	}
}

// readLine reads a line, io.EOF when there is none.
func readLine(r *bufio.Reader, line []byte) ([]byte, error) {
	for {
		more, err := r.ReadSlice('\n')
		line = append(line, more...)
		switch {
		case len(line) > maxRecord:
			return nil, fmt.Errorf("is longer than %d bytes", maxRecord)
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(line) > 0, err == nil:
			return line, nil
		default:
			return nil, err
		}
	}
}

// textOf is a field of a JSON object.
func textOf(line []byte, field string) (string, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(line, &object); err != nil || object == nil {
		return "", fmt.Errorf("is no JSON object: %.60q%s", bytes.TrimSpace(line), because(err))
	}
	raw, ok := object[field]
	if !ok {
		var names []string
		for name := range object {
			names = append(names, fmt.Sprintf("%.40q", name))
		}
		slices.Sort(names)
		return "", fmt.Errorf("has no field %q: its fields are %s; --field names another", field, strings.Join(names[:min(len(names), 10)], ", "))
	}
	var text *string
	if err := json.Unmarshal(raw, &text); err != nil {
		return "", fmt.Errorf("the field %q is %.60s, want a string", field, raw)
	}
	if text == nil { // null is no text
		return "", nil
	}
	return *text, nil
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}
