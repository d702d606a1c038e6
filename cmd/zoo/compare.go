package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/report"
	"github.com/moezoo/moezoo/study"
)

// comparison is what the flags of zoo compare say.
type comparison struct {
	out        string
	parallel   int
	budget     time.Duration
	memory     byteSize
	anyMachine bool
	reuse      []string
	json       bool
}

func compareCommand() *cobra.Command {
	var o comparison
	c := &cobra.Command{
		Use: "compare FILE", Short: "Compare models: train all of a study's, equally large, on the same data, and report",
		Long: `Make every run of a study (see the documentation of package study for its file) and a report. Each
run is a folder that zoo train could have made. Started again, it goes on where it was interrupted,
in whatever way, and repeats nothing that is finished. With --reuse it takes finished runs from the
folders of other studies, where recipe, seed, steps and text are the same.`,
		Example: `  zoo compare examples/studies/architectures/debug.yaml
  zoo compare study.yaml --out studies/a --budget 90m --parallel 2
  zoo compare more.yaml --out studies/b --reuse studies/a
  zoo compare plan study.yaml --throughput 'H100=200e12'
  zoo compare plan study.yaml --slurm >study.sbatch`,
		Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error { return compare(c, args[0], &o) },
	}
	f := c.Flags()
	f.StringVar(&o.out, "out", "", "folder of the study (default: runs/ and the study's name)")
	f.IntVar(&o.parallel, "parallel", 1, "runs at a time; they share the processors")
	f.DurationVar(&o.budget, "budget", 0, "stop after so long, such as 90m; the same command goes on later")
	f.Var(&o.memory, "memory", "how much each run may take, such as 2GB: what does not fit is computed twice (default: what is free, divided)")
	f.BoolVar(&o.anyMachine, "any-machine", false, "resume runs where another processor would not give the same bits")
	reuseFlag(f, &o.reuse)
	f.BoolVar(&o.json, "json", false, "for scripts")
	c.AddCommand(comparePlanCommand(), compareRunCommand())
	return c
}

// reuseFlag is the flag of all commands that look for finished runs.
func reuseFlag(f *pflag.FlagSet, reuse *[]string) {
	f.StringArrayVar(reuse, "reuse", nil, "folder of another study, whose finished runs are taken where they are the same; may be repeated")
}

// loadStudy reads a study with the project's plugins.
func loadStudy(c *cobra.Command, file, out string) (*study.Study, string, error) {
	h, err := newHost()
	if err != nil {
		return nil, "", err
	}
	s, err := study.Load(c.Context(), file, h)
	if err == nil && out == "" {
		out = filepath.Join("runs", s.Name)
	}
	return s, out, err
}

// errBudget ends a study whose time is used up.
var errBudget = errors.New("the time for the study is used up")

// compared is what zoo compare reports.
type compared struct {
	Study    string              `json:"study"`
	Out      string              `json:"out"`
	Complete bool                `json:"complete"`
	Runs     []comparedRun       `json:"runs"`
	Report   string              `json:"report"`
	Parity   []report.Pair       `json:"steps_to_parity"`
	Against  []report.Difference `json:"differences"`
	Models   []report.Final      `json:"models"`
}

type comparedRun struct {
	Name     string `json:"name"`
	Finished bool   `json:"finished"`
	Error    string `json:"error,omitempty"`
}

