//go:build unix

package plugins

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startHelper starts a host in a process of its own, with one built-in and one
// external plugin running, and returns it with the plugins' process ids.
func startHelper(t *testing.T, root, fault string) (*exec.Cmd, []int) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "ZOO_TEST_HOST="+pluginDir(t), "ZOO_TEST_RUNROOT="+root, "ZOO_FAULT="+fault)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	var pids []int
	for sc := bufio.NewScanner(out); sc.Scan(); {
		if sc.Text() == "ready" {
			return cmd, pids
		}
		pid, err := strconv.Atoi(sc.Text())
		if err != nil {
			t.Fatalf("helper says %q", sc.Text())
		}
		pids = append(pids, pid)
	}
	t.Fatal("helper ended early")
	return nil, nil
}

func TestNothingSurvivesAKilledHost(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and kills whole hosts")
	}
	for _, c := range []struct {
		name   string
		signal syscall.Signal
		fault  string
	}{
		{"SIGKILL", syscall.SIGKILL, ""},
		{"SIGTERM", syscall.SIGTERM, ""},
		{"SIGKILL while a plugin hangs", syscall.SIGKILL, "hang"},
		{"SIGKILL with a grandchild", syscall.SIGKILL, "grandchild"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			root := shortDir(t)
			cmd, pids := startHelper(t, root, c.fault)
			if len(pids) != 2 || !processExists(pids[0]) || !processExists(pids[1]) {
				t.Fatalf("plugins do not run: %v", pids)
			}
			if sockets, _ := filepath.Glob(root + "/r*/plugin-dir*/plugin*"); len(sockets) != 2 {
				t.Fatalf("expected two sockets, got %v", sockets)
			}
			if c.fault != "" {
				time.Sleep(200 * time.Millisecond) // into the call
			}
			if err := cmd.Process.Signal(c.signal); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			checkNothingLeft(t, root)
		})
	}
}

func TestProvidersDoNotRelyOnTheKernelToSeeTheHostDie(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and kills whole hosts")
	}
	// The signal on the parent's death is Linux only; without it the watch alone
	// must end the provider. A shell between host and provider takes it away.
	root, dir := shortDir(t), t.TempDir()
	linkSelf(t, filepath.Join(dir, "faulty"))
	script := fmt.Sprintf("#!/bin/sh\n%s/faulty\n", dir)
	if err := os.WriteFile(filepath.Join(dir, "zoo-plugin-faulty"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	exe, _ := os.Executable()
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "ZOO_TEST_HOST="+dir, "ZOO_TEST_RUNROOT="+root)
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	sc := bufio.NewScanner(out)
	for sc.Scan() && sc.Text() != "ready" {
		if strings.HasPrefix(sc.Text(), "error") {
			t.Fatal(sc.Text())
		}
	}
	if n := len(processesOf(root)); n != 3 {
		t.Fatalf("%d plugin processes run, expected a built-in, a shell and its child", n)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	checkNothingLeft(t, root)
}

func TestFoldersOfDeadHostsAreSwept(t *testing.T) {
	root := shortDir(t)
	live, err := newRunDir(root)
	if err != nil {
		t.Fatal(err)
	}
	dead, err := newRunDir(root)
	if err != nil {
		t.Fatal(err)
	}
	dead.owner.Close() // as its death would
	half := filepath.Join(root, "rhalf")
	os.Mkdir(half, 0o700)
	old := time.Now().Add(-time.Hour)
	os.Chtimes(half, old, old)
	mine, err := newRunDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{live.path: true, mine.path: true, dead.path: false, half: false} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s: exists is %v, want %v", path, err == nil, want)
		}
	}
}

func TestSocketFolderMustBePrivate(t *testing.T) {
	root := filepath.Join(shortDir(t), "zoo")
	if err := os.Mkdir(root, 0o777); err != nil {
		t.Fatal(err)
	}
	os.Chmod(root, 0o777)
	if _, err := newRunDir(root); err == nil || !strings.Contains(err.Error(), "must be a folder of this user with mode 0700") {
		t.Errorf("got %v", err)
	}
	link := filepath.Join(shortDir(t), "link")
	os.Symlink(shortDir(t), link)
	if _, err := newRunDir(link); err == nil {
		t.Error("a link was accepted")
	}
}

func TestAFileSwappedAfterHashingIsNotRun(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "zoo-plugin-faulty")
	linkSelf(t, path)
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho swapped\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if descriptorPath(3) == "" {
		t.Skip("this system cannot execute an open file")
	}
	h, _ := testHost(t, Config{})
	c, err := h.startProcess("faulty", command{path: path, file: file})
	if err != nil {
		t.Fatal(err)
	}
	c.close()
}

func TestAStoppedPluginIsKilledInBoundedTime(t *testing.T) {
	root := shortDir(t)
	h, _ := testHost(t, Config{Dirs: []string{pluginDir(t)}, RunRoot: root, Timeouts: patient})
	p, err := h.open(context.Background(), "faulty")
	if err != nil {
		t.Fatal(err)
	}
	_ = syscall.Kill(p.caller.(*session).proc.pid, syscall.SIGSTOP)
	start := time.Now()
	h.Close()
	if took := time.Since(start); took > 30*time.Second { // without a limit it never ends
		t.Errorf("Close took %v", took)
	}
	checkNothingLeft(t, root)
	if _, err := h.Build(context.Background(), Request{Kind: RouterKind, Name: "faulty/pick"}); err == nil {
		t.Error("a closed host still builds")
	}
}

func TestInterruptAtTheTerminalIsTheHostsAlone(t *testing.T) {
	h, _ := testHost(t, Config{Dirs: []string{pluginDir(t)}})
	p, err := h.open(context.Background(), "faulty")
	if err != nil {
		t.Fatal(err)
	}
	pid := p.caller.(*session).proc.pid
	if pgid, err := syscall.Getpgid(pid); err != nil || pgid != pid {
		t.Errorf("plugin is in group %d, not its own: %v", pgid, err)
	}
	_ = syscall.Kill(pid, syscall.SIGINT)
	time.Sleep(50 * time.Millisecond)
	if _, err := h.Build(context.Background(), Request{Kind: RouterKind, Name: "faulty/pick", Dims: dims8}); err != nil {
		t.Error(err)
	}
	if errors.Is(err, errDied) {
		t.Error("it died of the interrupt")
	}
}
