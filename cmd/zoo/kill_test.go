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

	"github.com/moezoo/moezoo/train/checkpoint"
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
		"--set", "train.steps=100", "--set", "train.eval_every=50", "--set", "train.save_every=10",
	}, more...)
}

// outcome is a digest of everything that training ends with.
func outcome(t *testing.T, dir string) string {
	t.Helper()
	out := ""
	for _, name := range []string{"model.safetensors", "optimizer.safetensors", "state.json"} {
		raw, err := os.ReadFile(filepath.Join(dir, "checkpoints", "step-000000100", name))
		if err != nil {
			t.Fatal(err)
		}
		out += fmt.Sprintf("%x ", sha256.Sum256(raw))
	}
	return out
}

// TestKilledRunsEndAsUndisturbedOnes kills training with SIGKILL at random moments, a
// hundred times in all and at least ten times in one run, resuming each time, at changing
// numbers of threads.
func TestKilledRunsEndAsUndisturbedOnes(t *testing.T) {
	if testing.Short() {
		t.Skip("kills a hundred processes")
	}
	whole := filepath.Join(t.TempDir(), "whole")
	began := time.Now()
	if out, err := zooProcess(t, trainArgs(whole)...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := outcome(t, whole)
	// Moments as fractions of what a whole run takes, whatever the machine is busy with: early
	// ones for many kills in one run, later ones for kills anywhere in it.
	took := time.Since(began)
	rng := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
	all, most := 0, 0
	for round := 0; all < 100 || most < 10; round++ {
		longest := took / []time.Duration{6, 2}[round%2]
		dir := filepath.Join(t.TempDir(), "killed")
		kills := 0
		for ended := false; !ended; {
			args := trainArgs(dir)
			// A first checkpoint is whole before "latest" names it: a kill between the two leaves a run.
			if steps, err := checkpoint.Steps(dir); err != nil {
				t.Fatal(err)
			} else if len(steps) > 0 {
				args = []string{"train", "--resume", "--out", dir}
			}
			c := zooProcess(t, append(args, "--threads", fmt.Sprint([]int{1, 2, 4}[kills%3]))...)
			if kills < 20 { // a run that is always killed early would never end
				ended = !killed(t, c, time.Duration(rng.Int64N(int64(longest))))
			} else if out, err := c.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			} else {
				ended = true
			}
			if !ended {
				kills++
			}
		}
		if got := outcome(t, dir); got != want {
			t.Fatalf("after %d kills the run ends differently", kills)
		}
		all, most = all+kills, max(most, kills)
	}
	t.Logf("%d kills, up to %d in one run", all, most)
}

// killed runs a command and reports whether it was killed after a while, rather than ended.
func killed(t *testing.T, c *exec.Cmd, after time.Duration) bool {
	t.Helper()
	var stderr bytes.Buffer
	c.Stderr = &stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { _ = c.Process.Kill() })
	err := c.Wait()
	timer.Stop()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return true
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	return false
}

// TestATermSavesAndTheRunGoesOn ends training with SIGTERM twice: it saves, exits 143, and is
// resumed, without the file "latest", too. At the step of the second save it is what an
// undisturbed run is.
func TestATermSavesAndTheRunGoesOn(t *testing.T) {
	dir, whole := filepath.Join(t.TempDir(), "ended"), filepath.Join(t.TempDir(), "whole")
	endless := []string{"--set", "train.schedule=constant", "--set", "train.warmup=0", "--set", "train.save_every=0", "--set", "train.eval_every=0", "--set", "train.steps=10000000"}
	terminated(t, dir, 20, zooProcess(t, trainArgs(dir, endless...)...))
	first := latestStep(t, dir)
	// A kill between a first checkpoint and the file that names it leaves this.
	if err := os.Remove(filepath.Join(dir, "latest")); err != nil {
		t.Fatal(err)
	}
	if out, err := zooProcess(t, trainArgs(dir, endless...)...).CombinedOutput(); err == nil || !bytes.Contains(out, []byte("already holds a run, at step")) {
		t.Fatalf("a new run in its folder: %v\n%s", err, out)
	}
	terminated(t, dir, first+20, zooProcess(t, "train", "--resume", "--out", dir))
	last := latestStep(t, dir)
	if last < first+20 || first < 20 {
		t.Fatalf("saved steps %d and %d", first, last)
	}
	endless[len(endless)-1] = fmt.Sprintf("train.steps=%d", last)
	if out, err := zooProcess(t, trainArgs(whole, endless...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range []string{"model.safetensors", "optimizer.safetensors"} {
		a, _ := os.ReadFile(filepath.Join(checkpoint.Path(dir, last), name))
		b, _ := os.ReadFile(filepath.Join(checkpoint.Path(whole, last), name))
		if len(a) == 0 || !bytes.Equal(a, b) {
			t.Errorf("%s differs at step %d", name, last)
		}
	}
	if out, err := zooProcess(t, "train", "--resume", "--out", whole).CombinedOutput(); err != nil { // a finished run resumes to its end
		t.Fatalf("%v\n%s", err, out)
	}
}

// terminated sends SIGTERM to a training process once so many steps are recorded.
func terminated(t *testing.T, dir string, steps int, c *exec.Cmd) {
	t.Helper()
	var stderr bytes.Buffer
	c.Stderr = &stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if raw, _ := os.ReadFile(filepath.Join(dir, "metrics.jsonl")); bytes.Count(raw, []byte("\n")) > steps {
			break
		}
	}
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	err := c.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 143 {
		t.Fatalf("ended with %v, want exit code 143\n%s", err, &stderr)
	}
}

func latestStep(t *testing.T, dir string) int {
	t.Helper()
	c, err := checkpoint.Load(dir)
	if err != nil || c.Note != "" {
		t.Fatalf("%+v, %v", c, err)
	}
	return c.Step
}
