//go:build unix

package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// zooProcess is the program under test as a process of its own.
func zooProcess(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "zoo") // the name tells the test binary to be zoo
	if err := os.Symlink(exe, link); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(link, args...)
	c.Env = append(os.Environ(), "ZOO_HOME="+t.TempDir())
	return c
}

func trainArgs(dir string, more ...string) []string {
	return append([]string{
		"train", "moe-mamba-debug", "--out", dir, "--set", "d_model=16", "--set", "repeat=1", "--set", "train.batch=2", "--set", "train.context=16",
		"--set", "train.steps=400", "--set", "train.eval_every=50", "--set", "train.save_every=5",
	}, more...)
}

// outcome is a digest of everything that training ends with.
func outcome(t *testing.T, dir string) string {
	t.Helper()
	out := ""
	for _, name := range []string{"model.safetensors", "optimizer.safetensors", "state.json"} {
		raw, err := os.ReadFile(filepath.Join(dir, "checkpoints", "step-000000400", name))
		if err != nil {
			t.Fatal(err)
		}
		out += fmt.Sprintf("%x ", sha256.Sum256(raw))
	}
	return out
}

// TestKilledRunsEndAsUndisturbedOnes kills training with SIGKILL at random moments, a
// hundred times, resuming each time, at changing numbers of threads.
func TestKilledRunsEndAsUndisturbedOnes(t *testing.T) {
	if testing.Short() {
		t.Skip("kills a hundred processes")
	}
	whole := filepath.Join(t.TempDir(), "whole")
	if out, err := zooProcess(t, trainArgs(whole)...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := outcome(t, whole)
	rng := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
	kills := 0
	for round := 0; kills < 100; round++ {
		dir := filepath.Join(t.TempDir(), "killed")
		for attempt := 0; ; attempt++ {
			args := trainArgs(dir)
			if _, err := os.Stat(filepath.Join(dir, "latest")); err == nil {
				args = []string{"train", "--resume", "--out", dir}
			}
			args = append(args, "--threads", fmt.Sprint([]int{1, 2, 4}[attempt%3]))
			c := zooProcess(t, args...)
			var stderr bytes.Buffer
			c.Stderr = &stderr
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			timer := time.AfterFunc(time.Duration(60+rng.IntN(250))*time.Millisecond, func() { _ = c.Process.Kill() })
			err := c.Wait()
			timer.Stop()
			var exit *exec.ExitError
			if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
				kills++
				continue
			}
			if err != nil {
				t.Fatalf("after %d kills: %v\n%s", kills, err, &stderr)
			}
			break
		}
		if got := outcome(t, dir); got != want {
			t.Fatalf("after %d kills the run ends differently", kills)
		}
	}
	t.Logf("%d kills", kills)
}

// TestATermSavesAndTheRunGoesOn ends training with SIGTERM: it saves, exits 143, and the
// resumed run ends as an undisturbed one.
func TestATermSavesAndTheRunGoesOn(t *testing.T) {
	whole, dir := filepath.Join(t.TempDir(), "whole"), filepath.Join(t.TempDir(), "ended")
	if out, err := zooProcess(t, trainArgs(whole)...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	c := zooProcess(t, trainArgs(dir, "--set", "train.save_every=0")...)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for range 500 {
		if raw, _ := os.ReadFile(filepath.Join(dir, "metrics.jsonl")); bytes.Count(raw, []byte("\n")) > 20 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	err := c.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 143 {
		t.Fatalf("ended with %v, want exit code 143", err)
	}
	second := zooProcess(t, "train", "--resume", "--out", whole)
	if out, err := second.CombinedOutput(); err != nil { // a finished run resumes to its end
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := zooProcess(t, "train", "--resume", "--out", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range []string{"model.safetensors", "optimizer.safetensors"} {
		a, _ := os.ReadFile(filepath.Join(whole, "checkpoints", "step-000000400", name))
		b, _ := os.ReadFile(filepath.Join(dir, "checkpoints", "step-000000400", name))
		if len(a) == 0 || !bytes.Equal(a, b) {
			t.Errorf("%s differs", name)
		}
	}
}
