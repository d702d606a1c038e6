package train

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/data"
	"github.com/moezoo/moezoo/data/corpus"
	"github.com/moezoo/moezoo/data/tokenizer"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/internal/faultfs"
	"github.com/moezoo/moezoo/safetensors"
	"github.com/moezoo/moezoo/train/checkpoint"
	"github.com/moezoo/moezoo/train/schedule"
)

// resumable opens a run of six steps that saves every second one.
func resumable(t *testing.T, dir string, resume bool, log func(string)) (*Run, error) {
	t.Helper()
	return resumableWith(t, dir, func(c *Config) { c.Resume, c.Log = resume, log })
}

// resumableWith is resumable with other settings.
func resumableWith(t *testing.T, dir string, change func(*Config)) (*Run, error) {
	t.Helper()
	set, err := data.NewSet(context.Background(), []corpus.Document{corpus.FromBytes("text", []byte(strings.Repeat("to be or not to be\n", 50)))}, tokenizer.Bytes{}, 0.1, "")
	if err != nil {
		t.Fatal(err)
	}
	d := cpu.New(1)
	t.Cleanup(func() { d.Close() })
	cfg := Config{
		Dir: dir, Sizes: Sizes{Batch: 2, Context: 12, Accumulate: 1}, Seed: 5, Machine: "test", SaveEvery: 2, KeepLast: 3,
		Optimizer: Optimizer{AdamWSpec: op.AdamWSpec{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8}}, Schedule: schedule.Schedule{Kind: schedule.Constant, LR: 1e-3, Steps: 6},
	}
	change(&cfg)
	return New(cfg, deepTask(t, 1, 257), set, d)
}

