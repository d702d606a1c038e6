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
	end, seconds, err := endOfStep(f, step)
	if err == nil {
		err = f.Truncate(end)
	}
	if err == nil {
		_, err = f.Seek(end, io.SeekStart)
	}
	l := &Log{Seconds: seconds, lines: f}
	if err == nil {
		l.events, err = openEvents(dir, step)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return l, nil
}

// endOfStep is the offset behind the last whole record of a step up to step, and the seconds
// that it tells.
func endOfStep(f *os.File, step int) (end int64, seconds float64, err error) {
	r := bufio.NewReaderSize(f, 1<<16)
	for {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return end, seconds, nil
		}
		if err != nil {
			return 0, 0, err
		}
		var record struct {
			Step    int
			Seconds float64
		}
		if json.Unmarshal(line, &record) != nil || record.Step > step {
			return end, seconds, nil
		}
		end, seconds = end+int64(len(line)), max(seconds, record.Seconds)
	}
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
