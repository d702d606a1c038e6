//go:build unix

package plugins

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// installFaulty installs the test plugin under a fresh home.
func installFaulty(t *testing.T, home string) *Installed {
	t.Helper()
	in, err := Install(context.Background(), filepath.Join(pluginDir(t), "zoo-plugin-faulty"), InstallOptions{Home: home, RunRoot: shortDir(t)})
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func TestInstalledPluginIsListedWithoutBeingStarted(t *testing.T) {
	home, root := t.TempDir(), shortDir(t)
	in := installFaulty(t, home)
	want := filepath.Join(home, "plugins", "faulty", "1.2.3", platform(), "zoo-plugin-faulty")
	if in.Path != want {
		t.Errorf("installed at %s, want %s", in.Path, want)
	}
	h, log := testHost(t, Config{Home: home, RunRoot: root, Env: []string{"ZOO_FAULT=die"}})
	var found *Found
	for _, f := range h.List() {
		if f.Name == "faulty" {
			found = &f
		}
	}
	if found == nil || found.Source != SourceUser || found.Problem != "" || found.Description == nil || found.Description.Variants[0].Name != "pick" {
		t.Fatalf("got %+v", found)
	}
	if strings.Contains(log.String(), "starting plugin") {
		t.Errorf("listing started a process:\n%s", log)
	}
	if left, _ := os.ReadDir(root); len(left) != 0 {
		t.Errorf("listing made %v", left)
	}
}

func TestInstalledPluginBuilds(t *testing.T) {
	home := t.TempDir()
	installFaulty(t, home)
	installFaulty(t, home) // again, over itself
	h, _ := testHost(t, Config{Home: home})
	if _, err := h.Build(context.Background(), Request{Kind: RouterKind, Name: "faulty/pick", Dims: dims8}); err != nil {
		t.Error(err)
	}
	if tmp, _ := filepath.Glob(filepath.Join(home, "plugins", "faulty", "*", "*", ".*")); len(tmp) != 0 {
		t.Errorf("temporary files left: %v", tmp)
	}
}

func TestChangedBinaryIsRefusedBeforeItRuns(t *testing.T) {
	home := t.TempDir()
	in := installFaulty(t, home)
	raw, err := os.ReadFile(in.Path)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)-1] ^= 1 // the same size
	if err := os.WriteFile(in.Path, raw, 0o755); err != nil {
		t.Fatal(err)
	}
	h, log := testHost(t, Config{Home: home})
	_, err = h.Build(context.Background(), Request{Kind: RouterKind, Name: "faulty/pick", Dims: dims8})
	checkError(t, err, "plugin faulty: start: "+in.Path+" has sha256 …, its manifest says "+in.Manifest.SHA256+"\n  if you changed it yourself: zoo plugin install "+in.Path)
	if strings.Contains(log.String(), "starting plugin") {
		t.Error("it was started")
	}
	os.WriteFile(in.Path, raw[:1000], 0o755)
	h, _ = testHost(t, Config{Home: home})
	_, err = h.Lookup(context.Background(), RouterKind, "faulty/pick")
	changed := "plugin faulty: find: " + in.Path + ": its binary was changed after installation; zoo plugin install it again"
	checkError(t, err, changed)
	checkError(t, h.unusable(RouterKind, "", "pick"), changed) // what a search by variant alone says
	checkError(t, h.unusable(RouterKind, "", "peck"), "")
}

func TestInstallRefuses(t *testing.T) {
	dir, home := t.TempDir(), t.TempDir()
	text := filepath.Join(dir, "text")
	os.WriteFile(text, []byte("x"), 0o644)
	self := filepath.Join(dir, "zoo-plugin-faulty")
	linkSelf(t, self)
	sum := strings.Repeat("ab", 32)
	for _, c := range []struct {
		name, path, env, want string
		o                     InstallOptions
	}{
		{"a missing file", filepath.Join(dir, "none"), "", "open …: no such file or directory", InstallOptions{Home: home}},
		{"a folder", dir, "", dir + " is not a file", InstallOptions{Home: home}},
		{"what cannot be executed", text, "", text + " is not executable (chmod +x " + text + ")", InstallOptions{Home: home}},
		{"another sum", self, "", "plugin zoo-plugin-faulty: install: " + self + " has sha256 …, " + sum + " was expected", InstallOptions{Home: home, SHA256: sum}},
		{"no home", self, "", "there is no home folder to install to (set HOME or ZOO_HOME)", InstallOptions{}},
		{"what dies", self, "die", "plugin zoo-plugin-faulty: start: it ended before the handshake (exit status 4)\n…", InstallOptions{Home: home}},
		{"a bad description", self, "describe-nonsense", "plugin zoo-plugin-faulty: describe: its answer was refused: provider name …", InstallOptions{Home: home}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("ZOO_FAULT", c.env)
			c.o.RunRoot = shortDir(t)
			_, err := Install(context.Background(), c.path, c.o)
			checkError(t, err, c.want)
			checkNothingLeft(t, c.o.RunRoot)
		})
	}
	if left, _ := os.ReadDir(home); len(left) != 0 {
		t.Errorf("refused installations left %v", left)
	}
}

