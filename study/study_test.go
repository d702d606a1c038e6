package study_test

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moezoo/moezoo/backend/cpu"
	_ "github.com/moezoo/moezoo/plugins/builtin"
	"github.com/moezoo/moezoo/plugins/plugintest"
	"github.com/moezoo/moezoo/study"
	"github.com/moezoo/moezoo/train"
	"github.com/moezoo/moezoo/train/checkpoint"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// load reads a study from its text.
func load(t *testing.T, text string) (*study.Study, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "study.yaml")
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return study.Load(context.Background(), path, plugintest.Host(t))
}

func mustLoad(t *testing.T, text string) *study.Study {
	t.Helper()
	s, err := load(t, text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const tiny = `name: tiny
seeds: [0, 1]
budgets: [{steps: 12}]
evaluate_every: 4
set: [d_model=16, train.batch=2, train.context=16, data.holdout=0.002, train.save_every=3]
models: [{name: mamba, recipe: mamba-debug, set: [repeat=1]}, {name: moe, recipe: moe-mamba-debug, set: [repeat=1]}]
`

func TestModelsAreSizedAlike(t *testing.T) {
	s := mustLoad(t, `name: a
seeds: [0]
budgets: [{steps: 1}]
match: {to: mamba, by: active, within: 1%}
models:
  - {name: again, recipe: mamba-debug}
  - {name: mamba, recipe: mamba-debug, set: [repeat=5]}
  - {name: moe, recipe: moe-mamba-debug, size: {layers.moe.width: 4}}
  - {name: deep, recipe: moe-mamba-debug, size: {repeat: 1, layers.moe.width: 1}}
  - {name: transformer, recipe: transformer-debug, size: {repeat: 1, layers.ff.width: 8}}
`)
	target := s.Models[1].Counts.PaperActive
	for _, m := range s.Models {
		off := float64(m.Counts.PaperActive)/float64(target) - 1
		if off != m.Off || math.Abs(off) > 0.01 {
			t.Errorf("%s: %d active, want %d: off by %v, told %v (%v)", m.Name, m.Counts.PaperActive, target, off, m.Off, m.Settings)
		}
	}
	if got := strings.Join(s.Models[0].Settings, " "); got != "repeat=5" { // depth is what moves when nothing is said
		t.Errorf("sized by %q", got)
	}
	if w := s.Models[2].Recipe.Layers[1].Blocks[0].String(); len(s.Models[2].Settings) != 1 || !strings.Contains(w, strings.TrimPrefix(s.Models[2].Settings[0], "layers.moe.")[len("width="):]) {
		t.Errorf("%v: %s", s.Models[2].Settings, w)
	}
}

func TestSizesThatDoNotMatchAreRefused(t *testing.T) {
	_, err := load(t, `name: a
seeds: [0]
budgets: [{steps: 1}]
match: {to: mamba-debug, within: 1%}
models: [mamba-debug, transformer-debug]
`)
	if err == nil || !strings.Contains(err.Error(), "the nearest that transformer-debug comes to the 39808 active parameters of mamba-debug is") || !strings.Contains(err.Error(), "study.yaml:5:23") {
		t.Error(err)
	}
}

func TestTasksTakeTurnsBySeed(t *testing.T) {
	s := mustLoad(t, strings.Replace(tiny, "[{steps: 12}]", "[{steps: 12}, {tokens: 640}, {flops: 1e9}]", 1))
	tasks := s.Tasks()
	var names []string
	for i := range tasks {
		if tasks[i].Index != i {
			t.Errorf("task %d has the number %d", i, tasks[i].Index)
		}
		names = append(names, tasks[i].Name)
	}
	if got := strings.Join(names[:7], " "); got != "mamba-12-steps-s0 moe-12-steps-s0 mamba-640-tokens-s0 moe-640-tokens-s0 mamba-1e+09-flops-s0 moe-1e+09-flops-s0 mamba-12-steps-s1" || len(tasks) != 12 {
		t.Error(len(tasks), got)
	}
	for i, want := range []int64{12, 12, 20, 20} { // 32 tokens a step
		if size, err := tasks[i].Size(study.NoRate); err != nil || size.Steps != want || size.Tokens != want*32 {
			t.Errorf("%s: %+v, %v", tasks[i].Name, size, err)
		}
	}
	for _, i := range []int{4, 5} { // the same operations, whatever the model
		size, err := tasks[i].Size(study.NoRate)
		perStep := 3 * 32 * float64(tasks[i].Model.Counts.FLOPs)
		if err != nil || math.Abs(size.FLOPs-1e9) > perStep || math.Abs(float64(size.Steps)*perStep-size.FLOPs) > 1 {
			t.Errorf("%s: %+v, %v", tasks[i].Name, size, err)
		}
	}
}

// weights are the bytes of a run's last checkpoint.
func weights(t *testing.T, dir string) string {
	t.Helper()
	c, err := checkpoint.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := c.Read(train.ModelFile)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestTaskIsResumedAndNeverRepeated(t *testing.T) {
	s := mustLoad(t, tiny)
	task := &s.Tasks()[1]
	d := cpu.New(1)
	defer d.Close()
	whole, parts := t.TempDir(), t.TempDir()
	made := 0
	count := func(train.Progress) { made++ }
	want, err := s.RunTask(context.Background(), task, study.RunOptions{Out: whole, Device: d, Progress: count})
	if err != nil || made != 12 {
		t.Fatal(made, err)
	}
	if dir, err := s.RunTask(context.Background(), task, study.RunOptions{Out: whole, Device: d, Progress: count}); err != nil || made != 12 || dir != want {
		t.Errorf("a finished run made %d steps more: %v", made-12, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stop() // before the first step
	if _, err = s.RunTask(ctx, task, study.RunOptions{Out: parts, Device: d, Progress: count}); !errors.Is(err, context.Canceled) || made != 12 {
		t.Fatal(made, err)
	}
	ctx, stop = context.WithCancel(context.Background())
	_, err = s.RunTask(ctx, task, study.RunOptions{Out: parts, Device: d, Progress: func(p train.Progress) {
		if p.Step == 5 {
			stop()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	made = 0
	got, err := s.RunTask(context.Background(), task, study.RunOptions{Out: parts, Device: d, Progress: count})
	if err != nil || made != 7 {
		t.Errorf("%d steps were left of 12 after 5: %v", made, err)
	}
	if filepath.Base(got) != filepath.Base(want) || weights(t, got) != weights(t, want) {
		t.Error("an interrupted run ends differently")
	}
}

func TestSecondsBecomeStepsOnce(t *testing.T) {
	s := mustLoad(t, strings.Replace(tiny, "[{steps: 12}]", "[{seconds: 0.02}]", 1))
	task := &s.Tasks()[0]
	task.Budget = recipe.StudyBudget{Kind: recipe.Seconds, Amount: 0.02}
	out := t.TempDir()
	if _, err := task.Size(task.KeptRate(out)); !errors.Is(err, study.ErrNoRate) {
		t.Fatal(err)
	}
	d := cpu.New(1)
	defer d.Close()
	first, err := s.RunTask(context.Background(), task, study.RunOptions{Out: out, Device: d})
	if err != nil {
		t.Fatal(err)
	}
	size, err := task.Size(task.KeptRate(out))
	if err != nil || size.Steps < 1 {
		t.Fatal(size, err)
	}
	again, err := s.RunTask(context.Background(), task, study.RunOptions{Out: out, Device: d, Progress: func(train.Progress) { t.Error("a finished run makes a step") }})
	if err != nil || again != first {
		t.Errorf("%s, then %s: %v", first, again, err)
	}
}

func TestScheduleKeepsItsOrderAndItsLimit(t *testing.T) {
	s := mustLoad(t, tiny)
	tasks := s.Tasks()
	boom := errors.New("boom")
	var running atomic.Int32
	out := study.Schedule(context.Background(), tasks, 2, func(_ context.Context, task *study.Task) error {
		if n := running.Add(1); n > 2 {
			t.Errorf("%d tasks at a time", n)
		}
		time.Sleep(time.Millisecond)
		running.Add(-1)
		if task.Index == 1 {
			return boom
		}
		return nil
	})
	if len(out) != 4 {
		t.Errorf("%d outcomes", len(out))
	}
	for i, o := range out {
		if (i == 1) != errors.Is(o.Err, boom) || o.Task.Index != i {
			t.Errorf("outcome %d: %+v", i, o)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	ran := 0
	out = study.Schedule(ctx, tasks, 1, func(context.Context, *study.Task) error {
		ran++
		stop()
		return ctx.Err()
	})
	if ran > 2 || !errors.Is(out[3].Err, context.Canceled) {
		t.Errorf("%d tasks ran after the end: %+v", ran, out)
	}
}

// TestStudiesOfTheExamplesAreSizedAlike loads every study that is shipped, the large ones, too:
// their models match as closely as they say, and see the same data.
func TestStudiesOfTheExamplesAreSizedAlike(t *testing.T) {
	files, err := filepath.Glob("../examples/studies/*/*.yaml")
	if err != nil || len(files) < 25 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(strings.TrimPrefix(f, "../examples/studies/"), ".yaml"), func(t *testing.T) {
			t.Parallel()
			s, err := study.Load(context.Background(), f, plugintest.Host(t))
			if err != nil {
				t.Fatal(err)
			}
			if s.Doc == "" || s.Match == nil || len(s.Models) < 4 {
				t.Errorf("%q, %d models, matched by %v", s.Doc, len(s.Models), s.Match)
			}
			if name := strings.ReplaceAll(t.Name()[strings.IndexByte(t.Name(), '/')+1:], "/", "-"); s.Name != name {
				t.Errorf("it is called %s, want %s", s.Name, name)
			}
		})
	}
}
