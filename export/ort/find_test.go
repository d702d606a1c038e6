package ort

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestFindErrorSaysWhereItLookedAndWhatToDo(t *testing.T) {
	t.Setenv(LibraryEnv, "")
	t.Setenv(CacheEnv, t.TempDir())
	root, _ := CacheDir()
	_, err := findInCache(root, []string{"/some/folder: no " + libraryName()})
	var missing *NotFoundError
	if !errors.As(err, &missing) {
		t.Fatalf("error is %v", err)
	}
	for _, want := range []string{"/some/folder", root, "zoo runtime install", LibraryEnv, "1.24 or newer"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q:\n%v", want, err)
		}
	}
}

func TestEnvironmentVariableAloneCounts(t *testing.T) {
	notLib := filepath.Join(t.TempDir(), libraryName())
	os.WriteFile(notLib, []byte("text"), 0o600)
	for path, want := range map[string]string{
		filepath.Join(t.TempDir(), "none.so"): "does not exist",
		notLib:                                "not a usable shared library",
		t.TempDir():                           "no " + libraryName(),
	} {
		if runtime.GOOS != "linux" && path == notLib {
			continue // only ELF files are looked into
		}
		t.Setenv(LibraryEnv, path)
		_, err := Find()
		var missing *NotFoundError
		if !errors.As(err, &missing) || len(missing.Looked) != 1 || !strings.Contains(missing.Looked[0], want) {
			t.Errorf("%s: error is %v, want one reason with %q", path, err, want)
		}
	}
}

func TestCompareVersionsOrdersByNumber(t *testing.T) {
	vs := []string{"1.30.0", "1.9.1", "1.24.4", "1.24", "2.0.0", "junk"}
	slices.SortFunc(vs, compareVersions)
	if want := []string{"junk", "1.9.1", "1.24", "1.24.4", "1.30.0", "2.0.0"}; !slices.Equal(vs, want) {
		t.Errorf("got %v, want %v", vs, want)
	}
}
