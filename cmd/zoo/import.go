package main

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/moezoo/moezoo/importer"
	"github.com/moezoo/moezoo/zoo"
)

func importCommand() *cobra.Command {
	var out string
	var asJSON bool
	c := &cobra.Command{
		Use: "import FOLDER --out RUN", Short: "Make a run of a model that somebody else published",
		Long: `Make a run of a folder with config.json and weights, as Hugging Face and state-spaces publish them.
Weights are model.safetensors or PyTorch's pytorch_model.bin, or the shards of either with their index, in fp32, fp16
or bf16. Every key of config.json and every tensor must have a meaning here: what has none is an error that names it.
No code of the folder is run, and nothing is fetched.

The run generates, evaluates and exports like any other. Training goes on in a new run that begins with its
weights: zoo train --init-from RUN --out OTHER.

Known model types: ` + strings.Join(importer.Types(), ", ") + ".",
		Example: `  zoo import models/mamba-130m-hf --out runs/mamba-130m
  zoo generate runs/mamba-130m --prompt "Call me"
  zoo train --init-from runs/mamba-130m --data book.txt --steps 100 --set train.lr=1e-4 --out runs/tuned
  zoo export runs/mamba-130m -o mamba-130m.onnx`,
		Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			if out == "" {
				return errors.New("import needs --out FOLDER for the run")
			}
			h, err := newHost()
			if err != nil {
				return err
			}
			defer debug.SetGCPercent(debug.SetGCPercent(smallGarbage))
			m, err := zoo.Import(c.Context(), args[0], out, h)
			if err != nil {
				return err
			}
			for _, n := range m.Notes {
				fmt.Fprintln(c.ErrOrStderr(), "note: "+n)
			}
			counts, err := m.Net.Count(1)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), map[string]any{"run": out, "model_type": m.Type, "parameters": counts.Total, "notes": m.Notes})
			}
			fmt.Fprintf(c.OutOrStdout(), "%s with %s parameters; run saved in %s\n", m.Type, human(counts.Total), out)
			return nil
		},
	}
	c.Flags().StringVar(&out, "out", "", "folder of the run")
	c.Flags().BoolVar(&asJSON, "json", false, "for scripts")
	return c
}

// smallGarbage is how much garbage, in per cent, may lie beside weights that go from file to
// file one by one.
const smallGarbage = 20
