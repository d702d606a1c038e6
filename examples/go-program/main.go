// Command go-program uses the zoo from Go: it trains a small MoE-Mamba on the embedded
// novel, lets it write, and exports it.
//
//	go run ./examples/go-program
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/data/corpus"
	"github.com/moezoo/moezoo/plugins"
	_ "github.com/moezoo/moezoo/plugins/builtin"
	"github.com/moezoo/moezoo/zoo"
	"github.com/moezoo/moezoo/zoo/recipe"
)

func main() {
	plugins.Serve() // lets this program start its built-in plugins as processes
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	r, err := recipe.Load("moe-mamba-debug", "train.steps=100", "layers.moe.router=topk", "layers.moe.top_k=2")
	if err != nil {
		return err
	}
	host, err := plugins.NewHost(plugins.Config{Checker: plugins.CheckFunctions})
	if err != nil {
		return err
	}
	defer host.Close()
	m, err := zoo.Build(ctx, r, host)
	if err != nil {
		return err
	}
	docs, err := corpus.Read(nil, corpus.DefaultName)
	if err != nil {
		return err
	}
	set, err := m.Data(ctx, docs)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "zoo-")
	if err != nil {
		return err
	}
	device := cpu.New(0)
	defer device.Close()
	training, err := m.Train(zoo.TrainOptions{Dir: dir + "/run"}, set, device)
	if err != nil {
		return err
	}
	e, err := training.Train(ctx)
	training.Close()
	if err != nil {
		return err
	}
	fmt.Printf("%.3f bits per byte on the held-out text\n", e.BitsPerByte)
	return write(ctx, dir, device)
}

func write(ctx context.Context, dir string, device *cpu.Device) error {
	trained, err := zoo.Open(dir+"/run", device)
	if err != nil {
		return err
	}
	t, err := trained.Tokenizer()
	if err != nil {
		return err
	}
	decoder, err := trained.Decoder(1)
	if err != nil {
		return err
	}
	defer decoder.Close()
	fmt.Print("Call me")
	if _, err := zoo.Generate(ctx, decoder, t, zoo.GenerateOptions{Prompt: []byte("Call me"), MaxTokens: 100, Sampling: zoo.Sampling{Temperature: 0.8}}, os.Stdout); err != nil {
		return err
	}
	fmt.Println()
	report, err := trained.Export(ctx, dir+"/model.onnx", zoo.ExportOptions{})
	if err != nil {
		return err
	}
	fmt.Printf("%s/model.onnx: largest difference in %s %.2g\n", dir, report.Runtime, report.MaxAbs())
	return nil
}
