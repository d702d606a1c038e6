//go:build unix

package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestASecondTermEndsAtOnce sends SIGTERM twice while the first step is under way.
func TestASecondTermEndsAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	c := zooProcess(t, "train", "moe-mamba-debug", "--out", dir, "--set", "train.batch=64", "--set", "train.context=512", "--set", "train.steps=100000")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if _, err := os.Stat(filepath.Join(dir, "metrics.jsonl")); err == nil {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	for range 2 {
		if err := c.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	done := make(chan error, 1)
	go func() { done <- c.Wait() }()
	select {
	case err := <-done:
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 143 {
			t.Errorf("ended with %v, want exit code 143", err)
		}
	case <-time.After(20 * time.Second):
		_ = c.Process.Kill()
		t.Error("did not end")
	}
}

// TestTwoRunsInOneFolder starts a second run while the first one trains.
func TestTwoRunsInOneFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	first := zooProcess(t, "train", "moe-mamba-debug", "--out", dir, "--set", "train.steps=100000")
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.Process.Kill(); _ = first.Wait() }()
	for range 1000 {
		if _, err := os.Stat(filepath.Join(dir, "metrics.jsonl")); err == nil {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	out, err := zooProcess(t, "train", "moe-mamba-debug", "--out", dir).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitEnvironment {
		t.Errorf("the second run ended with %v\n%s", err, out)
	}
}
