package corpus

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func read(t *testing.T, d Document, from, to int64) string {
	t.Helper()
	r, err := d.Section(from, to)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTextsAreReadFromEverywhere(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write([]byte("packed"))
	w.Close()
	plain, packed := write("b.txt", []byte("plain \xff\x00")), write("c.gz", z.Bytes())
	write("folder/2.txt", []byte("two"))
	write("folder/1.txt", []byte("one"))
	write("folder/.hidden", []byte("no"))
	docs, err := Read(strings.NewReader("typed"), plain, packed, filepath.Join(dir, "folder"), "-", DefaultName)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"plain \xff\x00", "packed", "one", "two", "typed"}
	for i, w := range want {
		for range 2 { // as often as wanted
			if got := read(t, docs[i], 0, docs[i].Size); got != w {
				t.Errorf("document %d is %q, want %q", i, got, w)
			}
		}
		if got := read(t, docs[i], 1, 3); got != w[1:3] {
			t.Errorf("the middle of document %d is %q, want %q", i, got, w[1:3])
		}
	}
	if len(docs) != 6 || docs[5].Size < 1_000_000 {
		t.Errorf("%d documents", len(docs))
	}
}

func TestBadTextsAreRefused(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.txt")
	os.WriteFile(empty, nil, 0o666)
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	for range 64 {
		w.Write(make([]byte, 1<<20))
	}
	w.Close()
	bomb := filepath.Join(dir, "bomb.gz")
	os.WriteFile(bomb, z.Bytes(), 0o666)
	broken := filepath.Join(dir, "broken.gz")
	os.WriteFile(broken, []byte("no gzip"), 0o666)
	cut := filepath.Join(dir, "cut.gz")
	os.WriteFile(cut, packed("a text that is cut off")[:20], 0o666)
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		cut: "unexpected EOF", pipe: "no regular file", "-": "there is none to read",
		empty: "the text is empty", bomb: "more than", broken: "gzip", "": "path of a text is empty", filepath.Join(dir, "none"): "no such file", os.DevNull: "no regular file",
	} {
		if _, err := Read(nil, path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", path, err, want)
		}
	}
}

func TestATextThatChangesIsAnError(t *testing.T) {
	for name, c := range map[string]struct {
		after []byte
		want  string
	}{
		"shorter.txt": {[]byte("12345"), "has become shorter than 10 bytes"},
		"longer.txt":  {[]byte("12345678901"), "has become longer than 10 bytes"},
		"shorter.gz":  {packed("12345"), "has become shorter than 10 bytes"},
		"longer.gz":   {packed("12345678901"), "has become longer than 10 bytes"},
		"broken.gz":   {[]byte("1234567890"), "is no gzip file"},
	} {
		path := filepath.Join(t.TempDir(), name)
		text := []byte("1234567890")
		if strings.HasSuffix(name, ".gz") {
			text = packed(string(text))
		}
		if err := os.WriteFile(path, text, 0o666); err != nil {
			t.Fatal(err)
		}
		docs, err := Read(nil, path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, c.after, 0o666); err != nil {
			t.Fatal(err)
		}
		for _, from := range []int64{0, 8} {
			r, err := docs[0].Section(from, 10)
			if err == nil {
				_, err = io.ReadAll(r)
				r.Close()
			}
			if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s from %d: %v, want %q", name, from, err, c.want)
			}
		}
	}
}

func packed(text string) []byte {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write([]byte(text))
	w.Close()
	return z.Bytes()
}

func FuzzCompressed(f *testing.F) {
	f.Add(packed("some text"))
	f.Add(packed(strings.Repeat("\x00", 1<<22)))
	f.Add(packed("cut off")[:20])
	f.Add(append(packed("two"), packed(" members")...))
	f.Add(append(packed("trailing"), "garbage"...))
	f.Add([]byte("no gzip"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		path := filepath.Join(t.TempDir(), "x.gz")
		if err := os.WriteFile(path, raw, 0o666); err != nil {
			t.Fatal(err)
		}
		docs, err := Read(nil, path)
		if err != nil {
			return
		}
		if got := read(t, docs[0], 0, docs[0].Size); int64(len(got)) != docs[0].Size || docs[0].Size > 1<<20+maxRatio*int64(len(raw)) {
			t.Fatalf("%d bytes, said to be %d", len(got), docs[0].Size)
		}
	})
}
