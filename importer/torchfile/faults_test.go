package torchfile

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the committed seeds of FuzzOpen anew")

func TestFaultyFilesGiveOneErrorThatNamesTheFault(t *testing.T) {
	for _, s := range seeds() {
		f, err := read(s.file)
		switch {
		case s.want == "":
			if err != nil {
				t.Errorf("row %d, %s: %v", s.row, s.name, err)
				continue
			}
			for _, name := range f.Names() {
				if _, err := f.Float32(name); err != nil {
					t.Errorf("row %d, %s: %v", s.row, s.name, err)
				}
			}
		case err == nil || !strings.Contains(err.Error(), s.want) || !strings.HasPrefix(err.Error(), "x.bin: ") || strings.Contains(err.Error(), "\n"):
			t.Errorf("row %d, %s: got %v, want %q", s.row, s.name, err, s.want)
		}
	}
}

// TestADamagedStorageIsFoundWhenItIsRead: the checksum of the data, row 50.
func TestADamagedStorageIsFoundWhenItIsRead(t *testing.T) {
	f := mustRead(t, withRecords(part("m/data/0", sixFloats, func(z *zipped) { put32(z.local, 14, 1); put32(z.central, 16, 1) })))
	for range 2 {
		if _, err := f.Float32("a"); err == nil || !strings.Contains(err.Error(), `tensor "a": record "m/data/0": the checksum is`) {
			t.Error(err)
		}
	}
}

// TestTheSeedsAreCommitted: go test -run TheSeeds -update writes them.
func TestTheSeedsAreCommitted(t *testing.T) {
	dir := filepath.Join("testdata", "fuzz", "FuzzOpen")
	rows := map[int]bool{}
	for _, s := range seeds() {
		rows[s.row] = true
		path := filepath.Join(dir, fmt.Sprintf("row%d-%s", s.row, s.name))
		content := fmt.Appendf(nil, "go test fuzz v1\n[]byte(%q)\n", s.file)
		if *update {
			if err := os.MkdirAll(dir, 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, content, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		if committed, err := os.ReadFile(path); err != nil || !bytes.Equal(committed, content) {
			t.Errorf("%s is not what seeds() makes (%v)", path, err)
		}
	}
	for row := 35; row <= 60; row++ {
		if !rows[row] {
			t.Errorf("row %d has no seed", row)
		}
	}
}

// TestLargeFaultsTakeLittleMemoryAndTime: at most twice the file and 64 MiB, allocated in
// all, and a second, with a tenfold margin for a busy machine.
func TestLargeFaultsTakeLittleMemoryAndTime(t *testing.T) {
	manyRecords := make([]*zipped, 65_536)
	for i := range manyRecords {
		manyRecords[i] = part(fmt.Sprintf("m/data/%d", i), "")
	}
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"2^20 marks", withPickle("\x80\x02" + strings.Repeat("(", 1<<20) + "."), "more than 64 groups"},
		{"2^20 tuples", withPickle("\x80\x02)" + strings.Repeat("\x85", 1<<20) + "."), "more than 64 tuples"},
		{"2^23 dicts", withPickle("\x80\x02" + strings.Repeat("}", 1<<23) + "."), "take too much memory"},
		{"2^20 dicts of one", withPickle("\x80\x02" + strings.Repeat("}X\x00\x00\x00\x00Ns", 1<<20) + "."), "take too much memory"},
		{"a pickle over the limit", withPickle("\x80\x02" + strings.Repeat("}", maxPickle)), "over the limit of 16777216"},
		{"65536 records", build(manyRecords...), "more than its 0 records"},
		{"100000 views", withPickle(manyViews(100_000)), ""},
		{"100001 views", withPickle(manyViews(100_001)), "over the limit of 100000"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		f, err := read(c.file)
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		grown := after.TotalAlloc - before.TotalAlloc
		t.Logf("%s: %d MiB allocated for a file of %d, in %v", c.name, grown>>20, len(c.file)>>20, took)
		if grown > uint64(2*len(c.file)+64<<20) || took > 10*time.Second {
			t.Errorf("%s: %d MiB allocated for a file of %d, in %v", c.name, grown>>20, len(c.file)>>20, took)
		}
		runtime.KeepAlive(f)
	}
}

// TestASharedStorageIsCheckedOnce: a hundred views read the data's checksum once, row 46.
func TestASharedStorageIsCheckedOnce(t *testing.T) {
	file := withPickle(manyViews(100))
	c := &counting{r: bytes.NewReader(file)}
	f, err := NewFile("x.bin", c, int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	c.read = 0
	for _, name := range f.Names() {
		if _, err := f.Float32(name); err != nil {
			t.Fatal(err)
		}
	}
	// One pass for the checksum, and no view reads more than the storage.
	if want := int64(101 * len(sixFloats)); c.read > want {
		t.Errorf("%d bytes were read, want at most %d", c.read, want)
	}
}

// counting counts the bytes that are read.
type counting struct {
	r    io.ReaderAt
	read int64
}

func (c *counting) ReadAt(b []byte, at int64) (int, error) {
	n, err := c.r.ReadAt(b, at)
	c.read += int64(n)
	return n, err
}

func TestTheAllowListIsShort(t *testing.T) {
	names := Globals()
	if len(names) > 20 || !slices.IsSorted(names) || !slices.Contains(names, "torch._utils._rebuild_tensor_v2") {
		t.Errorf("%d: %v", len(names), names)
	}
}

// FuzzOpen: any file is read or refused, and what is read can be read to the end.
func FuzzOpen(f *testing.F) {
	files, err := filepath.Glob("testdata/*.bin")
	if err != nil || len(files) < 14 {
		f.Fatal(len(files), err)
	}
	for _, path := range files {
		raw, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := read(b)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Fatalf("more than one line: %v", err)
			}
			return
		}
		for _, name := range file.Names() {
			info, ok := file.Info(name)
			v, err := file.Float32(name)
			if !ok || err == nil && int64(len(v)) != info.Elements() {
				t.Fatalf("%q: %v, %d elements", name, info, len(v))
			}
		}
	})
}

// FuzzPickle: the machine by itself, without an archive whose checksums would hide it.
func FuzzPickle(f *testing.F) {
	for _, s := range seeds() {
		if a, err := readArchive(bytes.NewReader(s.file), int64(len(s.file))); err == nil && s.row < 50 {
			text, err := a[0].text(bytes.NewReader(s.file), maxPickle)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	raw := bytes.NewReader([]byte(sixFloats))
	p := &parts{data: map[string]record{"0": {name: "m/data/0", size: 24}}}
	f.Fuzz(func(t *testing.T, text string) {
		loaded := map[string]*storage{}
		value, err := unpickle(text, budget(0), func(id tuple) (any, error) { return p.load(raw, loaded, id) })
		if err != nil {
			return
		}
		tensors, err := stateDict(value)
		if err != nil {
			return
		}
		for _, v := range tensors {
			if v.storage.dtype.Floats(nil, nil) != nil {
				continue
			}
			if out, err := v.read(raw); err != nil || int64(len(out)) != v.elements() {
				t.Fatal(v.shape, len(out), err)
			}
		}
	})
}
