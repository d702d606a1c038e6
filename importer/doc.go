// Package importer knows how other projects call and lay out the weights of the models
// that this one has: state-spaces/mamba, llm-random/llm-random and huggingface/transformers.
//
// Their linear layers are stored [out, in], ours [in, out]; their experts one by one, ours
// stacked [E, in, out]. Reading their checkpoint folders is not here yet.
package importer
