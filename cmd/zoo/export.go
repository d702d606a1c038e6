package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/moezoo/moezoo/export"
	"github.com/moezoo/moezoo/graph/narrow"
	"github.com/moezoo/moezoo/zoo"
)

func exportCommand() *cobra.Command {
	var o zoo.ExportOptions
	var out, names, weights, format string
	var shard byteSize
	var asJSON bool
	c := &cobra.Command{
		Use: "export RUN -o FILE.onnx|FOLDER/", Short: "Write a run as an ONNX file, verified before it is kept, or for transformers",
		Long: `Write a run as an ONNX file of standard operators: one graph for prefill and decoding, states as inputs
and outputs. ONNX Runtime then computes the same inputs; when the numbers differ, no file is kept and the exit
code is 1. A FOLDER/ gets the layout that transformers.js loads.

With --format hf the run becomes a folder that transformers for Python loads: config.json, safetensors and the
tokenizer. That needs a class there which computes the recipe; where none does, the error says what they lack.`,
		Example: `  zoo export runs/a -o a.onnx
  zoo export runs/a -o site/models/a/ --json
  zoo export runs/a -o a.onnx --names genai
  zoo export runs/a --format hf -o models/a
  zoo export runs/a --format hf -o models/a --weights bf16 --shard-size 2GB`,
		Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			if out == "" {
				return errors.New("export needs -o FILE.onnx or -o FOLDER/")
			}
			o.Names = export.Profile(names)
			kind, err := narrow.Parse(weights, narrow.Float32, narrow.Float16, narrow.BFloat16, narrow.Int8)
			if err != nil {
				return fmt.Errorf("--%w", err)
			}
			if err := oneFormat(c, format); err != nil {
				return err
			}
			if format == "hf" {
				return exportHuggingFace(c, args[0], out, zoo.HuggingFaceOptions{Weights: kind, Shard: int64(shard)}, asJSON)
			}
			t, err := openRun(c, args[0], kind)
			if err != nil {
				return err
			}
			r, err := t.Export(c.Context(), out, o)
			if r != nil && len(r.Checks) > 0 {
				if e := printReport(c.OutOrStdout(), r, asJSON); e != nil {
					return e
				}
			}
			if err == nil && !asJSON {
				fmt.Fprintf(c.OutOrStdout(), "wrote %s\n", out)
			}
			return err
		},
	}
	f := c.Flags()
	f.StringVarP(&out, "output", "o", "", "file or folder/ to write")
	f.StringVar(&format, "format", "onnx", "onnx, or hf for a folder that transformers loads")
	f.Var(&shard, "shard-size", "with --format hf, the most weights in one file (default 5GB)")
	f.StringVar(&names, "names", "hf", "names of states: hf (transformers.js) or genai (onnxruntime-genai)")
	f.StringVar(&weights, "weights", "fp32", "what the weights are stored in: fp32, fp16, bf16 or int8")
	f.Int64Var(&o.Opset, "opset", 0, "opset to write, 18 to 26; 18 by default")
	f.BoolVar(&o.External, "external", false, "weights in a file of their own, as above 1.5 GB")
	f.BoolVar(&o.Functions, "functions", false, "keep fused operators as functions in the file")
	f.BoolVar(&o.Compact, "compact", false, "loop over the experts that have tokens: a graph that does not grow with their number, somewhat slower")
	f.BoolVar(&o.AttentionOperator, "attention-operator", false, "attention as the operator Attention, which needs --opset 23 or later, not as products and a softmax")
	f.BoolVar(&o.Contrib, "ort-contrib", false, "Mamba-2 as ONNX Runtime's own operator LinearAttention, with a function of that name for runtimes without it")
	f.StringVar(&o.License, "license", "", "licence of the weights, for the file's metadata")
	f.BoolVar(&o.NoVerify, "no-verify", false, "keep the file unchecked")
	f.BoolVar(&asJSON, "json", false, "for scripts")
	completeFlag(c, "names", "hf", "genai")
	completeFlag(c, "format", "onnx", "hf")
	return c
}

