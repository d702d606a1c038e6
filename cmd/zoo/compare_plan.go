package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/moezoo/moezoo/report/plot"
	"github.com/moezoo/moezoo/study"
)

// planning is what the flags of zoo compare plan say.
type planning struct {
	study.Cluster
	throughputs []string
	memory      byteSize
	slurm, k8s  bool
	json        bool
}

func comparePlanCommand() *cobra.Command {
	o := &planning{}
	c := &cobra.Command{
		Use: "plan FILE", Short: "List the runs of a study with what each takes, or write them as jobs of a cluster; trains nothing",
		Long: `List the runs of a study: sizes, and how closely they match, operations of training and of evaluation, memory,
and hours at throughputs that you name, in operations a second that training really makes. With --slurm a script for sbatch is
written instead, with --k8s the manifest of an Indexed Job: both make one run a task, with the same
"zoo compare run FILE --task I" that anything else may call.`,
		Example: `  zoo compare plan study.yaml --throughput 'two cores=60e9'
  zoo compare plan paper.yaml --throughput 'H100=200e12' --throughput 'A100=100e12' --json
  zoo compare plan study.yaml --out /shared/a --slurm --cpus 8 --hours 4 >study.sbatch
  zoo compare plan study.yaml --out a --k8s --image registry/zoo:1 --claim study >job.yaml`,
		Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error { return plan(c, args[0], o) },
	}
	f := c.Flags()
	f.StringVar(&o.Out, "out", "", "folder of the study (default: runs/ and the study's name)")
	reuseFlag(f, &o.Reuse)
	f.StringArrayVar(&o.throughputs, "throughput", nil, "NAME=OPERATIONS a second, such as 'H100=200e12'")
	f.Var(&o.memory, "memory", "how much each run may take, such as 2GB: what does not fit is computed twice")
	f.BoolVar(&o.json, "json", false, "for scripts")
	f.BoolVar(&o.slurm, "slurm", false, "write an array job for Slurm")
	f.BoolVar(&o.k8s, "k8s", false, "write an Indexed Job for Kubernetes")
	f.IntVar(&o.Parallel, "parallel", 0, "jobs at a time; 0 for as many as the cluster likes")
	f.IntVar(&o.CPUs, "cpus", 2, "processors for each job")
	f.Float64Var(&o.Hours, "hours", 0, "after which a job is ended, to go on in another; 0 for no limit")
	f.StringVar(&o.Image, "image", "", "of --k8s: a container image with zoo in it")
	f.StringVar(&o.Claim, "claim", "", "of --k8s: the volume claim that holds the study")
	f.StringVar(&o.Mount, "mount", "/study", "of --k8s: where the volume is seen, and what paths are relative to")
	return c
}

func plan(c *cobra.Command, file string, o *planning) error {
	throughputs, err := o.check()
	if err != nil {
		return err
	}
	s, out, err := loadStudy(c, file, o.Out)
	if err != nil {
		return err
	}
	d, err := newDevice()
	if err != nil {
		return err
	}
	defer d.Close()
	text, noText := s.Text(c.Context()) // a plan needs none, but for evaluations and the state of its runs
	all, err := s.Plan(c.Context(), study.PlanOptions{
		Device: d, Memory: int(o.memory), Throughputs: throughputs, Text: text, Out: out, Reuse: o.here(),
	})
	if err != nil {
		return err
	}
	if o.slurm || o.k8s {
		o.Name, o.File, o.Out, o.Tasks = s.Name, file, out, len(all)
		for _, p := range all {
			o.Bytes = max(o.Bytes, p.Bytes)
		}
		if o.slurm {
			return o.Slurm(c.OutOrStdout())
		}
		return o.Kubernetes(c.OutOrStdout())
	}
	if o.json {
		return printJSON(c.OutOrStdout(), map[string]any{"study": s.Name, "out": out, "tasks": all})
	}
	if noText != nil {
		fmt.Fprintf(c.ErrOrStderr(), "note: the text cannot be read yet; evaluations on what is held out of it come on top: %v\n", noText)
	}
	return printPlanned(c.OutOrStdout(), s, all, throughputs, noText != nil)
}

// here are the other studies on this machine: what jobs of a cluster see may not be here.
func (o *planning) here() []string {
	if o.slurm || o.k8s {
		return nil
	}
	return o.Reuse
}

// check refuses flags that do not go together, and reads throughputs.
func (o *planning) check() ([]study.Throughput, error) {
	switch {
	case o.slurm && o.k8s:
		return nil, errors.New("--slurm and --k8s write different files: give one of them")
	case o.k8s && (o.Image == "" || o.Claim == ""):
		return nil, errors.New("--k8s needs --image, a container image with zoo in it, and --claim, the volume claim that holds the study")
	case o.CPUs < 1 || o.Parallel < 0 || o.Hours < 0:
		return nil, fmt.Errorf("--cpus %d, --parallel %d, --hours %v: want at least 1, 0 and 0", o.CPUs, o.Parallel, o.Hours)
	}
	if err := study.CheckReuse(o.here()); err != nil {
		return nil, err
	}
	var out []study.Throughput
	for _, t := range o.throughputs {
		name, number, ok := strings.Cut(t, "=")
		flops, err := strconv.ParseFloat(number, 64)
		if !ok || name == "" || err != nil || !(flops > 0) {
			return nil, fmt.Errorf("--throughput %s: want NAME=OPERATIONS a second, such as H100=200e12", t)
		}
		out = append(out, study.Throughput{Name: name, FLOPS: flops})
	}
	return out, nil
}

func printPlanned(out io.Writer, s *study.Study, all []study.Planned, throughputs []study.Throughput, noText bool) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "MODEL\tACTIVE\tALL\tOPERATIONS/TOKEN\tOFF\tMEMORY\tSIZED BY\n")
	for _, p := range all[:len(s.Models)] {
		off := "–"
		if s.Match != nil && p.Model != s.Match.To {
			off = fmt.Sprintf("%+.1f %%", 100*p.Off)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", p.Model, human(p.PaperActive), human(p.PaperTotal), plot.Short(float64(p.PerToken)), off, megabytes(p.Bytes), strings.Join(p.Settings, " "))
	}
	fmt.Fprint(w, "\nTASK\tRUN\tBUDGET\tSTEPS\tTOKENS\tOPERATIONS\tEVALUATION")
	for _, t := range throughputs {
		fmt.Fprintf(w, "\tHOURS ON %s", t.Name)
	}
	fmt.Fprint(w, "\tSTATE\n")
	sum := map[string]float64{}
	for _, p := range all {
		steps, tokens, flops, evaluation := strconv.FormatInt(p.Steps, 10), plot.Short(float64(p.Tokens)), plot.Short(p.FLOPs), plot.Short(p.Evaluation)
		if p.Steps == 0 { // to be measured
			steps, tokens, flops = "?", "?", "?"
		}
		if p.Steps == 0 || noText {
			evaluation = "?"
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s", p.Task, p.Name, p.Budget, steps, tokens, flops, evaluation)
		for _, t := range throughputs {
			sum[t.Name] += p.Hours[t.Name]
			fmt.Fprintf(w, "\t%.3g", p.Hours[t.Name])
		}
		fmt.Fprintf(w, "\t%s\n", p.State)
	}
	for _, t := range throughputs {
		fmt.Fprintf(w, "\nall runs one after another on %s (%s operations a second): %.3g hours\n", t.Name, plot.Short(t.FLOPS), sum[t.Name])
	}
	return w.Flush()
}
