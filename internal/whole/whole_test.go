package whole_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/moezoo/moezoo/internal/whole"
)

// TestAFailureLeavesWhatWasThere, and nothing beside it.
func TestAFailureLeavesWhatWasThere(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := whole.Write(path, []byte("old")); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	err := whole.WriteFunc(path, 0o600, func(w io.Writer) error {
		_, err := w.Write(make([]byte, 1<<20))
		return errors.Join(err, broken)
	})
	if raw, _ := os.ReadFile(path); !errors.Is(err, broken) || string(raw) != "old" {
		t.Errorf("%v: the file holds %d bytes", err, len(raw))
	}
	if err := whole.WriteJSON(path, map[string]int{"a": 1}); err != nil {
		t.Fatal(err)
	}
	if raw, _ := os.ReadFile(path); string(raw) != "{\n  \"a\": 1\n}\n" {
		t.Errorf("the file holds %q", raw)
	}
	if err := whole.Write(filepath.Join(dir, "file", "below"), nil); err == nil {
		t.Error("wrote below a file")
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := whole.Write(filepath.Join(dir, "folder"), nil); err == nil {
		t.Error("wrote over a folder")
	}
	if all, _ := os.ReadDir(dir); len(all) != 2 {
		t.Errorf("left behind: %v", all)
	}
}
