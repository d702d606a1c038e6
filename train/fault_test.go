package train

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/moezoo/moezoo/internal/faultfs"
	"github.com/moezoo/moezoo/train/checkpoint"
)

// ending is a digest of what a run ends with: weights, moments, and the state.
func ending(t *testing.T, dir string) string {
	t.Helper()
	c, err := checkpoint.Open(dir, 6)
	if err != nil {
		t.Fatal(err)
	}
	out := ""
	for _, name := range []string{ModelFile, OptimizerFile, StateFile} {
		raw, err := c.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		out += fmt.Sprintf("%x ", sha256.Sum256(raw))
	}
	return out
}

// twoSaves lets a run save after three and after six steps.
func twoSaves(c *Config) { c.SaveEvery = 3 }

// resumed finishes a run, from its newest checkpoint if it has one.
func resumed(t *testing.T, dir string) string {
	t.Helper()
	steps, err := checkpoint.Steps(dir)
	if err != nil {
		t.Fatal(err)
	}
	r, err := resumableWith(t, dir, func(c *Config) { twoSaves(c); c.Resume = len(steps) > 0 })
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Train(context.Background()); err != nil {
		t.Fatal(err)
	}
	return ending(t, dir)
}

// Variables that make this test binary a run that is killed at a call of a save.
const (
	envKilledDir = "MOEZOO_KILLED_DIR"
	envKilledAt  = "MOEZOO_KILLED_AT"
)

// TestRunThatIsKilled is the run under test of the next test, in a process of its own.
func TestRunThatIsKilled(t *testing.T) {
	at, err := strconv.Atoi(os.Getenv(envKilledAt))
	if err != nil {
		return // no other test has started this process
	}
	r, err := resumableWith(t, os.Getenv(envKilledDir), twoSaves)
	if err != nil {
		t.Fatal(err)
	}
	r.cfg.FS = &faultfs.Faulty{FS: faultfs.OS{}, At: at, Fault: faultfs.Kill}
	_, err = r.Train(context.Background())
	t.Fatalf("was not killed: %v", err)
}

// TestARunKilledAtAnyCallOfASaveEndsAsUndisturbed sends SIGKILL to a process at every call
// that the saves of its run make.
func TestARunKilledAtAnyCallOfASaveEndsAsUndisturbed(t *testing.T) {
	if testing.Short() {
		t.Skip("kills a process for every call")
	}
	want := ending(t, trained(t))
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	kills := 0
	for at := 1; ; at++ {
		dir := t.TempDir()
		c := exec.Command(exe, "-test.run=^TestRunThatIsKilled$")
		c.Env = append(os.Environ(), envKilledDir+"="+dir, envKilledAt+"="+strconv.Itoa(at))
		out, err := c.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			t.Fatalf("call %d: %v\n%s", at, err, out)
		}
		if exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			if strings.Contains(string(out), "was not killed: <nil>") && ending(t, dir) == want {
				break // there is no such call any more
			}
			t.Fatalf("call %d: %v\n%s", at, err, out)
		}
		kills++
		if got := resumed(t, dir); got != want {
			t.Errorf("killed at call %d: the run ends differently", at)
		}
	}
	t.Logf("%d kills", kills)
	if kills < 2*20 {
		t.Errorf("only %d calls in two saves", kills)
	}
}

