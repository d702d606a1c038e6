//go:build unix

package plugins

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func openLock(t *testing.T, dir string) *Lock {
	t.Helper()
	l, err := OpenLock(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// buildLocked builds faulty/pick under the lock of a project.
func buildLocked(t *testing.T, project, plugins string, env ...string) error {
	t.Helper()
	h, _ := testHost(t, Config{Dirs: []string{plugins}, Lock: openLock(t, project), Env: env})
	_, err := h.Build(context.Background(), Request{Kind: RouterKind, Name: "faulty/pick", Dims: dims8})
	h.Close()
	return err
}

func lockText(t *testing.T, project string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(project, LockName))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestFirstUseIsRecordedAndTheSameUseChangesNothing(t *testing.T) {
	project, plugins := t.TempDir(), pluginDir(t)
	if err := buildLocked(t, project, plugins); err != nil {
		t.Fatal(err)
	}
	first := lockText(t, project)
	for _, want := range []string{`"version": "1.2.3"`, `"protocol": 1`, `"` + platform() + `": "sha256:`, `"router pick"`, `"d_model": 8`, `"function_sha256": "sha256:`} {
		if !strings.Contains(first, want) {
			t.Errorf("lock file lacks %s:\n%s", want, first)
		}
	}
	if err := buildLocked(t, project, plugins); err != nil {
		t.Fatal(err)
	}
	if lockText(t, project) != first {
		t.Error("the second use changed the file")
	}
}

func TestBuiltinsAreLockedWithoutABinary(t *testing.T) {
	project := t.TempDir()
	for _, inProcess := range []bool{false, true} { // both ways fit one lock
		h, _ := testHost(t, Config{Lock: openLock(t, project), InProcess: inProcess})
		if _, err := h.Build(context.Background(), Request{Kind: ExpertKind, Name: "same", Dims: dims8}); err != nil {
			t.Fatal(err)
		}
	}
	text := lockText(t, project)
	if !strings.Contains(text, `"builtin": true`) || !strings.Contains(text, `"revision": 2`) || strings.Contains(text, "platforms") {
		t.Errorf("got:\n%s", text)
	}
}

func TestAnUnequalSumIsRefusedWithBothSumsAndTheWayOut(t *testing.T) {
	project, plugins := t.TempDir(), pluginDir(t)
	if err := buildLocked(t, project, plugins); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(project, LockName)
	text := lockText(t, project)
	other := strings.Repeat("0", 64)
	hint := "\n  to accept the new one: zoo plugin lock --update faulty"
	edit := func(from, to string) {
		t.Helper()
		i := strings.Index(text, from)
		if i < 0 {
			t.Fatalf("no %q in lock", from)
		}
		if err := os.WriteFile(path, []byte(text[:i]+to+text[i+len(to):]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	binary := `"` + platform() + `": "sha256:`
	edit(binary, binary+other)
	checkError(t, buildLocked(t, project, plugins), "plugin faulty: lock: "+plugins+"/zoo-plugin-faulty has sha256:…, "+path+" records sha256:"+other+" for "+platform()+hint)
	function := `"function_sha256": "sha256:`
	edit(function, function+other)
	checkError(t, buildLocked(t, project, plugins), "plugin faulty: lock: faulty/pick with config {} builds sha256:…, "+path+" records sha256:"+other+hint)
	edit(`"revision": 1`, `"revision": 7`)
	checkError(t, buildLocked(t, project, plugins), "plugin faulty: lock: faulty/pick is revision 1, "+path+" records revision 7"+hint)
	l := openLock(t, project)
	checkError(t, l.Forget("fautly"), path+" records no plugin fautly (did you mean faulty?)")
	if err := l.Forget("faulty"); err != nil {
		t.Fatal(err)
	}
	if err := buildLocked(t, project, plugins); err != nil {
		t.Errorf("after the update: %v", err)
	}
}

func TestAnotherPlatformIsAppended(t *testing.T) {
	project, plugins := t.TempDir(), pluginDir(t)
	path := filepath.Join(project, LockName)
	sum := "sha256:" + strings.Repeat("1", 64)
	os.WriteFile(path, []byte(`{"format":1,"providers":{"faulty":{"version":"1.2.3","protocol":1,"platforms":{"plan9_mips":"`+sum+`"}}}}`), 0o644)
	if err := buildLocked(t, project, plugins); err != nil {
		t.Fatal(err)
	}
	if text := lockText(t, project); !strings.Contains(text, `"plan9_mips": "`+sum) || !strings.Contains(text, `"`+platform()+`": "sha256:`) {
		t.Errorf("got:\n%s", text)
	}
}

func TestDevPluginsSkipTheLockWithAWarning(t *testing.T) {
	project := t.TempDir()
	h, log := testHost(t, Config{Dev: map[string]string{"faulty": filepath.Join(pluginDir(t), "zoo-plugin-faulty")}, Lock: openLock(t, project)})
	if _, err := h.Build(context.Background(), Request{Kind: RouterKind, Name: "faulty/pick", Dims: dims8}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(project, LockName)); err == nil {
		t.Error("a lock file was written")
	}
	if n := strings.Count(log.String(), "runs unlocked"); n != 1 {
		t.Errorf("%d warnings", n)
	}
}

func TestConcurrentRecordsAreAllKept(t *testing.T) {
	project := t.TempDir()
	var wg sync.WaitGroup
	for i := range 8 {
		l := openLock(t, project)
		wg.Go(func() {
			b := &Built{
				Ref:    Ref{Provider: "p", Variant: Variant{Name: "v", Kind: RouterKind}, Builtin: true},
				Config: []byte("{}"), Dims: map[string]int64{"n": int64(i)}, Digest: strings.Repeat("a", 64),
			}
			if err := l.function(b); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := strings.Count(lockText(t, project), "function_sha256"); n != 8 {
		t.Errorf("%d records, want 8", n)
	}
}

func TestBrokenLockFilesAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     "it is not a lock file: EOF",
		"{":                                    "it is not a lock file: unexpected EOF",
		`{"format":2}`:                         "it has format 2; this zoo reads 1",
		`{"format":1,"x":1}`:                   `it is not a lock file: json: unknown field "x"`,
		`{"format":1,"providers":[]}`:          "it is not a lock file: …",
		`{"format":1,"providers":{"a":null}}`:  `provider "a" is not usable`,
		`{"format":1,"providers":{"../a":{}}}`: `provider "../a" is not usable`,
		`{"format":1,"providers":{"a":{"variants":{"v":null}}}}`:                                                  `variant "v" of a is empty`,
		`{"format":1,"providers":{"a":{"variants":{"v":{"revision":1,"functions":[{"config":[1],"dims":{}}]}}}}}`: `variant "v" of a: the config is not a JSON object: …`,
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, LockName)
		os.WriteFile(path, []byte(text), 0o644)
		_, err := OpenLock(dir, nil)
		checkError(t, err, path+": "+want+" (restore it from version control, or remove it to record anew)")
	}
	if _, err := OpenLock(filepath.Join(t.TempDir(), "none"), nil); err != nil {
		t.Errorf("a missing file is no error: %v", err)
	}
}

func FuzzParseLock(f *testing.F) {
	f.Add([]byte(`{"format":1,"providers":{"faulty":{"version":"1","platforms":{"linux_amd64":"sha256:0"},"variants":{"router pick":{"revision":1,"functions":[{"config":{},"dims":{"d":1},"function_sha256":"x"}]}}}}}`))
	f.Add([]byte(`{"format":1,"providers":{"a":{"variants":{"v":{"functions":null}}}}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if s, err := parseLock(raw); err == nil {
			cloneLock(s) // panics if what was read cannot be written and read again
		}
	})
}

func TestOutsideOfAProjectThereIsALockWithoutAFile(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	h, _ := testHost(t, Config{Dirs: []string{pluginDir(t)}})
	if _, err := h.Build(context.Background(), Request{Kind: RouterKind, Name: "faulty/pick", Dims: dims8}); err != nil {
		t.Fatal(err)
	}
	raw := string(h.Lock().Bytes())
	for _, want := range []string{`"faulty"`, `"router pick"`, `"function_sha256": "sha256:`, `"` + platform() + `": "sha256:`} {
		if !strings.Contains(raw, want) {
			t.Errorf("the lock lacks %s:\n%s", want, raw)
		}
	}
	if _, err := parseLock([]byte(raw)); err != nil {
		t.Error(err)
	}
	if err := h.Lock().checkBinary("faulty", "elsewhere", "0"); err == nil || !strings.Contains(err.Error(), "this program's first use records") {
		t.Errorf("another binary: %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

func TestOptionsAreReadFromTheSchema(t *testing.T) {
	v := Variant{Schema: []byte(testSchema)}
	got := v.Options()
	if len(got) != 3 || got[0] != (Option{Name: "balance", Default: "0.01", Doc: "weight"}) || got[1].Name != "inner" || got[2].Name != "order" {
		t.Errorf("%+v", got)
	}
	if v.Schema = []byte("true"); v.Options() != nil {
		t.Error("options of a schema that names none")
	}
}
