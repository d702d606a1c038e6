package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/moezoo/moezoo/study"
	"github.com/moezoo/moezoo/train"
	"github.com/moezoo/moezoo/train/checkpoint"
)

func compareRunCommand() *cobra.Command {
	o := &comparison{}
	var task int
	var attached bool
	c := &cobra.Command{
		Use: "run FILE", Short: "Make one run of a study: what array jobs and Indexed Jobs call",
		Example: "  zoo compare run study.yaml --task 3 --out studies/a\n  zoo compare run study.yaml --task \"$SLURM_ARRAY_TASK_ID\" --out studies/a",
		Args:    exactly(1),
		RunE:    func(c *cobra.Command, args []string) error { return compareRun(c, args[0], o, task, attached) },
	}
	f := c.Flags()
	f.IntVar(&task, "task", -1, "which run, as zoo compare plan numbers them")
	f.StringVar(&o.out, "out", "", "folder of the study (default: runs/ and the study's name)")
	f.Var(&o.memory, "memory", "how much training may take, such as 2GB: what does not fit is computed twice (default: what is free)")
	f.BoolVar(&o.anyMachine, "any-machine", false, "resume where another processor would not give the same bits")
	reuseFlag(f, &o.reuse)
	f.BoolVar(&attached, "attached", false, "tell progress as JSON lines, and save and end when standard input does")
	_ = f.MarkHidden("attached")
	return c
}

// told is what an attached run tells after a step.
type told struct {
	Step        int     `json:"step"`
	Steps       int     `json:"steps"`
	Loss        float64 `json:"loss"`
	BitsPerByte float64 `json:"bits_per_byte,omitempty"`
	TokensPerS  float64 `json:"tokens_per_s"`
	Log         string  `json:"log,omitempty"`
}

func compareRun(c *cobra.Command, file string, o *comparison, task int, attached bool) error {
	if err := study.CheckReuse(o.reuse); err != nil {
		return err
	}
	s, out, err := loadStudy(c, file, o.out)
	if err != nil {
		return err
	}
	tasks := s.Tasks()
	if task < 0 || task >= len(tasks) {
		return fmt.Errorf("--task %d: the study has the tasks 0 to %d; see zoo compare plan", task, len(tasks)-1)
	}
	d, err := newDevice()
	if err != nil {
		return err
	}
	defer d.Close()
	run := study.RunOptions{Out: out, Device: d, Memory: int(o.memory), AnyMachine: o.anyMachine, Reuse: o.reuse}
	if run.Memory == 0 {
		run.Memory = availableMemory()
	}
	ctx := c.Context()
	if attached {
		var cancel context.CancelCauseFunc
		ctx, cancel = context.WithCancelCause(ctx)
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin) // ends with whoever started this process
			cancel(errors.New("whoever started this run has ended"))
		}()
		run.Progress, run.Log = tellProgress(c.OutOrStdout())
		_, err = s.RunTask(ctx, &tasks[task], run)
		return err
	}
	var b *bar
	run.Progress = func(p train.Progress) {
		if b == nil {
			b = newBar(c.ErrOrStderr(), p.Steps)
		}
		b.step(p)
	}
	run.Log = func(m string) { fmt.Fprintln(c.ErrOrStderr(), m) }
	dir, err := s.RunTask(ctx, &tasks[task], run)
	if b != nil {
		b.done()
	}
	if err == nil {
		fmt.Fprintf(c.OutOrStdout(), "%s is finished: %s\n", tasks[task].Name, dir)
	}
	return err
}

// tellProgress writes a line now and then, and one for every evaluation.
func tellProgress(w io.Writer) (step func(train.Progress), log func(string)) {
	e := json.NewEncoder(w)
	var last time.Time
	return func(p train.Progress) {
			if p.HeldOut == nil && p.Step < p.Steps && time.Since(last) < 100*time.Millisecond {
				return
			}
			last = time.Now()
			t := told{Step: p.Step, Steps: p.Steps, TokensPerS: p.TokensPerS}
			if p.Loss-p.Loss == 0 { // JSON knows no infinity
				t.Loss = p.Loss
			}
			if p.HeldOut != nil && p.HeldOut.BitsPerByte-p.HeldOut.BitsPerByte == 0 {
				t.BitsPerByte = p.HeldOut.BitsPerByte
			}
			_ = e.Encode(t)
		}, func(message string) {
			_ = e.Encode(told{Log: message})
		}
}

// launcher makes runs in processes of their own, so that one which dies takes nothing with it.
type launcher struct {
	*comparison
	file string
	bars *studyBars
}

// run makes one task.
func (l *launcher) run(ctx context.Context, t *study.Task) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	args := []string{"compare", "run", l.file, "--task", strconv.Itoa(t.Index), "--out", l.out, "--attached", "--threads", strconv.Itoa(l.threads())}
	if m := l.memoryEach(); m > 0 {
		args = append(args, "--memory", fmt.Sprintf("%dKB", m>>10))
	}
	if l.anyMachine {
		args = append(args, "--any-machine")
	}
	for _, d := range l.reuse {
		args = append(args, "--reuse", d)
	}
	for _, d := range global.pluginDirs {
		args = append(args, "--plugin-dir", d)
	}
	for _, d := range global.pluginDev {
		args = append(args, "--plugin-dev", d)
	}
	c := exec.CommandContext(ctx, exe, args...)
	c.Args[0] = os.Args[0]
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = time.Minute // to save
	var stderr strings.Builder
	c.Stderr = &stderr
	keep, err := c.StdinPipe() // its end, when this process ends in any way, ends the run
	if err != nil {
		return err
	}
	defer keep.Close()
	lines, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	l.bars.begin(t.Name)
	for s := bufio.NewScanner(lines); s.Scan(); {
		var p told
		if json.Unmarshal(s.Bytes(), &p) == nil {
			l.bars.step(t.Name, p)
		}
	}
	err = c.Wait()
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	} else if err != nil {
		err = childError(err, stderr.String())
	}
	l.bars.end(t.Name, err)
	return err
}

// threads is the part of the processors that each run gets.
func (l *launcher) threads() int {
	if global.threads > 0 {
		return global.threads
	}
	return max(runtime.NumCPU()/l.parallel, 1)
}

// memoryEach is the part of the memory that each run may take.
func (l *launcher) memoryEach() int {
	if l.memory > 0 {
		return int(l.memory)
	}
	return availableMemory() / l.parallel
}

// childError is what a run said before it ended, with the meaning of its exit code.
func childError(err error, said string) error {
	said = strings.TrimPrefix(strings.TrimSpace(said), "zoo: ")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() < 0 {
		return &checkpoint.EnvironmentError{Err: fmt.Errorf("the run's process ended: %w; the same command goes on from its last checkpoint", err)}
	}
	return &childFault{exit.ExitCode(), said}
}

// childFault is an error of a run's process, which ended with a code of this program's.
type childFault struct {
	code int
	said string
}

func (e *childFault) Error() string {
	if e.said == "" {
		return fmt.Sprintf("the run's process ended with code %d", e.code)
	}
	return e.said
}
