package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestTrainingTakesTheMemoryThatBuildPrints: the resident set of zoo train, which writes a
// checkpoint, too, is within a tenth of what zoo build says before.
func TestTrainingTakesTheMemoryThatBuildPrints(t *testing.T) {
	if testing.Short() {
		t.Skip("trains models of hundreds of megabytes")
	}
	small := []string{"--set", "train.steps=1", "--set", "train.warmup=0", "--set", "data.holdout=0.005", "--set", "d_model=128"}
	for name, settings := range map[string][]string{
		// Gradients are most of it; those of two micro-batches are added.
		"moe-mamba-tiny": {"--set", "layers.moe.experts=64", "--set", "repeat=2", "--set", "train.batch=1", "--set", "train.accumulate=2"},
		// Activations are most of it, a part of which is computed twice.
		"mamba-tiny": {"--memory", "300MB"},
	} {
		t.Run(name, func(t *testing.T) {
			settings := append(settings, small...)
			out, err := zooProcess(t, append([]string{"build", name, "--json"}, settings...)...).Output()
			if err != nil {
				t.Fatal(err)
			}
			var b built
			if err := json.Unmarshal(out, &b); err != nil {
				t.Fatal(err)
			}
			taken := peakOf(t, append([]string{"train", name, "--out", filepath.Join(t.TempDir(), "run")}, settings...)...)
			if ratio := float64(taken) / float64(b.Bytes); ratio < 0.9 || ratio > 1.1 {
				t.Errorf("takes %s, %s are said: %+v", megabytes(taken), megabytes(b.Bytes), b.Memory)
			}
		})
	}
}

// peakOf runs zoo and answers its largest resident set. What the system says of a process
// that has ended includes its parent's from before exec, so that it is asked on the way.
func peakOf(t *testing.T, args ...string) (bytes int) {
	t.Helper()
	c := zooProcess(t, args...)
	log := &strings.Builder{}
	c.Stderr = log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- c.Wait() }()
	for {
		select {
		case err := <-done:
			if err != nil {
				t.Fatalf("%v: %s", err, log)
			}
			return bytes
		case <-time.After(2 * time.Millisecond):
			bytes = max(bytes, residentPeak(c.Process.Pid))
		}
	}
}

// residentPeak is the largest resident set of a living process so far, 0 of an ended one.
func residentPeak(pid int) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	var kb int
	if _, after, ok := strings.Cut(string(status), "VmHWM:"); ok {
		_, _ = fmt.Sscanf(after, "%d kB", &kb)
	}
	return kb << 10
}
