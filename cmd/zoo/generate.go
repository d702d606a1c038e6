package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/spf13/cobra"

	"github.com/moezoo/moezoo/data/tokenizer"
	"github.com/moezoo/moezoo/graph/narrow"
	"github.com/moezoo/moezoo/zoo"
)

func generateCommand() *cobra.Command {
	var o zoo.GenerateOptions
	var prompts, stop []string
	var engine, weights string
	var asJSON, lines bool
	c := &cobra.Command{
		Use: "generate RUN|FILE.onnx", Short: "Continue a text",
		Long: `Continue a text, from a run or, with --engine ort, from an exported file in ONNX Runtime.
Without --prompt the prompt is standard input, or, with --lines, each of its lines is one: results come as
the lines do, with --json an object a line. Weights of bf16 take half the memory
of fp32, int8 a quarter, and decoding is as much faster as it waits for memory; zoo eval
--weights tells what that costs.`,
		Example: `  zoo generate runs/a --prompt "Call me" --max-tokens 200 --temperature 0.8 --seed 1
  zoo generate runs/a --weights int8 --prompt "Call me"
  zoo generate a.onnx --engine ort --prompt "Call me" --temperature 0
  echo -n "Call me" | zoo generate runs/a --json
  zoo generate runs/a --lines --json <prompts.txt >continued.jsonl`,
		Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.Check(); err != nil {
				return err
			}
			if o.MaxTokens < 1 {
				return fmt.Errorf("--max-tokens %d: want at least 1", o.MaxTokens)
			}
			kind, err := narrow.Parse(weights, narrow.Float32, narrow.BFloat16, narrow.Int8)
			if err != nil {
				return fmt.Errorf("--%w", err)
			}
			if engine != "zoo" && kind.Narrow() {
				return fmt.Errorf("--weights %s is for runs: an exported file has its weights as zoo export --weights wrote them", kind)
			}
			for _, s := range stop {
				o.Stop = append(o.Stop, []byte(s))
			}
			texts, err := promptsOf(c, prompts, lines) // read before anything else is started
			if err != nil {
				return err
			}
			begin, tk, err := engineOf(c, args[0], engine, kind)
			if err != nil {
				return err
			}
			g := generation{c, begin, tk, texts, o}
			switch {
			case asJSON && lines:
				return g.jsonLines()
			case asJSON:
				return g.json()
			}
			return g.text()
		},
	}
	f := c.Flags()
	f.StringArrayVar(&prompts, "prompt", nil, "the text to continue; several give several continuations")
	f.IntVar(&o.MaxTokens, "max-tokens", 200, "tokens to write at most")
	f.Float64Var(&o.Temperature, "temperature", 0.8, "0 takes the most likely token")
	f.IntVar(&o.TopK, "top-k", 0, "only the k most likely tokens, 0 for all")
	f.Float64Var(&o.TopP, "top-p", 0, "only the most likely tokens that make up this probability, 0 for all")
	f.Uint64Var(&o.Seed, "seed", 0, "another seed, another text")
	f.StringArrayVar(&stop, "stop", nil, "end before this text")
	f.StringVar(&engine, "engine", "zoo", "zoo, or ort for an exported file")
	f.StringVar(&weights, "weights", "fp32", "what the weights are stored in: fp32, bf16 or int8")
	f.BoolVar(&lines, "lines", false, "each line of standard input is a prompt")
	f.BoolVar(&asJSON, "json", false, "tokens, log-probabilities and text, for scripts")
	completeFlag(c, "engine", "zoo", "ort")
	return c
}

// engineOf opens what generates, with its tokenizer, and a way to begin a new text.
func engineOf(c *cobra.Command, what, engine string, kind narrow.Kind) (func() (zoo.Stepper, error), tokenizer.Tokenizer, error) {
	info, statErr := os.Stat(what)
	switch engine {
	case "zoo":
		if statErr == nil && info.Mode().IsRegular() {
			return nil, nil, fmt.Errorf("%s: is a file, not the folder of a run; an exported file needs --engine ort", what)
		}
		t, err := openRun(c, what, kind)
		if err != nil {
			return nil, nil, err
		}
		tk, err := t.Tokenizer()
		if err != nil {
			return nil, nil, err
		}
		d, err := t.Decoder(1)
		return func() (zoo.Stepper, error) { return d, d.Reset() }, tk, err
	case "ort":
		if statErr == nil && info.IsDir() {
			return nil, nil, fmt.Errorf("%s: is a folder; --engine ort takes an exported FILE.onnx, a run goes without", what)
		}
		s, err := zoo.OpenORT(what)
		if err != nil {
			return nil, nil, err
		}
		tk, err := s.Tokenizer()
		return func() (zoo.Stepper, error) { s.Reset(); return s, nil }, tk, err
	}
	return nil, nil, errors.New("--engine " + engine + ": want zoo or ort")
}

// generation continues texts, one after the other.
type generation struct {
	c       *cobra.Command
	begin   func() (zoo.Stepper, error)
	tk      tokenizer.Tokenizer
	texts   iter.Seq2[string, error]
	options zoo.GenerateOptions
}

// each writes every text's continuation, as it comes, to what start answers, and hands the
// result to done.
func (g generation) each(start func(prompt string) io.Writer, done func(*zoo.Generated) error) error {
	for text, err := range g.texts {
		if err != nil {
			return err
		}
		s, err := g.begin()
		if err != nil {
			return err
		}
		g.options.Prompt = []byte(text)
		result, err := zoo.Generate(g.c.Context(), s, g.tk, g.options, start(text))
		if err == nil {
			err = done(result)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// text writes each prompt and what follows.
func (g generation) text() error {
	out := g.c.OutOrStdout()
	start := func(prompt string) io.Writer { fmt.Fprint(out, prompt); return out }
	return g.each(start, func(*zoo.Generated) error {
		_, err := fmt.Fprintln(out)
		return err
	})
}

func silent(string) io.Writer { return io.Discard }

// json writes a list of all results.
func (g generation) json() error {
	var all []*zoo.Generated
	if err := g.each(silent, func(r *zoo.Generated) error { all = append(all, r); return nil }); err != nil {
		return err
	}
	return printJSON(g.c.OutOrStdout(), all)
}

// jsonLines writes each result as an object on a line of its own.
func (g generation) jsonLines() error {
	e := json.NewEncoder(g.c.OutOrStdout())
	return g.each(silent, func(r *zoo.Generated) error { return e.Encode(r) })
}
