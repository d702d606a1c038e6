package corpus

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

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
		if string(docs[i].Text) != w {
			t.Errorf("document %d is %q, want %q", i, docs[i].Text, w)
		}
	}
	if len(docs) != 6 || len(docs[5].Text) < 1_000_000 {
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
	for path, want := range map[string]string{
		empty: "the text is empty", bomb: "more than", broken: "gzip", "": "path of a text is empty", filepath.Join(dir, "none"): "no such file", os.DevNull: "no regular file",
	} {
		if _, err := Read(nil, path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", path, err, want)
		}
	}
}