func compare(c *cobra.Command, file string, o *comparison) error {
	if err := study.CheckReuse(o.reuse); err != nil {
		return err
	}
	if o.parallel < 1 {
		return fmt.Errorf("--parallel %d: want at least 1", o.parallel)
	}
	s, out, err := loadStudy(c, file, o.out)
	if err != nil {
		return err
	}
	o.out = out
	hash, err := s.DataHash(c.Context())
	if err != nil {
		return err
	}
	ctx := c.Context()
	if o.budget > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, o.budget, errBudget)
		defer stop()
	}
	tasks := s.Tasks()
	if err := writeManifest(s, o, hash); err != nil {
		return err
	}
	bars := newStudyBars(c.ErrOrStderr(), len(tasks))
	l := &launcher{file: file, comparison: o, bars: bars}
	outcomes := study.Schedule(ctx, tasks, o.parallel, l.run)
	bars.done()
	if err := c.Context().Err(); err != nil {
		return err
	}
	result := &compared{Study: s.Name, Out: out, Complete: true}
	left, failed := 0, error(nil)
	for _, x := range outcomes {
		r := comparedRun{Name: x.Task.Name, Finished: x.Err == nil}
		switch {
		case errors.Is(x.Err, errBudget):
			left++
		case x.Err != nil:
			r.Error = x.Err.Error()
			if failed == nil {
				failed = fmt.Errorf("%s: %w", x.Task.Name, x.Err)
			}
		}
		result.Complete = result.Complete && x.Err == nil
		result.Runs = append(result.Runs, r)
	}
	if left == 0 && failed == nil {
		if err := measureDecoding(ctx, c, s, o); err != nil {
			return err
		}
	}
	if err := writeManifest(s, o, hash); err != nil { // rates are known by now
		return err
	}
	if err := finishStudy(c, o, result); err != nil {
		return err
	}
	switch {
	case failed != nil:
		return failed
	case left > 0 && !o.json:
		fmt.Fprintf(c.OutOrStdout(), "the time is used up, and %d of %d runs are not finished: the same command goes on\n", left, len(tasks))
	}
	return nil
}

// finishStudy writes the report of what is there.
func finishStudy(c *cobra.Command, o *comparison, result *compared) error {
	page, err := report.Load(o.out)
	if err != nil {
		return err
	}
	result.Report = filepath.Join(o.out, report.PageFile)
	if err := page.WriteFolder(o.out); err != nil {
		return err
	}
	result.Parity, result.Against, result.Models = page.Pairs(), page.Differences(), page.Finals()
	if o.json {
		return printJSON(c.OutOrStdout(), result)
	}
	page.Print(c.OutOrStdout())
	fmt.Fprintf(c.OutOrStdout(), "report: %s\n", result.Report)
	return nil
}

// writeManifest says in the study's folder which runs are its own.
func writeManifest(s *study.Study, o *comparison, dataHash string) error {
	m := &report.Manifest{Title: s.Name, Doc: s.Doc, Command: "zoo compare " + s.File}
	if s.Match != nil {
		m.Reference = s.Match.To
	}
	tasks := s.Tasks()
	for i := range tasks {
		t := &tasks[i]
		if !slices.Contains(m.Models, t.Label) {
			m.Models = append(m.Models, t.Label)
		}
		dir, _, err := s.Folder(t, o.out, dataHash)
		if errors.Is(err, study.ErrNoRate) {
			continue
		}
		if err != nil {
			return err
		}
		run, err := filepath.Rel(o.out, dir)
		if err != nil {
			return err
		}
		m.Runs = append(m.Runs, filepath.ToSlash(run))
	}
	decoding, err := s.DecodingFiles(o.out, dataHash)
	if err != nil {
		return err
	}
	for _, path := range decoding {
		m.Decoding = append(m.Decoding, filepath.ToSlash(path))
	}
	return m.Write(o.out)
}

// measureDecoding measures what decoding costs, once all runs are made, so that none disturbs.
func measureDecoding(ctx context.Context, c *cobra.Command, s *study.Study, o *comparison) error {
	if global.device != "cpu" {
		return nil
	}
	d := cpu.New(global.threads)
	defer d.Close()
	err := s.MeasureDecoding(ctx, o.out, d, func(m string) { fmt.Fprintln(c.ErrOrStderr(), "note: "+m) })
	if errors.Is(context.Cause(ctx), errBudget) {
		return nil // the same command goes on
	}
	return err
}