// oneFormat refuses flags that belong to another format.
func oneFormat(c *cobra.Command, format string) error {
	others := map[string][]string{
		"onnx": {"shard-size"},
		"hf":   {"names", "opset", "external", "functions", "compact", "attention-operator", "ort-contrib", "license", "no-verify"},
	}
	flags, known := others[format]
	if !known {
		return fmt.Errorf("--format %s: want onnx or hf", format)
	}
	for _, f := range flags {
		if c.Flags().Changed(f) {
			return fmt.Errorf("--%s has no meaning with --format %s", f, format)
		}
	}
	return nil
}

// exportHuggingFace writes a run for transformers.
func exportHuggingFace(c *cobra.Command, run, out string, o zoo.HuggingFaceOptions, asJSON bool) error {
	if o.Weights == narrow.Int8 {
		return errors.New("--weights int8: transformers reads fp32, fp16 or bf16")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(smallGarbage))
	e, err := zoo.ExportHuggingFace(c.Context(), run, out, o)
	if err != nil {
		return err
	}
	if e.Note != "" {
		fmt.Fprintln(c.ErrOrStderr(), "note: "+e.Note)
	}
	if asJSON {
		return printJSON(c.OutOrStdout(), map[string]any{"folder": out, "class": e.Class, "files": e.Files})
	}
	fmt.Fprintf(c.OutOrStdout(), "wrote %s, which %s loads\n", out, e.Class)
	return nil
}

func verifyCommand() *cobra.Command {
	var against, weights string
	var asJSON bool
	c := &cobra.Command{
		Use: "verify FILE.onnx --against RUN", Short: "Compare an exported file with its run in ONNX Runtime",
		Example: "  zoo verify a.onnx --against runs/a --json",
		Args:    exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			if against == "" {
				return errors.New("verify needs --against RUN")
			}
			kind, err := narrow.Parse(weights, narrow.Float32, narrow.Float16, narrow.BFloat16, narrow.Int8)
			if err != nil {
				return fmt.Errorf("--%w", err)
			}
			t, err := openRun(c, against, kind)
			if err != nil {
				return err
			}
			r, err := t.Verify(c.Context(), args[0], nil)
			if err != nil {
				return err
			}
			if err := printReport(c.OutOrStdout(), r, asJSON); err != nil {
				return err
			}
			if !r.Passed {
				return errCheck
			}
			return nil
		},
	}
	c.Flags().StringVar(&against, "against", "", "the run that the file was exported from")
	c.Flags().StringVar(&weights, "weights", "fp32", "what the file's weights are stored in: fp32, fp16, bf16 or int8")
	c.Flags().BoolVar(&asJSON, "json", false, "for scripts")
	return c
}

func printReport(out io.Writer, r *export.Report, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "CHECK\tBATCH × LENGTH\tMAX ABSOLUTE\tMAX RELATIVE\tSAME TOKEN\t\n")
	for _, c := range r.Checks {
		verdict := "ok"
		if !c.Passed {
			verdict = "FAILED"
		}
		fmt.Fprintf(w, "%s\t%d × %d\t%.2g\t%.2g\t%.0f %%\t%s\n", c.Name, c.Batch, c.Length, c.MaxAbs, c.MaxRel, 100*c.Argmax, verdict)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if r.Missing != "" {
		fmt.Fprintf(out, "NOT checked in ONNX Runtime: %s\n", r.Missing)
	}
	if d := r.Rounded; d != nil {
		fmt.Fprintf(out, "%s differ from fp32 by %.2g at most in a logit, with the same most likely token at %.0f %% of the places; checked is that the file computes what they give\n", d.Name, d.MaxAbs, 100*d.Argmax)
	}
	_, err := fmt.Fprintf(out, "%s, tolerance %g: both sides compute in float32, in another order\n", r.Runtime, export.Tolerance)
	return err
}
