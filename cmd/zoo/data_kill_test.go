//go:build unix

package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestKilledPreparationsGoOn kills zoo data prepare with SIGKILL at random moments and starts it
// again each time: token files that were whole are kept, and in the end the folder is that of a
// process that nobody disturbed.
func TestKilledPreparationsGoOn(t *testing.T) {
	if testing.Short() {
		t.Skip("prepares a text several times")
	}
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(3, uint64(time.Now().UnixNano())))
	var text, lines strings.Builder
	for i := range 120_000 {
		fmt.Fprintf(&text, "%x ", i*i%1_000_003)
		if i%40 == 0 {
			fmt.Fprintf(&lines, "{\"text\": \"%d %x\"}\n", i%7000, i*i)
		}
	}
	for name, content := range map[string]string{"a.txt": text.String(), "b.jsonl": lines.String()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	prepare := func(out string) *exec.Cmd {
		return zooProcess(t, "data", "prepare", filepath.Join(dir, "a.txt"), filepath.Join(dir, "b.jsonl"), "-o", filepath.Join(dir, out), "--tokenizer", "gpt2", "--dedup", "--shard-size", "20KB")
	}
	began := time.Now()
	if said, err := prepare("whole").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	took := time.Since(began)
	left := func() (files []os.FileInfo) {
		names, _ := filepath.Glob(filepath.Join(dir, ".killed.preparing", "*.tokens"))
		for _, name := range names {
			if info, err := os.Stat(name); err == nil {
				files = append(files, info)
			}
		}
		return files
	}
	kills, kept := 0, 0
	for range 5 {
		before, c := left(), prepare("killed")
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(took/4 + time.Duration(rng.Int64N(int64(took/2))))
		_ = c.Process.Kill()
		if c.Wait() == nil {
			break
		}
		kills++
		for i, f := range left() {
			if i < len(before) && os.SameFile(f, before[i]) {
				kept++
			}
		}
	}
	if said, err := prepare("killed").CombinedOutput(); err != nil && !bytes.Contains(said, []byte("exists already")) {
		t.Fatalf("%v\n%s", err, said)
	}
	files, err := os.ReadDir(filepath.Join(dir, "whole"))
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		want, errA := os.ReadFile(filepath.Join(dir, "whole", f.Name()))
		got, errB := os.ReadFile(filepath.Join(dir, "killed", f.Name()))
		if errA != nil || errB != nil || !bytes.Equal(got, want) {
			t.Errorf("%s differs: %v %v", f.Name(), errA, errB)
		}
	}
	t.Logf("%d kills, %d files were kept", kills, kept)
}