// TestAFaultThatStaysEndsTheRunAfterThreeAttempts: nothing is synced twice, and what was saved
// before still loads.
func TestAFaultThatStaysEndsTheRunAfterThreeAttempts(t *testing.T) {
	for _, c := range []struct {
		fault    faultfs.Fault
		cause    error
		message  string
		attempts int
	}{
		{faultfs.IOError, syscall.EIO, "saving step 4", 3},
		{faultfs.NoSpace, syscall.ENOSPC, "a checkpoint needs", 1},
		{faultfs.ReadOnly, syscall.EROFS, "saving step 4", 1},
	} {
		dir := t.TempDir()
		r, err := resumable(t, dir, false, nil)
		if err != nil {
			t.Fatal(err)
		}
		count := &attempted{Faulty: faultfs.Faulty{FS: faultfs.OS{}, Fault: c.fault, Always: true}}
		r.cfg.FS = count
		r.cfg.Progress = func(p Progress) {
			if p.Step == 4 { // the disk breaks in the second save, at its first file
				count.attempts, count.At = 0, count.Calls+4
			}
		}
		_, err = r.Train(context.Background())
		var environment *checkpoint.EnvironmentError
		if !errors.As(err, &environment) || !errors.Is(err, c.cause) || !strings.Contains(err.Error(), c.message) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: %v", c.fault, err)
		}
		if count.attempts != c.attempts {
			t.Errorf("%v: %d attempts, want %d", c.fault, count.attempts, c.attempts)
		}
		r.Close()
		if l, err := checkpoint.Load(dir); err != nil || l.Step != 2 || l.Note != "" {
			t.Errorf("%v: left %+v, %v", c.fault, l, err)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "checkpoints", ".tmp-*")); c.fault != faultfs.ReadOnly && len(left) > 1 {
			t.Errorf("%v: left over: %v", c.fault, left)
		}
		if got, want := resumed(t, dir), ending(t, trained(t)); got != want {
			t.Errorf("%v: the run ends differently", c.fault)
		}
	}
}

// attempted counts how often a save was begun.
type attempted struct {
	faultfs.Faulty
	attempts int
}

func (a *attempted) MkdirAll(path string) error {
	if filepath.Base(path) == "checkpoints" {
		a.attempts++
	}
	return a.Faulty.MkdirAll(path)
}

// spoil gives a run a parameter that holds no number.
func spoil(t *testing.T, r *Run) {
	t.Helper()
	name := r.task.Train.Params[0].Value.Name
	w, err := r.engine.Tensor(name)
	if err == nil {
		for i := range w.F32() {
			w.F32()[i] = float32(math.NaN())
		}
		err = r.engine.SetTensor(name, w)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestGradientsThatStayInfiniteEndTheRun: the steps are skipped and counted, nothing that
// came after the fault is ever saved, and the error says what is left.
func TestGradientsThatStayInfiniteEndTheRun(t *testing.T) {
	for name, c := range map[string]struct {
		after, steps, saveEvery int
		want                    string
		skipped                 float64
		latest                  int
	}{
		"ten in a row":             {3, 100, 2, "not finite for 10 steps in a row, up to step 13; the checkpoint of step 2 is good", 10, 2},
		"before the first save":    {1, 100, 2, "not finite for 10 steps in a row, up to step 11; there is no checkpoint yet", 10, 0},
		"up to the end of the run": {4, 6, 3, "not finite for 2 steps in a row, up to step 6; the checkpoint of step 3 is good", 2, 3},
	} {
		dir := t.TempDir()
		r, err := resumableWith(t, dir, func(cfg *Config) { cfg.Schedule.Steps, cfg.SaveEvery = c.steps, c.saveEvery })
		if err != nil {
			t.Fatal(err)
		}
		r.cfg.Progress = func(p Progress) {
			if p.Step == c.after {
				spoil(t, r)
			}
		}
		_, err = r.Train(context.Background())
		r.Close()
		if !errors.Is(err, ErrDiverged) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if l, err := checkpoint.Load(dir); (err == nil) != (c.latest > 0) || err == nil && l.Step != c.latest {
			t.Errorf("%s: the latest checkpoint is %+v, %v", name, l, err)
		}
		all := records(t, dir)
		if got := all[len(all)-1]["skipped"]; got != c.skipped {
			t.Errorf("%s: %v steps were skipped, want %v", name, got, c.skipped)
		}
	}
}

// TestAnInterruptedRunWithSpoiltWeightsSavesNothing: they would be what it resumes from.
func TestAnInterruptedRunWithSpoiltWeightsSavesNothing(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	r, err := resumable(t, dir, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.cfg.Progress = func(p Progress) {
		switch p.Step {
		case 3:
			spoil(t, r)
		case 5:
			cancel()
		}
	}
	_, err = r.Train(ctx)
	r.Close()
	if l, loadErr := checkpoint.Load(dir); !errors.Is(err, context.Canceled) || loadErr != nil || l.Step != 2 {
		t.Errorf("%v; the latest checkpoint is %+v, %v", err, l, loadErr)
	}
}
