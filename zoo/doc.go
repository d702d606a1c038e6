// Package zoo is the public face of the project for Go programs and for the command
// line: recipes become models, models are trained, evaluated, run and exported.
//
//	r, err := recipe.Load("moe-mamba-tiny")
//	m, err := zoo.Build(ctx, r, host)          // a model, nothing allocated
//	run, err := m.Train(zoo.TrainOptions{Dir: "runs/a"}, set, device)
//	_, err = run.Train(ctx)
//	t, err := zoo.Open("runs/a", device)      // needs no plugin: the run keeps what they built
//	decoder, err := t.Decoder(1)
//	g, err := zoo.Generate(ctx, decoder, tokenizer, zoo.GenerateOptions{…}, os.Stdout)
//	report, err := t.Export(ctx, "a.onnx", zoo.ExportOptions{})
//
// examples/go-program is a whole program.
//
// What a recipe may say is in zoo/recipe, what a model is made of in blocks, how it trains
// in train, how it becomes an ONNX file in export. zoo/check tells whether a model keeps its
// promises, zoo/show draws it.
package zoo
