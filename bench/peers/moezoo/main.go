// Command moezoo is the zoo's side of the comparison with other programs: it computes one
// block, forward and backward, with weights that the driver wrote, trains a recipe, feeds
// tokens to a run, or multiplies matrices, and does so again for every line on standard
// input, answering the milliseconds.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	kind := flag.String("kind", "moe-mamba", "moe-mamba or transformer")
	d := flag.Int64("d", 256, "width")
	experts := flag.Int64("experts", 8, "experts of the Mixture-of-Experts layer")
	batch := flag.Int("batch", 8, "rows")
	length := flag.Int("length", 256, "tokens of a row")
	threads := flag.Int("threads", 2, "threads")
	file := flag.String("weights", "", "safetensors file with x and every parameter; y and dx are written beside it")
	trained := flag.String("run", "", "a run to generate with, instead of a block")
	tokens := flag.Int("tokens", 512, "tokens fed at once with -run: 1 measures decoding")
	kept := flag.String("kept", "fp32", "what -run keeps its weights in: fp32, bf16, int8")
	precision := flag.String("precision", "fp32", "of a block's products: fp32 or bf16")
	recipe := flag.String("step", "", "a recipe to train, with settings KEY=VALUE behind all flags, instead of a block")
	products := flag.Bool("products", false, "products of matrices, instead of a block")
	flag.Parse()
	var err error
	switch {
	case *products:
		err = multiply(*threads)
	case *recipe != "":
		err = computeSteps(*recipe, flag.Args(), *threads, *file)
	case *trained != "":
		err = generate(*trained, *kept, *tokens, *threads, *file)
	default:
		err = computeBlock(*kind, *d, *experts, *batch, *length, *threads, *precision == "bf16", *file)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
