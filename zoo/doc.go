// Package zoo is the public face of the project for Go programs and for the command
// line: recipes become models, models are trained, evaluated, run and exported.
//
//	r, err := recipe.Load("moe-mamba-tiny")
//	m, err := zoo.Build(ctx, r, host)          // a model, nothing allocated
//	run, err := m.Train(ctx, zoo.TrainOptions{Dir: "runs/a", Text: docs})
//	m, err := zoo.Open("runs/a")               // needs no plugin: the run keeps what they built
//	err = m.Generate(ctx, zoo.GenerateOptions{Prompt: "Call me", MaxTokens: 200, Emit: emit})
//
// What a recipe may say is in zoo/recipe, what a model is made of in blocks, how it trains
// in train, how it becomes an ONNX file in export.
package zoo
