package checkpoint

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moezoo/moezoo/internal/faultfs"
)

func content(step int) Content {
	return Content{
		"model.safetensors": Blob([]byte(strings.Repeat(fmt.Sprint(step), 100))),
		"state.json":        Blob([]byte(fmt.Sprint(step))),
	}
}

func mustSave(t *testing.T, run string, step int) {
	t.Helper()
	if err := Save(faultfs.OS{}, run, step, content(step)); err != nil {
		t.Fatal(err)
	}
}

// wantStep loads the newest checkpoint and checks that its content is of that step.
func wantStep(t *testing.T, run string, steps ...int) {
	t.Helper()
	c, err := Load(run)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := c.Read("state.json")
	if err != nil || string(raw) != fmt.Sprint(c.Step) || !slices.Contains(steps, c.Step) {
		t.Fatalf("step %d with state %q (%v), want one of %v", c.Step, raw, err, steps)
	}
}

func TestEveryFaultAtEveryCallLeavesAGoodCheckpoint(t *testing.T) {
	count := &faultfs.Faulty{FS: faultfs.OS{}}
	run := t.TempDir()
	mustSave(t, run, 1)
	if err := Save(count, run, 2, content(2)); err != nil {
		t.Fatal(err)
	}
	for _, fault := range faultfs.Faults {
		for at := 1; at <= count.Calls; at++ {
			run := t.TempDir()
			mustSave(t, run, 1)
			fs := &faultfs.Faulty{FS: faultfs.OS{}, At: at, Fault: fault}
			err := Save(fs, run, 2, content(2))
			if !fs.Fired {
				t.Fatalf("%v at call %d did not happen", fault, at)
			}
			var environment *EnvironmentError
			if err != nil && !errors.As(err, &environment) {
				t.Errorf("%v at call %d: %v is no EnvironmentError", fault, at, err)
			}
			if err == nil {
				wantStep(t, run, 2)
			} else {
				wantStep(t, run, 1, 2)
			}
			mustSave(t, run, 3) // the next save cleans up and succeeds
			wantStep(t, run, 3)
			if left, _ := filepath.Glob(filepath.Join(run, folder, temporary+"*")); len(left) > 0 {
				t.Errorf("%v at call %d left %v", fault, at, left)
			}
		}
	}
}

func TestADamagedCheckpointIsRefusedAndAnOlderOneUsed(t *testing.T) {
	damage := map[string]func(dir string) error{
		"model.safetensors has changed": func(d string) error { return os.WriteFile(filepath.Join(d, "model.safetensors"), []byte("x"), 0o666) },
		"manifest.json: is missing":     func(d string) error { return os.Remove(filepath.Join(d, manifestFile)) },
		"does not list":                 func(d string) error { return os.WriteFile(filepath.Join(d, "more"), nil, 0o666) },
		"state.json is missing":         func(d string) error { return os.Remove(filepath.Join(d, "state.json")) },
		"format version 9": func(d string) error {
			return os.WriteFile(filepath.Join(d, manifestFile), []byte(`{"version":9,"step":2,"files":{"a":{}}}`), 0o666)
		},
		"its manifest is of step 7": func(d string) error {
			return os.WriteFile(filepath.Join(d, manifestFile), []byte(`{"version":1,"step":7,"files":{"a":{}}}`), 0o666)
		},
		`file name "../x" is not allowed`: func(d string) error {
			return os.WriteFile(filepath.Join(d, manifestFile), []byte(`{"version":1,"step":2,"files":{"../x":{}}}`), 0o666)
		},
		"is a symbolic link": func(d string) error {
			if err := os.Rename(d, d+"-moved"); err != nil {
				return err
			}
			return os.Symlink(d+"-moved", d)
		},
	}
	for want, spoil := range damage {
		run := t.TempDir()
		mustSave(t, run, 1)
		mustSave(t, run, 2)
		dir := filepath.Join(run, folder, Name(2))
		if err := spoil(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(run, 2); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		c, err := Load(run)
		if err != nil || c.Step != 1 || !strings.Contains(c.Note, want) {
			t.Errorf("%s: fell back to %+v, %v", want, c, err)
		}
	}
}

func TestADanglingLatestFallsBack(t *testing.T) {
	for _, text := range []string{"step-000000009\n", "../../etc", ""} {
		run := t.TempDir()
		mustSave(t, run, 1)
		if err := os.WriteFile(filepath.Join(run, latestFile), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		c, err := Load(run)
		if err != nil || c.Step != 1 || c.Note == "" {
			t.Errorf("%q: %+v %v", text, c, err)
		}
	}
}

func TestEveryFlippedByteIsDetected(t *testing.T) {
	run := t.TempDir()
	mustSave(t, run, 1)
	dir := filepath.Join(run, folder, Name(1))
	for _, name := range []string{"model.safetensors", "state.json"} {
		path := filepath.Join(dir, name)
		raw, _ := os.ReadFile(path)
		for i := range raw {
			raw[i] ^= 1
			if err := os.WriteFile(path, raw, 0o666); err != nil {
				t.Fatal(err)
			}
			if _, err := Load(run); err == nil {
				t.Fatalf("%s: byte %d", name, i)
			}
			raw[i] ^= 1
		}
		if err := os.WriteFile(path, raw, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	wantStep(t, run, 1)
}

func TestPruningKeepsTheNewestAndTheNamed(t *testing.T) {
	run := t.TempDir()
	for s := 1; s <= 5; s++ {
		mustSave(t, run, s)
	}
	if err := Prune(faultfs.OS{}, run, 2, 1); err != nil {
		t.Fatal(err)
	}
	if got, _ := Steps(run); !slices.Equal(got, []int{1, 4, 5}) {
		t.Errorf("kept %v", got)
	}
}

func TestASecondRunIsRefusedByName(t *testing.T) {
	run := t.TempDir()
	l, err := Acquire(run)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Acquire(run)
	var environment *EnvironmentError
	if !errors.As(err, &environment) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("got %v", err)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	if l, err = Acquire(run); err != nil {
		t.Fatalf("a lock that was released is still held: %v", err)
	}
	l.Release()
}

func FuzzManifest(f *testing.F) {
	for _, manifest := range []string{
		`{"version":1,"step":2,"files":{"a":{"bytes":1,"sha256":"x"}}}`,
		`{"version":9,"step":2,"files":{"a":{}}}`, `{"version":1,"step":-2,"files":{"a":{}}}`, `{"version":1,"step":2,"files":{}}`,
		`{"version":1,"step":2,"files":{"../x":{}}}`, `{"version":1,"step":2,"files":{"/etc/passwd":{}}}`, `{"version":1,"step":2,"files":{".lock":{}}}`,
		`{"version":1,"step":2,"files":{"a":{"bytes":-1}}}`, `{"version":1,"step":2,"world":4,"files":{"a":{}}}`, `{"version":1,"step":9223372036854775808}`, "", "[]", "null",
	} {
		f.Add([]byte(manifest))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if m, err := parseManifest(raw); err == nil {
			for name := range m.Files {
				if name != filepath.Base(name) {
					t.Fatalf("%q", name)
				}
			}
		}
	})
}
