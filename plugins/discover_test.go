//go:build unix

package plugins

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSearchOrderIsFlagProjectEnvironmentUser(t *testing.T) {
	dirs := map[Source]string{SourceFlag: t.TempDir(), SourceProject: t.TempDir(), SourceEnv: t.TempDir(), SourceUser: t.TempDir()}
	place := map[Source]string{
		SourceFlag: dirs[SourceFlag], SourceProject: filepath.Join(dirs[SourceProject], ".zoo", "plugins"),
		SourceEnv: dirs[SourceEnv], SourceUser: filepath.Join(dirs[SourceUser], "plugins"),
	}
	for _, dir := range place {
		os.MkdirAll(dir, 0o755)
		linkSelf(t, filepath.Join(dir, "zoo-plugin-faulty"))
	}
	t.Setenv("ZOO_PLUGIN_PATH", "/does/not/exist:"+dirs[SourceEnv])
	c := Config{Dirs: []string{dirs[SourceFlag]}, Project: dirs[SourceProject], Home: dirs[SourceUser]}
	for _, want := range []Source{SourceFlag, SourceProject, SourceEnv, SourceUser} {
		h, _ := testHost(t, c)
		var winners []Source
		for _, f := range h.List() {
			if f.Name == "faulty" && f.ShadowedBy == "" {
				winners = append(winners, f.Source)
			}
		}
		if len(winners) != 1 || winners[0] != want {
			t.Errorf("got %v, want %s", winners, want)
		}
		os.Remove(filepath.Join(place[want], "zoo-plugin-faulty"))
	}
}

func TestBuiltinsCannotBeReplacedByAFile(t *testing.T) {
	dir := t.TempDir()
	linkSelf(t, filepath.Join(dir, "zoo-plugin-builtin"))
	h, _ := testHost(t, Config{Dirs: []string{dir}})
	for _, f := range h.List() {
		if f.Source == SourceFlag && f.ShadowedBy != "the built-in builtin" {
			t.Errorf("got %+v", f)
		}
	}
	_, err := NewHost(Config{Dev: map[string]string{"builtin": dir}})
	checkError(t, err, "--plugin-dev builtin="+dir+": builtin is built in; give the plugin another name")
	_, err = NewHost(Config{Dev: map[string]string{"x": "/no/such/file"}})
	checkError(t, err, "--plugin-dev x=/no/such/file: stat /no/such/file: no such file or directory")
}

func TestNamesResolveToBuiltinsFirstAndAmbiguityIsAnError(t *testing.T) {
	dir := pluginDir(t)
	h, _ := testHost(t, Config{Dirs: []string{dir}})
	ctx := context.Background()
	for _, c := range []struct{ name, want, err string }{
		{"pick", "builtin/pick", ""},
		{"faulty/pick", "faulty/pick", ""},
		{"pik", "", "no router is called pik (did you mean pick?)"},
		{"same", "", "no router is called same (there is: pick)"},
		{"faulty/pic", "", "no router is called faulty/pic (did you mean faulty/pick?)"},
		{"fualty/pick", "", "no plugin is called fualty (did you mean faulty?)"},
	} {
		ref, err := h.Lookup(ctx, RouterKind, c.name)
		checkError(t, err, c.err)
		if err == nil && ref.Name() != c.want {
			t.Errorf("%s: got %s, want %s", c.name, ref.Name(), c.want)
		}
	}
	two := &Host{log: h.log, live: map[string]*provider{}}
	for _, name := range []string{"a", "b"} {
		two.found = append(two.found, Found{Name: name, Source: SourceFlag, Description: &Description{Provider: name, Variants: []Variant{{Name: "pick", Kind: RouterKind}}}})
	}
	_, err := two.Lookup(ctx, RouterKind, "pick")
	checkError(t, err, "router pick is offered by several plugins (write one of a/pick, b/pick)")
}

func TestLooseBinaryIsDescribedOnceAndThenCached(t *testing.T) {
	home, dir := t.TempDir(), pluginDir(t)
	h, log := testHost(t, Config{Dirs: []string{dir}, Home: home})
	if f, err := h.Info(context.Background(), "faulty"); err != nil || f.Description.Version != "1.2.3" {
		t.Fatalf("got %+v, %v", f, err)
	}
	if !strings.Contains(log.String(), "starting plugin") {
		t.Error("it was not started")
	}
	h, log = testHost(t, Config{Dirs: []string{dir}, Home: home})
	if f, err := h.Info(context.Background(), "faulty"); err != nil || f.Description.Version != "1.2.3" {
		t.Fatalf("got %+v, %v", f, err)
	}
	if strings.Contains(log.String(), "starting plugin") {
		t.Error("it was started again")
	}
	h, _ = testHost(t, Config{Dirs: []string{dir}, Home: home, Env: []string{"ZOO_TEST_VERSION=9.9.9"}})
	_, err := h.Build(context.Background(), Request{Kind: RouterKind, Name: "faulty/pick", Dims: dims8})
	checkError(t, err, "plugin faulty: describe: it describes itself otherwise than its manifest does\n  zoo plugin install "+dir+"/zoo-plugin-faulty")
}

func TestVersionsCompareByNumber(t *testing.T) {
	order := []string{"0.9", "1.0.0-alpha.2", "1.0.0-alpha.10", "1.0.0-beta", "1.0.0", "1.0.1", "1.2.0", "1.10.0", "10.0"}
	for i, a := range order {
		for j, b := range order {
			if got := versionLess(a, b); got != (i < j) {
				t.Errorf("versionLess(%s, %s) = %v", a, b, got)
			}
		}
	}
}

func TestProjectIsTheNearestFolderWithAMark(t *testing.T) {
	root := t.TempDir()
	t.Setenv("ZOO_HOME", filepath.Join(root, "home", ".zoo"))
	for _, dir := range []string{"home/.zoo", "home/a/.zoo", "home/a/b/c", "home/d/e"} {
		os.MkdirAll(filepath.Join(root, dir), 0o755)
	}
	os.WriteFile(filepath.Join(root, "home/d", LockName), nil, 0o644)
	for from, want := range map[string]string{"home/a/b/c": "home/a", "home/a": "home/a", "home/d/e": "home/d", "home": ""} {
		got := FindProject(filepath.Join(root, from))
		if want != "" {
			want = filepath.Join(root, want)
		}
		if got != want {
			t.Errorf("from %s: got %q, want %q", from, got, want)
		}
	}
}

func TestDescribeByHandPrintsJSONWithoutAHost(t *testing.T) {
	path := filepath.Join(pluginDir(t), "zoo-plugin-faulty")
	out, err := runByHand(path, "describe")
	if err != nil || !strings.Contains(out, `"provider": "builtin"`) || !strings.Contains(out, `"kind": "router"`) {
		t.Errorf("got %v\n%s", err, out)
	}
	out, err = runByHand(path)
	if err == nil || !strings.Contains(out, "is a plugin for the zoo (provider builtin 1.2.3, protocol 1)") {
		t.Errorf("got %v\n%s", err, out)
	}
}
