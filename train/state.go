package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/safetensors"
	"github.com/moezoo/moezoo/train/checkpoint"
)

// Files of a checkpoint.
const (
	ModelFile     = "model.safetensors"
	OptimizerFile = "optimizer.safetensors"
	StateFile     = "state.json"
)

// state is everything besides tensors that the next step depends on. The position in the
// data and in every random sequence follows from the step.
type state struct {
	Step     int     `json:"step"`
	Skipped  int     `json:"skipped"`
	Best     float64 `json:"-"`
	BestStep int     `json:"best_step"`
	BestNats *number `json:"best_nats,omitempty"` // Best, absent while there is none
	// Evaluated is the step of the last evaluation: an interrupted one is made up for.
	Evaluated int    `json:"evaluated"`
	Seed      uint64 `json:"seed"`
	Machine   string `json:"machine"`
	Data      string `json:"data_sha256"`
}

// number keeps a float64 bit for bit.
type number float64

// MarshalJSON writes the shortest decimal that reads back as the same number.
func (n number) MarshalJSON() ([]byte, error) { return json.Marshal(float64(n)) }

// Save writes a checkpoint of the present step, unless there is one, and removes those no
// longer wanted.
func (r *Run) Save() error {
	if r.saved == r.state.Step {
		return nil
	}
	s := r.state
	s.Seed = r.cfg.Seed
	if !math.IsInf(s.Best, 0) {
		best := number(s.Best)
		s.BestNats = &best
	}
	raw, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	params, optimizer := r.engine.Tensors(r.task)
	content := checkpoint.Content{
		StateFile:     checkpoint.Blob(raw),
		ModelFile:     r.tensors(params),
		OptimizerFile: r.tensors(optimizer),
	}
	for name, b := range r.cfg.Blobs {
		content[name] = checkpoint.Blob(b)
	}
	if err := r.log.Sync(); err != nil {
		return &checkpoint.EnvironmentError{Err: err}
	}
	if err := checkpoint.Save(r.cfg.FS, r.cfg.Dir, r.state.Step, content); err != nil {
		return r.withSpace(err)
	}
	r.saved = r.state.Step
	var also []int
	if r.cfg.KeepBest && r.state.BestStep >= 0 {
		also = append(also, r.state.BestStep)
	}
	return checkpoint.Prune(r.cfg.FS, r.cfg.Dir, r.cfg.KeepLast, also...)
}

// checkpointBytes is about how much one checkpoint takes.
func (r *Run) checkpointBytes() int64 {
	total := int64(0)
	params, optimizer := r.engine.Tensors(r.task)
	for _, name := range append(params, optimizer...) {
		total += int64(backend.Bytes(r.engine.Buffer(name)))
	}
	for _, blob := range r.cfg.Blobs {
		total += int64(len(blob))
	}
	return total
}

// checkSpace refuses to begin when the disk holds fewer than two checkpoints.
func (r *Run) checkSpace() error {
	free, err := checkpoint.Free(r.cfg.Dir)
	if err != nil {
		return err
	}
	if need := 2 * r.checkpointBytes(); free < need {
		return &checkpoint.EnvironmentError{Err: fmt.Errorf("%s has %d bytes free, two checkpoints need %d", r.cfg.Dir, free, need)}
	}
	return nil
}

// withSpace adds to an error of a full disk how much a checkpoint needs.
func (r *Run) withSpace(err error) error {
	if !errors.Is(err, syscall.ENOSPC) {
		return err
	}
	free, freeErr := checkpoint.Free(r.cfg.Dir)
	if freeErr != nil {
		return err
	}
	return fmt.Errorf("%w: a checkpoint needs %d bytes, %d are free", err, r.checkpointBytes(), free)
}

// tensors writes named tensors of the engine.
func (r *Run) tensors(names []string) func(w io.Writer) error {
	return func(w io.Writer) error {
		out := make([]safetensors.Tensor, len(names))
		for i, name := range names {
			b := r.engine.Buffer(name)
			if b == nil {
				return fmt.Errorf("there is no tensor %q", name)
			}
			out[i] = safetensors.Tensor{Name: name, DType: safetensors.F32, Shape: int64s(b.Shape()), Load: func() ([]byte, error) {
				t := r.engine.staging(b)
				return t.Data, b.Download(nil, t)
			}}
		}
		return safetensors.Write(w, out, map[string]string{"format": "moezoo"})
	}
}

func int64s(ints []int) []int64 {
	out := make([]int64, len(ints))
	for i, n := range ints {
		out[i] = int64(n)
	}
	return out
}

// load restores the latest checkpoint.
func (r *Run) load() error {
	c, err := checkpoint.Load(r.cfg.Dir)
	if err != nil {
		return err
	}
	if c.Note != "" {
		r.cfg.Log(c.Note)
	}
	if err := r.loadFrom(c); err != nil {
		return fmt.Errorf("%w%s", err, r.olderThatFits(c.Step))
	}
	return nil
}

