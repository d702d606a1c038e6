// Package importer reads models that other projects publish, and writes them back:
// huggingface/transformers, state-spaces/mamba, and, for tests, llm-random/llm-random.
//
// Each architecture is one file: [Architecture] says its model_type, how its config.json
// becomes a recipe and back, and what its tensors are called. To add one, write the file,
// add it to the list in architecture.go, and put a config.json into testdata/import beside a
// golden of the same name.
//
// Nothing is guessed. A key of config.json is read, or harmless for a reason that stands in
// harmless.go, or an error; every tensor belongs to a parameter, and every parameter has one.
// Where configuration and tensors contradict one another, that is an error, too.
//
// Linear layers of others are stored [out, in], ours [in, out]; their experts one by one,
// ours stacked [E, in, out]; their projections sometimes fused, ours apart. A [Source] says so
// for each parameter, and serves both directions.
package importer
