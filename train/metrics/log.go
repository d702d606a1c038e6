package metrics

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
)

// File is the name of the JSON-lines file in a run's folder.
const File = "metrics.jsonl"

// Log appends one object per step to the run's metric files.
type Log struct {
	// Seconds is what the newest record that was found says of time spent training, 0 without one.
	Seconds float64
	// Evaluated is the newest step that was found with a held-out loss, 0 without one.
	Evaluated int

	lines  *os.File
	events *events
}

// Open opens the metric files of a run that has made step steps. Records of later steps,
// which an interrupted process may have left, and a torn last line are removed, so that
// every step stands in the file once.
func Open(dir string, step int) (*Log, error) {
	path := filepath.Join(dir, File)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	l := &Log{lines: f}
	end, err := l.endOfStep(f, step)
	if err == nil {
		err = f.Truncate(end)
	}
	if err == nil {
		_, err = f.Seek(end, io.SeekStart)
	}
	if err == nil {
		l.events, err = openEvents(dir, step)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return l, nil
}

// endOfStep is the offset behind the last whole record of a step up to step. What the records
// before tell is noted.
func (l *Log) endOfStep(f *os.File, step int) (end int64, err error) {
	r := bufio.NewReaderSize(f, 1<<16)
	for {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return end, nil
		}
		if err != nil {
			return 0, err
		}
		var record struct {
			Step    int
			Seconds float64
			HeldOut json.RawMessage `json:"held_out_loss"`
		}
		if json.Unmarshal(line, &record) != nil || record.Step > step {
			return end, nil
		}
		if record.HeldOut != nil {
			l.Evaluated = record.Step
		}
		end, l.Seconds = end+int64(len(line)), max(l.Seconds, record.Seconds)
	}
}

// longest record that Last looks for.
const longest = 1 << 20

// Last is the newest whole record of a run, with numbers as float64; nil when there is none.
func Last(dir string) (map[string]any, error) {
	f, err := os.Open(filepath.Join(dir, File))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	tail := make([]byte, min(size, 2*longest))
	if _, err := f.ReadAt(tail, size-int64(len(tail))); err != nil {
		return nil, err
	}
	tail = tail[:bytes.LastIndexByte(tail, '\n')+1] // without what a kill tore
	tail = bytes.TrimSuffix(tail, []byte("\n"))
	tail = tail[bytes.LastIndexByte(tail, '\n')+1:]
	var record map[string]any
	if len(tail) == 0 || json.Unmarshal(tail, &record) != nil {
		return nil, nil
	}
	return record, nil
}

// Write appends a record. Numbers that are not finite are written as null.
func (l *Log) Write(step int, values map[string]any) error {
	record := map[string]any{"step": step}
	for k, v := range values {
		if x, ok := v.(float64); ok && (math.IsNaN(x) || math.IsInf(x, 0)) {
			v = nil
		}
		record[k] = v
	}
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(record); err != nil {
		return err
	}
	if _, err := l.lines.Write(b.Bytes()); err != nil {
		return err
	}
	return l.events.write(step, values)
}

// Sync makes what was written durable.
func (l *Log) Sync() error { return errors.Join(l.lines.Sync(), l.events.file.Sync()) }

// Close closes the files.
func (l *Log) Close() error { return errors.Join(l.lines.Close(), l.events.file.Close()) }