// trained is the folder of a finished run.
func trained(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	r, err := resumable(t, dir, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Train(context.Background()); err != nil {
		t.Fatal(err)
	}
	return dir
}

// rewrite saves step 6 again with one file changed: sums and manifest are right.
func rewrite(t *testing.T, dir, name string, change func(raw []byte) []byte) {
	t.Helper()
	c, err := checkpoint.Open(dir, 6)
	if err != nil {
		t.Fatal(err)
	}
	content := checkpoint.Content{}
	for _, file := range c.Files() {
		raw, err := c.Read(file)
		if err != nil {
			t.Fatal(err)
		}
		if file == name {
			if raw = change(raw); raw == nil {
				continue
			}
		}
		content[file] = checkpoint.Blob(raw)
	}
	if err := checkpoint.Save(faultfs.OS{}, dir, 6, content); err != nil {
		t.Fatal(err)
	}
}

// withState changes a value of the saved state.
func withState(key string, value any) func([]byte) []byte {
	return func(raw []byte) []byte {
		var s map[string]any
		if err := json.Unmarshal(raw, &s); err != nil {
			return raw
		}
		s[key] = value
		if value == nil {
			delete(s, key)
		}
		raw, _ = json.Marshal(s)
		return raw
	}
}

// withTensors changes the tensors of a file.
func withTensors(t *testing.T, change func(all []safetensors.Tensor) []safetensors.Tensor) func([]byte) []byte {
	return func(raw []byte) []byte {
		path := filepath.Join(t.TempDir(), "x.safetensors")
		if err := os.WriteFile(path, raw, 0o666); err != nil {
			t.Fatal(err)
		}
		f, err := safetensors.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var all []safetensors.Tensor
		for _, name := range f.Names() {
			info, _ := f.Info(name)
			content := make([]byte, info.Elements()*info.DType.Size())
			if err := f.ReadInto(name, content); err != nil {
				t.Fatal(err)
			}
			all = append(all, safetensors.Tensor{Name: name, DType: info.DType, Shape: info.Shape, Data: content})
		}
		var out strings.Builder
		if err := safetensors.Write(io.Writer(&out), change(all), nil); err != nil {
			t.Fatal(err)
		}
		return []byte(out.String())
	}
}

// TestACheckpointThatDoesNotFitIsRefusedAndTheNewestThatDoesIsNamed changes checkpoints
// whose sums are right.
func TestACheckpointThatDoesNotFitIsRefusedAndTheNewestThatDoesIsNamed(t *testing.T) {
	remove := func([]byte) []byte { return nil }
	first := func(f func(x *safetensors.Tensor)) func(all []safetensors.Tensor) []safetensors.Tensor {
		return func(all []safetensors.Tensor) []safetensors.Tensor {
			f(&all[0])
			return all
		}
	}
	for _, c := range []struct {
		name, file string
		change     func([]byte) []byte
		want       string
	}{
		{"no state", StateFile, remove, `holds no file "state.json"`},
		{"state of another step", StateFile, withState("step", 7), "its state is of step 7"},
		{"more skipped than made", StateFile, withState("skipped", 9), "with 9 skipped"},
		{"another seed", StateFile, withState("seed", 6), "was trained with seed 6, not 5"},
		{"no seed", StateFile, withState("seed", nil), "was trained with seed 0, not 5"},
		{"another text", StateFile, withState("data_sha256", "abc"), "was trained on a text with SHA-256 abc"},
		{"another machine", StateFile, withState("machine", "vax/1"), "was trained on vax/1"},
		{"no JSON", StateFile, func([]byte) []byte { return []byte("{") }, "state.json: unexpected end of JSON input"},
		{"no moments", OptimizerFile, remove, `holds no file "optimizer.safetensors"`},
		{"moments of another shape", OptimizerFile, withTensors(t, first(func(x *safetensors.Tensor) { x.Shape = append([]int64{1}, x.Shape...) })), "the model needs F32"},
		{"weights of another type", ModelFile, withTensors(t, first(func(x *safetensors.Tensor) { x.DType, x.Data = safetensors.F16, x.Data[:len(x.Data)/2] })), "is F16"},
		{"a weight is missing", ModelFile, withTensors(t, func(all []safetensors.Tensor) []safetensors.Tensor { return all[1:] }), "is missing"},
		{"a weight too many", ModelFile, withTensors(t, func(all []safetensors.Tensor) []safetensors.Tensor {
			return append(all, safetensors.Tensor{Name: "zz", DType: safetensors.U8, Shape: []int64{1}, Data: []byte{1}})
		}), `tensor "zz" is not part of the model`},
		{"no safetensors", ModelFile, func([]byte) []byte { return []byte("PK\x03\x04") }, "4 bytes are too short"},
	} {
		dir := trained(t)
		rewrite(t, dir, c.file, c.change)
		_, err := resumable(t, dir, true, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "the newest that fits is step 4") {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: more than one line: %v", c.name, err)
		}
	}
}

// TestADamagedCheckpointIsPassedOverAndSaidSo resumes from the one before.
func TestADamagedCheckpointIsPassedOverAndSaidSo(t *testing.T) {
	dir := trained(t)
	if err := os.Truncate(filepath.Join(dir, "checkpoints", checkpoint.Name(6), ModelFile), 100); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "checkpoints", ".tmp-step-000000008"), 0o777); err != nil { // an interrupted save
		t.Fatal(err)
	}
	var said []string
	r, err := resumable(t, dir, true, func(m string) { said = append(said, m) })
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if r.Step() != 4 || len(said) == 0 || !strings.Contains(said[0], "using the newest good checkpoint, step 4") {
		t.Errorf("at step %d, said %q", r.Step(), said)
	}
	if _, err := r.Train(context.Background()); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "checkpoints", ".tmp-*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

// TestARunFolderMayBeASymbolicLink, but a checkpoint may not.
func TestARunFolderMayBeASymbolicLink(t *testing.T) {
	dir := trained(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Skip(err)
	}
	r, err := resumable(t, link, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
}

func TestARunThatNoTrainingMadeIsNotResumed(t *testing.T) {
	dir := t.TempDir()
	content := checkpoint.Content{ModelFile: checkpoint.Blob(nil)}
	if err := checkpoint.Save(faultfs.OS{}, dir, 0, content); err != nil {
		t.Fatal(err)
	}
	c, err := checkpoint.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := (&Run{}).loadFrom(c); err == nil || !strings.Contains(err.Error(), "nothing to resume") {
		t.Error(err)
	}
}