// olderThatFits names the newest checkpoint before a step that the run could continue from,
// after one that is whole but does not fit.
func (r *Run) olderThatFits(before int) string {
	steps, err := checkpoint.Steps(r.cfg.Dir)
	if err != nil {
		return ""
	}
	for i := len(steps) - 1; i >= 0; i-- {
		if steps[i] >= before {
			continue
		}
		if c, err := checkpoint.Open(r.cfg.Dir, steps[i]); err == nil && r.loadFrom(c) == nil {
			return fmt.Sprintf("; the newest that fits is step %d: move the newer ones out of the folder to continue from it", steps[i])
		}
	}
	return ""
}

// loadFrom restores one checkpoint.
func (r *Run) loadFrom(c *checkpoint.Checkpoint) error {
	if files := c.Files(); !slices.Contains(files, StateFile) && !slices.Contains(files, OptimizerFile) {
		return &checkpoint.Error{Path: c.Dir, Err: errors.New("holds weights that no training made, so there is nothing to resume: begin a new run with them, by --init-from")}
	}
	raw, err := c.Read(StateFile)
	if err != nil {
		return err
	}
	var s state
	if err := json.Unmarshal(raw, &s); err != nil {
		return &checkpoint.Error{Path: filepath.Join(c.Dir, StateFile), Err: err}
	}
	s.Best = math.Inf(1)
	if s.BestNats != nil {
		s.Best = float64(*s.BestNats)
	}
	if err := r.checkState(c, s); err != nil {
		return err
	}
	params, optimizer := r.engine.Tensors(r.task)
	if err := r.restore(c, ModelFile, params); err != nil {
		return err
	}
	if err := r.restore(c, OptimizerFile, optimizer); err != nil {
		return err
	}
	r.state, r.saved = s, s.Step
	return nil
}

// checkState refuses to continue where the result could differ from an uninterrupted run.
func (r *Run) checkState(c *checkpoint.Checkpoint, s state) error {
	problem := ""
	switch {
	case s.Step != c.Step || s.Step < 0 || s.Skipped < 0 || s.Skipped > s.Step:
		problem = fmt.Sprintf("its state is of step %d with %d skipped", s.Step, s.Skipped)
	case s.Seed != r.cfg.Seed:
		problem = fmt.Sprintf("was trained with seed %d, not %d", s.Seed, r.cfg.Seed)
	case s.Data != r.set.Hash:
		problem = fmt.Sprintf("was trained on a text with SHA-256 %.12s…, this one has %.12s…", s.Data, r.set.Hash)
	case s.Machine != r.cfg.Machine && !r.cfg.AnyMachine:
		problem = fmt.Sprintf("was trained on %s, this machine computes as %s and would not give the same bits; allow it with --any-machine", s.Machine, r.cfg.Machine)
	}
	if problem != "" {
		return &checkpoint.Error{Path: c.Dir, Err: fmt.Errorf("%s", problem)}
	}
	return nil
}

// restore reads tensors into the engine; the file must hold exactly these.
func (r *Run) restore(c *checkpoint.Checkpoint, file string, names []string) error {
	path, err := c.Path(file)
	if err != nil {
		return err
	}
	f, err := safetensors.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return r.fill(f, path, names)
}

// fill reads tensors of an open file into the engine.
func (r *Run) fill(f *safetensors.File, path string, names []string) error {
	shape := func(name string) []int { return r.engine.Buffer(name).Shape() }
	return Restore(f, path, names, shape, r.engine.SetTensor)
}

// Restore reads the named tensors of a file, which must hold them in float32 and in these
// shapes, and no others. put gets them one by one, in memory that the next one takes again.
func Restore(f *safetensors.File, path string, names []string, shape func(name string) []int, put func(name string, t *backend.Tensor) error) error {
	wanted := map[string]bool{}
	var memory []byte
	for _, name := range names {
		wanted[name] = true
		t := &backend.Tensor{DType: graph.Float32, Shape: shape(name)}
		info, ok := f.Info(name)
		switch {
		case !ok:
			return &checkpoint.Error{Path: path, Err: fmt.Errorf("tensor %q is missing", name)}
		case info.DType != safetensors.F32 || fmt.Sprint(info.Shape) != fmt.Sprint(t.Shape):
			return &checkpoint.Error{Path: path, Err: fmt.Errorf("tensor %q is %s%v, the model needs F32%v", name, info.DType, info.Shape, t.Shape)}
		}
		if n := 4 * t.Elements(); n > len(memory) {
			memory = backend.AlignedBytes(n)
		}
		t.Data = memory[:4*t.Elements()]
		if err := f.ReadInto(name, t.Data); err != nil {
			return err
		}
		if err := put(name, t); err != nil {
			return err
		}
	}
	for _, name := range f.Names() {
		if !wanted[name] {
			return &checkpoint.Error{Path: path, Err: fmt.Errorf("tensor %q is not part of the model", name)}
		}
	}
	return nil
}