func TestRemoveTakesAVersionOrAll(t *testing.T) {
	home := t.TempDir()
	t.Setenv("ZOO_TEST_VERSION", "1.2.3")
	installFaulty(t, home)
	t.Setenv("ZOO_TEST_VERSION", "1.10.0")
	installFaulty(t, home)
	h, _ := testHost(t, Config{Home: home})
	if f, err := h.Info(context.Background(), "faulty"); err != nil || f.Description.Version != "1.10.0" {
		t.Errorf("the newest version is not chosen: %+v, %v", f.Description, err)
	}
	checkError(t, Remove(home, "fauty", ""), "no plugin fauty is installed in "+home+"/plugins (did you mean faulty?)")
	checkError(t, Remove(home, "../faulty", ""), "no plugin ../faulty is installed in …")
	checkError(t, Remove(home, "faulty", "1.2.4"), "version 1.2.4 of faulty is not installed (did you mean 1.2.3?)")
	checkError(t, Remove(home, "faulty", "1.2.3"), "")
	if names := dirNames(filepath.Join(home, "plugins", "faulty")); len(names) != 1 || names[0] != "1.10.0" {
		t.Errorf("left: %v", names)
	}
	checkError(t, Remove(home, "faulty", ""), "")
	if names := dirNames(filepath.Join(home, "plugins")); len(names) != 0 {
		t.Errorf("left: %v", names)
	}
}

func TestVerifyReportsWhatAPluginDoesWrong(t *testing.T) {
	for fault, want := range map[string]string{
		"":              "",
		"die":           "starts and describes itself",
		"impure":        "pick: builds at d_model 14 and top_k 2",
		"later-impure":  "pick: builds at d_model 14 and top_k 2, the same bytes twice and in a fresh process: other bytes than before",
		"panic":         "pick: lives through a request without sizes",
		"open-schema":   "pick: an unknown option is refused: its schema takes an option",
		"undocumented":  "option balance has no description\noption balance has no default",
		"wrong-default": "pick: options are documented, with valid defaults: the defaults: config.balance: minimum: got -1, want 0",
		"any-options":   "pick: refuses options that are no JSON object: options {\": it answered instead of refusing",
	} {
		t.Run("fault "+fault, func(t *testing.T) {
			t.Parallel()
			h, _ := testHost(t, Config{Dirs: []string{pluginDir(t)}, Env: []string{"ZOO_FAULT=" + fault}})
			checkFailures(t, h, "faulty", want)
		})
	}
	h, _ := testHost(t, Config{})
	_, err := h.Verify(context.Background(), "bultin", nil)
	checkError(t, err, "no plugin is called bultin (did you mean builtin?)")
	if r, err := h.Verify(context.Background(), "builtin", nil); err != nil || !r.OK() {
		t.Errorf("built-in: %+v, %v", r, err)
	}
}

// checkFailures verifies a plugin, of which these words must be among what failed; none: it
// must pass.
func checkFailures(t *testing.T, h *Host, name, want string) {
	t.Helper()
	r, err := h.Verify(context.Background(), name, nil)
	if err != nil {
		t.Fatal(err)
	}
	failed := ""
	for _, c := range r.Checks {
		if c.Status == Failed {
			failed += c.Name + ": " + c.Detail + "\n"
		}
	}
	if r.OK() != (want == "") || !strings.Contains(failed, want) {
		t.Errorf("want %q to fail; failed:\n%s", want, failed)
	}
}

// TestVerifyReportsProcessesThatDoNotEnd: scripts stand between a good plugin and its host,
// and keep from it what should end it.
func TestVerifyReportsProcessesThatDoNotEnd(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for processes that do not end")
	}
	for name, c := range map[string]struct{ script, want string }{
		"deaf to SIGTERM": {"trap '' TERM\nFAULTY & wait\n", "ends at SIGTERM: it still ran"},
		"takes itself for started": {
			"ZOO_PLUGIN_COOKIE=" + handshake.MagicCookieValue + "; export ZOO_PLUGIN_COOKIE\nexec FAULTY\n",
			"started by hand, says what it is and ends: it answers with a handshake",
		},
		"forgets its host":     {"ZOO_PLUGIN_HOST_PID=$$; export ZOO_PLUGIN_HOST_PID\nFAULTY\n", "ends when its host is gone: it still ran"},
		"says nothing by hand": {"[ -n \"$ZOO_PLUGIN_COOKIE\" ] || exit 1\nexec FAULTY\n", "started by hand, says what it is and ends: it ends without a word"},
		"speaks any protocol": {
			"[ \"$PLUGIN_PROTOCOL_VERSIONS\" = 1 ] || { echo \"1|$PLUGIN_PROTOCOL_VERSIONS|unix|x|grpc\"; sleep 60; }\nexec FAULTY\n",
			"tells a host of another protocol its own: it answers",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			faulty := filepath.Join(dir, "behind", "zoo-plugin-faulty")
			if err := os.Mkdir(filepath.Dir(faulty), 0o755); err != nil {
				t.Fatal(err)
			}
			linkSelf(t, faulty)
			script := "#!/bin/sh\n" + strings.ReplaceAll(c.script, "FAULTY", faulty)
			if err := os.WriteFile(filepath.Join(dir, "zoo-plugin-faulty"), []byte(script), 0o755); err != nil {
				t.Fatal(err)
			}
			root := shortDir(t)
			h, _ := testHost(t, Config{Dirs: []string{dir}, RunRoot: root})
			checkFailures(t, h, "faulty", c.want)
			h.Close()
			checkNothingLeft(t, root)
		})
	}
}
