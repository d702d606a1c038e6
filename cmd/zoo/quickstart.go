package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/moezoo/moezoo/backend/cpu/kernel"
	"github.com/moezoo/moezoo/data/corpus"
	"github.com/moezoo/moezoo/export/ort"
	"github.com/moezoo/moezoo/graph/narrow"
	"github.com/moezoo/moezoo/zoo"
)

func quickstartCommand() *cobra.Command {
	var out string
	var steps int64
	c := &cobra.Command{
		Use: "quickstart", Short: "Train a MoE-Mamba on a novel, let it write, export it, and verify the file: three minutes",
		Example: "  zoo quickstart\n  zoo quickstart --steps 50 --out /tmp/first",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return quickstart(c, out, steps) },
	}
	c.Flags().StringVar(&out, "out", "quickstart", "folder for what is made")
	c.Flags().Int64Var(&steps, "steps", 0, "training steps; fitted to the processor when 0")
	return c
}

// quickstartSteps fit the run into its three minutes on two cores.
const (
	quickstartSteps   = 300
	quickstartGeneric = 6 // without vector kernels
)

func quickstart(c *cobra.Command, out string, steps int64) error {
	w := c.OutOrStdout()
	say := func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
	began := time.Now()
	settings := []string{}
	if steps == 0 {
		steps = quickstartSteps
		if kernel.Level() == "generic" {
			steps = quickstartGeneric
			say("This processor has no AVX2 and FMA, or they are switched off: training shrinks to %d short steps.", steps)
		}
	}
	settings = append(settings, fmt.Sprintf("train.steps=%d", steps), "train.batch=8", "train.eval_every="+fmt.Sprint(max(steps/4, 1)), "train.save_every="+fmt.Sprint(max(steps/2, 1)))

	m, err := loadModel(c, "moe-mamba-tiny", settings)
	if err != nil {
		return err
	}
	if err := freshFolder(out); err != nil { // once it is sure that something will be made
		return err
	}
	say("1. The model: moe-mamba-tiny. Its router and expert are built by plugins, processes of their own.")
	counts, err := m.Net.Count(m.Recipe.Train.Context)
	if err != nil {
		return err
	}
	for _, f := range m.Functions {
		say("   %s %s/%s, %d bytes of ONNX", f.Variant.Kind, f.Provider, f.Variant.Name, len(f.Answer))
	}
	say("   %s parameters, %s active per token", human(counts.Total), human(counts.Active))

	docs, err := corpus.Read(nil, corpus.DefaultName)
	if err != nil {
		return err
	}
	set, err := m.Data(c.Context(), docs)
	if err != nil {
		return err
	}
	run := filepath.Join(out, "run")
	say("2. Training %d steps on %s, %s bytes; the last %s are held out.", steps, corpus.DefaultName, human(set.TrainBytes), human(set.HeldBytes))
	e, _, err := runTraining(c, m, set, zoo.TrainOptions{Dir: run})
	if err != nil {
		return err
	}
	base, err := set.Baselines()
	if err != nil {
		return err
	}
	say("3. Bits per byte on the held-out text: order-0 %.3f, gzip -9 %.3f, order-2 %.3f, this model %.3f", base.Order0, base.Gzip, base.Order2, e.BitsPerByte)

	t, err := openRun(c, run, narrow.Float32)
	if err != nil {
		return err
	}
	if err := writeSample(c, t, filepath.Join(out, "sample.txt")); err != nil {
		return err
	}
	if err := exportQuickstart(c, t, out, say); err != nil {
		return err
	}
	say("Done in %v. Made: %s", time.Since(began).Round(time.Second), filepath.Join(out, "{run/, sample.txt, model/}"))
	say("Next:")
	say("   zoo generate %s --prompt \"Call me\"", run)
	say("   zoo build moe-mamba-tiny --set layers.moe.router=topk --set layers.moe.top_k=2")
	say("   zoo train moe-mamba-tiny --data YOUR.txt --out runs/a")
	return nil
}

// freshFolder makes room for a new quickstart: what an earlier one left is replaced,
// anything else is not touched.
func freshFolder(out string) error {
	entries, err := os.ReadDir(out)
	if errors.Is(err, os.ErrNotExist) {
		return os.MkdirAll(out, 0o777)
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		switch e.Name() {
		case "run", "sample.txt", "model":
		default:
			return fmt.Errorf("%s holds %s, which no quickstart made: choose another folder with --out", out, e.Name())
		}
	}
	for _, name := range []string{"run", "sample.txt", "model"} {
		if err := os.RemoveAll(filepath.Join(out, name)); err != nil {
			return err
		}
	}
	return nil
}

func writeSample(c *cobra.Command, t *zoo.Trained, path string) error {
	d, err := t.Decoder(1)
	if err != nil {
		return err
	}
	defer d.Close()
	tk, err := t.Tokenizer()
	if err != nil {
		return err
	}
	fmt.Fprintln(c.OutOrStdout(), "4. It writes:")
	g, err := zoo.Generate(c.Context(), d, tk, zoo.GenerateOptions{Prompt: []byte("Call me "), MaxTokens: 300, Sampling: zoo.Sampling{Temperature: 0.8, Seed: 1}}, io.Discard)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.OutOrStdout(), "   Call me %s\n", g.Text)
	return os.WriteFile(path, []byte("Call me "+g.Text+"\n"), 0o666)
}

// exportQuickstart exports and verifies, getting ONNX Runtime when it is missing. Where it
// cannot run, the project's own evaluator checks the file, and the report says so.
func exportQuickstart(c *cobra.Command, t *zoo.Trained, out string, say func(string, ...any)) error {
	if rt, err := ort.Find(); err == nil {
		say("5. Exporting to ONNX, to verify it with ONNX Runtime %s.", rt.Version)
	} else if !errors.Is(ort.Available(), ort.ErrNoCgo) {
		say("5. Exporting to ONNX. ONNX Runtime, to verify it with, is missing; getting it.")
		if _, err := ort.Install(c.Context(), ort.InstallOptions{}, func(s string) { say("   %s", s) }); err != nil {
			say("   %v", err)
		}
	}
	r, err := t.Export(c.Context(), filepath.Join(out, "model")+string(filepath.Separator), zoo.ExportOptions{})
	if err != nil {
		return err
	}
	say("6. Exported to ONNX and run in %s: the largest difference of a logit is %.2g.", r.Runtime, r.MaxAbs())
	return printReport(c.OutOrStdout(), r, false)
}
