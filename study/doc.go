// Package study compares models: a file names recipes, seeds and budgets, the package makes
// the models equally large, lists the runs that this takes, and makes them.
//
//	s, err := study.Load(ctx, "examples/studies/architectures/debug.yaml", host)
//	for _, t := range s.Tasks() { … }           // the list, in an order of its own
//	err = s.RunTask(ctx, t, dir, options)       // one run, begun or continued
//
// A study's file in full:
//
//	name: paper-debug                   # required
//	doc: one line about it
//	paper: arXiv:2401.04081
//	extends: debug.yaml                 # start from another study; lists replace what was there
//	data: [moby-dick, $GOROOT/src]      # texts as zoo train takes them; paths are relative to the file
//	tokenizer: bpe/tokenizer.json       # that they are read with, instead of the recipes' vocabulary
//	seeds: [0, 1, 2]                    # required; of the weights and of the order of the data
//	budgets: [{steps: 500}, {flops: 1e14}]   # required: steps, tokens, flops or seconds
//	evaluate_every: 5%                  # steps, or a share of the run: 5% is the default
//	set: [d_model=64, train.batch=8]    # settings of all models
//	match: {to: moe-mamba, by: active, within: 5%}     # by: active | total | flops
//	models:                             # required
//	  - mamba-debug                     # a recipe as it is, or
//	  - name: moe-mamba
//	    recipe: moe-mamba-debug         # embedded, or a file beside the study
//	    set: [layers.moe.experts=8]     # settings of its own
//	    size: {repeat: 1, layers.ff.width: 8}   # what may be changed to match, the coarsest first,
//	                                    # in which steps; its depth by default, {} for nothing
//	contexts: [64, 1024, 65536]         # where decoding is measured; no measurement without
//
// Models that are compared see the same text in the same order: batch, context, vocabulary,
// holdout and document boundaries must agree. Evaluation uses the inference form of every
// model, which drops no token.
//
// Every task is an ordinary run folder under runs/, named after its model, seed and identity, the
// hash of the resolved recipe and the text: what is finished is never repeated, and what was
// interrupted is resumed. Seconds become steps by a measurement that is made once and kept.
//
// Studies share runs where they ask for the same: a run whose identity is finished in the folder
// of another study that is named (RunOptions.Reuse, zoo compare --reuse) is copied from there,
// with its weights and metrics; its record has this study's label for it, and where it is from.
// Whatever differs, be it a seed, the number of steps or how often is evaluated, is another
// identity, and trained.
//
// Decoding is measured when all runs are finished, with the weights of each model's first, in one
// process that is given every processor, behind text that it has read; how much of the machine
// other programs took meanwhile is recorded, and told on the page. It is measured once: remove
// the folder inference to have it measured again, on a machine that is silent.
//
// What does not live here: figures and pages (report), and processes (cmd/zoo).
package study
