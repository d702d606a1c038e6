package study_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/study"
	"github.com/moezoo/moezoo/train"
	"github.com/moezoo/moezoo/train/checkpoint"
	"github.com/moezoo/moezoo/zoo"
)

// other is another study, with the runs of the tiny one's first model under another name.
const other = `name: other
seeds: [1]
budgets: [{steps: 12}]
evaluate_every: 4
set: [d_model=16, train.batch=2, train.context=16, data.holdout=0.002, train.save_every=3]
models: [{name: again, recipe: mamba-debug, set: [repeat=1]}, {name: faster, recipe: mamba-debug, set: [repeat=1, train.lr=9e-3]}]
`

// made runs a task and tells its folder, how many steps were made, and what was logged.
func made(t *testing.T, task *study.Task, s *study.Study, out string, reuse ...string) (dir string, steps int, log string) {
	t.Helper()
	d := cpu.New(1)
	defer d.Close()
	dir, err := s.RunTask(context.Background(), task, study.RunOptions{
		Out: out, Device: d, Reuse: reuse, Progress: func(train.Progress) { steps++ }, Log: func(m string) { log += m + "\n" },
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir, steps, log
}

func TestFinishedRunsOfOtherStudiesAreReused(t *testing.T) {
	root := t.TempDir()
	a, b := filepath.Join(root, "a"), filepath.Join(root, "b")
	first, second := mustLoad(t, tiny), mustLoad(t, other)
	from, steps, _ := made(t, &first.Tasks()[2], first, a) // mamba with seed 1
	if steps != 12 {
		t.Fatal(steps)
	}
	tasks := second.Tasks()

	// What a killed process left, and what this study had begun itself.
	hash, err := second.DataHash(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir, identity, err := second.Folder(&tasks[0], b, hash)
	if err != nil {
		t.Fatal(err)
	}
	half := filepath.Join(b, ".reuse", filepath.Base(dir), "checkpoints", checkpoint.Name(12))
	for _, left := range []string{half, filepath.Join(dir, "checkpoints", checkpoint.Name(3))} {
		if err := os.MkdirAll(left, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(left, train.ModelFile), []byte("half"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if state, err := study.StateOf(dir, identity, 12); err != nil || state.Finished {
		t.Fatalf("half a copy counts as %v: %v", state, err)
	}
	text, err := second.Text(t.Context())
	if err != nil || text.Hash != hash {
		t.Fatal(text, err)
	}
	planned, err := second.Plan(t.Context(), study.PlanOptions{Device: cpu.New(1), Text: text, Out: b, Reuse: []string{a}})
	if err != nil || planned[0].State != "finished in "+from || planned[1].State != "" {
		t.Errorf("planned as %q and %q: %v", planned[0].State, planned[1].State, err)
	}

	got, steps, log := made(t, &tasks[0], second, b, a)
	if steps != 0 || got != dir || !strings.Contains(log, from) {
		t.Errorf("%d steps were made in %s, want none in %s; the log says %q", steps, got, dir, log)
	}
	if weights(t, got) != weights(t, from) {
		t.Error("the copy has other weights")
	}
	want, err := zoo.ReadRecord(from)
	if err != nil {
		t.Fatal(err)
	}
	r, err := zoo.ReadRecord(got)
	if err != nil || r.Label != "again" || r.ReusedFrom != "../a/runs/"+filepath.Base(from) || r.RecipeHash != want.RecipeHash || r.Host != want.Host || want.Label != "mamba" {
		t.Errorf("%v: the record of the copy is %+v, of the original %+v", err, r, want)
	}
	if entries, err := os.ReadDir(b); err != nil || len(entries) != 1 {
		t.Errorf("%v is left in the study's folder, want runs alone: %v", entries, err)
	}
	if _, steps, log = made(t, &tasks[0], second, b); steps != 0 || log != "" {
		t.Errorf("the copy is not taken for finished: %d steps, %q", steps, log)
	}
	if _, steps, log = made(t, &tasks[1], second, b, a); steps != 12 || log != "" {
		t.Errorf("a run with another learning rate made %d steps of 12: %q", steps, log)
	}
}

func TestDamagedRunsOfOtherStudiesAreMadeAnew(t *testing.T) {
	root := t.TempDir()
	a, b := filepath.Join(root, "a"), filepath.Join(root, "b")
	first, second := mustLoad(t, tiny), mustLoad(t, other)
	from, _, _ := made(t, &first.Tasks()[2], first, a)
	want := weights(t, from)
	if err := os.WriteFile(filepath.Join(checkpoint.Path(from, 12), train.ModelFile), []byte("spoilt"), 0o666); err != nil {
		t.Fatal(err)
	}
	dir, steps, log := made(t, &second.Tasks()[0], second, b, a)
	if steps != 12 || !strings.Contains(log, "is not reused") || weights(t, dir) != want {
		t.Errorf("%d steps, %q", steps, log)
	}
	if left, _ := os.ReadDir(filepath.Join(b, ".reuse")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if err := study.CheckReuse([]string{a, root}); err == nil || !strings.Contains(err.Error(), "--reuse "+root) {
		t.Error(err)
	}
}
