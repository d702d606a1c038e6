package scaffold

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moezoo/moezoo/plugins"
)

// TestAModuleBuildsWithoutTidying: where go cannot tidy it, go.mod lists what the clone needs,
// and that builds, too.
func TestAModuleBuildsWithoutTidying(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "p")
	path := os.Getenv("PATH")
	t.Setenv("PATH", t.TempDir()) // no go in it
	if _, err := New(Options{Name: "p", Language: Go, Kind: plugins.RouterKind, Dir: dir}); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", path)
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil || strings.Count(string(mod), "// indirect") < 20 {
		t.Fatalf("go.mod was tidied, so this test shows nothing (%v):\n%s", err, mod)
	}
	c := exec.Command("go", "list", "-mod=readonly", "-deps", "-test", ".")
	c.Dir = dir
	c.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=")
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestNothingIsLeftOfAFailure, not even the folder around it.
func TestNothingIsLeftOfAFailure(t *testing.T) {
	dir := t.TempDir()
	for _, o := range []Options{
		{Name: "p", Language: Go, Kind: plugins.RouterKind, Source: dir},
		{Name: "p", Language: "fortran", Kind: plugins.RouterKind},
		{Name: "p", Language: Python, Kind: "mixer"},
		{Name: "p q", Language: Python, Kind: plugins.RouterKind},
	} {
		o.Dir = filepath.Join(dir, "deep", "p")
		if _, err := New(o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestNoTemplateKeepsTheTemplateName once it is written under another name.
func TestNoTemplateKeepsTheTemplateName(t *testing.T) {
	for _, language := range []Language{Go, Python} {
		for _, kind := range []plugins.Kind{plugins.RouterKind, plugins.ExpertKind} {
			files, err := Options{Name: "other", Language: language, Kind: kind}.files()
			if err != nil {
				t.Fatal(err)
			}
			for name, f := range files {
				if strings.Contains(name+string(f.content), templateName) || strings.Contains(string(f.content), "Scaffolded") {
					t.Errorf("%s %s: %s names the template", language, kind, name)
				}
			}
		}
	}
}
