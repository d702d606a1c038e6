//go:build unix

package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moezoo/moezoo/train/checkpoint"
)

const killedStudy = `name: killed
seeds: [0]
budgets: [{steps: 40}]
evaluate_every: 4
set: [d_model=16, train.batch=2, train.context=16, data.holdout=0.002, train.save_every=5]
models: [{name: mamba, recipe: mamba-debug, set: [repeat=1]}, {name: moe-mamba, recipe: moe-mamba-debug, set: [repeat=1]}]
`

// findings are the numbers of a report that no clock has a part in.
func findings(t *testing.T, out string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(out, "figures", "*.csv"))
	if err != nil || len(names) < 9 {
		t.Fatal(names, err)
	}
	names = append(names, filepath.Join(out, "summary.csv"))
	var b strings.Builder
	for _, name := range names {
		base := filepath.Base(name)
		if base == "loss-seconds.csv" || base == "timing.csv" {
			continue
		}
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(bytes.NewReader(raw)).ReadAll()
		if err != nil || len(rows) < 2 {
			t.Fatalf("%s: %v", name, err)
		}
		fmt.Fprintln(&b, base)
		for _, row := range rows {
			fmt.Fprintln(&b, strings.Join(row, "\t"))
		}
	}
	return b.String()
}

// TestKilledStudiesEndAsUndisturbedOnes kills the study, or one of its runs, with SIGKILL at
// random moments, and starts it again each time: one that makes all runs, and a larger one that
// takes some of them from the first.
func TestKilledStudiesEndAsUndisturbedOnes(t *testing.T) {
	if testing.Short() {
		t.Skip("trains studies several times")
	}
	dir := t.TempDir()
	first := filepath.Join(dir, "whole")
	disturb(t, dir, first, killedStudy)
	larger := strings.NewReplacer("name: killed", "name: larger", "seeds: [0]", "seeds: [0, 1]", "name: mamba", "name: plain").Replace(killedStudy)
	disturb(t, filepath.Join(dir, "larger"), filepath.Join(dir, "larger", "whole"), larger, "--reuse", first)
}

// disturb makes a study in one go, and again with kills and with flags.
func disturb(t *testing.T, dir, whole, text string, flags ...string) {
	t.Helper()
	file, killed := filepath.Join(dir, "study.yaml"), filepath.Join(dir, "killed")
	if err := errors.Join(os.MkdirAll(dir, 0o777), os.WriteFile(file, []byte(text), 0o666)); err != nil {
		t.Fatal(err)
	}
	command := func(out string, more ...string) *exec.Cmd {
		return zooProcess(t, append([]string{"compare", file, "--out", out}, more...)...)
	}
	began := time.Now()
	if out, err := command(whole).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	took := time.Since(began)
	rng := rand.New(rand.NewPCG(2, uint64(time.Now().UnixNano())))
	studies, runs := 0, 0
	for try := 0; try < 10 && (studies < 3 || runs < 2); try++ {
		c := command(killed, append(flags, "--parallel", fmt.Sprint(1+try%2))...)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rng.Int64N(int64(took) / 2)))
		if try%2 == 0 {
			_ = c.Process.Kill()
		} else if killARun(killed, c) {
			runs++
		}
		err := c.Wait()
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
			studies++
		}
	}
	if out, err := command(killed, flags...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got, want := findings(t, killed), findings(t, whole); got != want {
		t.Errorf("after %d kills of the study and %d of a run the report is\n%s\nwant\n%s", studies, runs, got, want)
	}
	t.Logf("%d kills of the study, %d of a run", studies, runs)
	if studies == 0 {
		t.Error("the study was never killed")
	}
	// Nothing is left to do.
	out, err := command(killed, "--json").CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte(`"complete": true`)) || bytes.Contains(out, []byte("40 steps")) {
		t.Errorf("%v\n%s", err, out)
	}
}

// killARun waits for a run of the study c, kills its process with SIGKILL, and tells whether
// there was one.
func killARun(out string, c *exec.Cmd) bool {
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		locks, _ := filepath.Glob(filepath.Join(out, "runs", "*", ".lock"))
		for _, path := range locks {
			raw, _ := os.ReadFile(path)
			if pid, err := strconv.Atoi(strings.TrimSpace(string(raw))); err == nil && isRunProcess(pid) {
				return syscall.Kill(pid, syscall.SIGKILL) == nil
			}
		}
		if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", c.Process.Pid)); err != nil || len(line) == 0 {
			return false // the study has ended
		}
	}
	return false
}

// isRunProcess tells whether a process is a run of a study: a number may stand for another by now.
func isRunProcess(pid int) bool {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && bytes.Contains(raw, []byte("--attached"))
}

// TestAStudyOutOfTimeSaves stops at its budget of time without a failure, and goes on from there.
func TestAStudyOutOfTimeSaves(t *testing.T) {
	dir := t.TempDir()
	file, out := filepath.Join(dir, "study.yaml"), filepath.Join(dir, "out")
	if err := os.WriteFile(file, []byte(strings.Replace(killedStudy, "steps: 40", "steps: 1000000", 1)), 0o666); err != nil {
		t.Fatal(err)
	}
	last := 0
	for range 2 {
		said, err := zooProcess(t, "compare", file, "--out", out, "--budget", "4s").CombinedOutput()
		if err != nil || !bytes.Contains(said, []byte("the time is used up, and 2 of 2 runs are not finished")) {
			t.Fatalf("%v\n%s", err, said)
		}
		runs, _ := filepath.Glob(filepath.Join(out, "runs", "*"))
		if len(runs) == 0 {
			t.Skip("the machine is so busy that no run began within four seconds")
		}
		steps, err := checkpoint.Steps(runs[0])
		if err != nil {
			t.Fatal(err)
		}
		if len(steps) > 0 {
			if steps[len(steps)-1] < last {
				t.Errorf("step %d after step %d", steps[len(steps)-1], last)
			}
			last = steps[len(steps)-1]
		}
	}
}
