//go:build unix

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const pluginPage = "../../docs/plugins.md"

// section is a part of the page for plugin authors, under a heading.
func section(t *testing.T, heading string) string {
	t.Helper()
	page, err := os.ReadFile(pluginPage)
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(string(page), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("%s has no section %q", pluginPage, heading)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}

// fenced are the fenced parts of a text in one language.
func fenced(text, language string) (out []string) {
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	return out
}

// follow runs all command blocks of a section in an empty folder, as a person would type them,
// and answers that folder.
func follow(t *testing.T, text, path string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	bin := filepath.Dir(zooProcess(t).Path)
	script := strings.Join(fenced(text, "sh"), "")
	if strings.Count(script, "\n") < 8 {
		t.Fatalf("only these commands are on the page:\n%s", script)
	}
	c := exec.Command("bash", "-euxo", "pipefail", "-c", script)
	c.Dir = dir
	c.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+path, "ZOO_HOME="+t.TempDir(), "GOPROXY=off")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !bytes.Contains(out, []byte(" 0 failed")) {
		t.Errorf("verifying reported no success:\n%s", out)
	}
	for _, made := range []string{"mine.onnx", "run/latest"} {
		if _, err := os.Stat(filepath.Join(dir, "zoo-plugin-mine", made)); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
	return dir
}

// shows checks that the page shows what the folder holds.
func shows(t *testing.T, text, language, file string) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	shown := fenced(text, language)
	if len(shown) == 0 {
		t.Errorf("the page shows no %s", language)
	}
	for _, b := range shown {
		if !strings.Contains(string(raw), b) {
			t.Errorf("%s does not hold what the page shows:\n%s", filepath.Base(file), b)
		}
	}
}

// TestThePageForAuthorsInGo follows docs/plugins.md, literally.
func TestThePageForAuthorsInGo(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a plugin")
	}
	t.Parallel()
	text := section(t, "In Go")
	shows(t, text, "go", filepath.Join(follow(t, text, os.Getenv("PATH")), "zoo-plugin-mine", "main.go"))
}

// TestThePageForAuthorsInPython follows docs/plugins.md, literally, down to pip.
func TestThePageForAuthorsInPython(t *testing.T) {
	path := pythonWith(t, pythonExample+"/requirements.txt")
	t.Parallel()
	text := section(t, "In Python")
	shows(t, text, "python", filepath.Join(follow(t, text, path), "zoo-plugin-mine", "zoo-plugin-mine.py"))
}

// TestExpertsAreWrittenToo: what zoo plugin new writes for experts passes verification.
func TestExpertsAreWrittenToo(t *testing.T) {
	path := pythonWith(t, pythonExample+"/requirements.txt")
	t.Parallel()
	dir := t.TempDir()
	run := func(c *exec.Cmd) {
		t.Helper()
		c.Dir = dir
		c.Env = append(c.Environ(), "PATH="+path, "GOPROXY=off")
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", c.Args, err, out)
		}
	}
	run(zooProcess(t, "plugin", "new", "--python", "reglu-py", "--kind", "expert"))
	run(zooProcess(t, "plugin", "verify", "./zoo-plugin-reglu-py/zoo-plugin-reglu-py.py"))
	source, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	run(zooProcess(t, "plugin", "new", "--go", "reglu", "--kind", "expert", "--dir", "deeper/reglu", "--source", source))
	run(exec.Command("go", "build", "-C", "deeper/reglu", "-o", "../../reglu", "."))
	run(zooProcess(t, "plugin", "verify", "./reglu")) // a file of any name says itself what it is called
}
