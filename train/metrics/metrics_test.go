package metrics

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

func lines(t *testing.T, dir string) []map[string]any {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, File))
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]any
	for _, l := range strings.Split(strings.TrimSpace(string(raw)), "\n") {
		var m map[string]any
		if err := json.Unmarshal([]byte(l), &m); err != nil {
			t.Fatalf("%q: %v", l, err)
		}
		out = append(out, m)
	}
	return out
}

func TestEveryStepStandsOnceAfterAnInterruption(t *testing.T) {
	dir := t.TempDir()
	write := func(l *Log, steps ...int) {
		for _, s := range steps {
			if err := l.Write(s, map[string]any{"loss": float64(s), "load": []float64{1, 2}, "bad": math.NaN(), "seconds": float64(10 * s)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	l, err := Open(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	write(l, 1, 2, 3, 4)
	l.Close()
	f, _ := os.OpenFile(filepath.Join(dir, File), os.O_APPEND|os.O_WRONLY, 0)
	f.WriteString(`{"step": 5, "lo`) // torn by a kill
	f.Close()
	if l, err = Open(dir, 2); err != nil { // the checkpoint was of step 2
		t.Fatal(err)
	}
	if l.Seconds != 20 { // of the record of step 2
		t.Errorf("%v seconds", l.Seconds)
	}
	write(l, 3, 4, 5)
	l.Close()
	if last, err := Last(dir); err != nil || last["step"] != 5.0 || last["loss"] != 5.0 {
		t.Errorf("the last record is %v, %v", last, err)
	}
	got := lines(t, dir)
	for i, m := range got {
		if m["step"] != float64(i+1) || m["bad"] != nil {
			t.Errorf("record %d is %v", i, m)
		}
	}
	if len(got) != 5 {
		t.Errorf("%d records", len(got))
	}
}

// TestEventFilesHaveWholeRecords reads the TFRecord framing and the scalars back.
func TestEventFilesHaveWholeRecords(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Write(7, map[string]any{"loss": 1.5, "load": []float64{3, 4}}); err != nil {
		t.Fatal(err)
	}
	l.Close()
	files, _ := filepath.Glob(filepath.Join(dir, "events.out.tfevents.*"))
	raw, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	var events [][]byte
	for len(raw) > 0 {
		n := binary.LittleEndian.Uint64(raw)
		if maskedCRC(raw[:8]) != binary.LittleEndian.Uint32(raw[8:]) || maskedCRC(raw[12:12+n]) != binary.LittleEndian.Uint32(raw[12+n:]) {
			t.Fatal("a checksum is wrong")
		}
		events = append(events, raw[12:12+n])
		raw = raw[16+n:]
	}
	if len(events) != 2 || !bytes.Contains(events[0], []byte("brain.Event:2")) {
		t.Fatalf("%d events", len(events))
	}
	for _, tag := range []string{"loss", "load/0", "load/1"} {
		if !bytes.Contains(events[1], protowire.AppendString(nil, tag)) {
			t.Errorf("no scalar %q", tag)
		}
	}
	value := protowire.AppendFixed32(protowire.AppendTag(nil, 2, protowire.Fixed32Type), math.Float32bits(1.5))
	if !bytes.Contains(events[1], value) {
		t.Error("the loss is not 1.5")
	}
}
