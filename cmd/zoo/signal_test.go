//go:build unix

package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// untilItTrains waits until a run is past its preparations.
func untilItTrains(t *testing.T, dir string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(dir, "metrics.jsonl")); err == nil {
			return
		}
	}
	t.Fatal("training does not begin")
}

// TestASecondTermEndsAtOnce sends SIGTERM again and again while the first step, which takes
// long, is under way: nothing is saved, as nothing is waited for.
func TestASecondTermEndsAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	c := zooProcess(t, "train", "moe-mamba-debug", "--out", dir, "--set", "train.batch=256", "--set", "train.context=1024", "--set", "train.steps=100000")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	untilItTrains(t, dir)
	done := make(chan error, 1)
	go func() { done <- c.Wait() }()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		_ = c.Process.Signal(syscall.SIGTERM) // two of them may arrive as one
		select {
		case err := <-done:
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 143 {
				t.Errorf("ended with %v, want exit code 143", err)
			}
			if _, err := os.Stat(filepath.Join(dir, "latest")); err == nil {
				t.Error("it has waited for the step, and saved")
			}
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
	_ = c.Process.Kill()
	t.Error("did not end")
}

// TestTwoRunsInOneFolder: the second is refused while the first one trains, by the first
// one's process id; once that is killed, another takes the folder over.
func TestTwoRunsInOneFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	first := zooProcess(t, "train", "moe-mamba-debug", "--out", dir, "--set", "train.steps=100000")
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	untilItTrains(t, dir)
	code, _, message := ended(t, zooProcess(t, "train", "moe-mamba-debug", "--out", dir))
	if want := "is in use by process " + strconv.Itoa(first.Process.Pid); code != exitEnvironment || !strings.Contains(message, want) {
		t.Errorf("exit code %d, %q, want %q", code, message, want)
	}
	_ = first.Process.Kill()
	_ = first.Wait()
	third := zooProcess(t, "train", "mamba-debug", "--out", dir, "--steps", "1", "--set", "train.batch=1")
	if left, _ := filepath.Glob(filepath.Join(dir, "checkpoints", "step-*")); len(left) > 0 {
		third = zooProcess(t, "eval", dir)
	}
	if code, _, message := ended(t, third); code != exitOK {
		t.Errorf("after the first one was killed: exit code %d, %q", code, message)
	}
}
