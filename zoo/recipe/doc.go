// Package recipe reads recipes: short YAML files that describe a sequence model and its
// training. A recipe becomes a typed, resolved Recipe in which every default is filled
// in; that is what builders use, and what is saved beside a run.
//
// A recipe in full (most keys have defaults, see Recipe and its parts):
//
//	name: moe-mamba-tiny                # required; arch-size
//	doc: one line about it
//	paper: arXiv:2401.04081
//	extends: mamba-tiny                 # start from an embedded recipe, or a file beside this one
//	vocabulary: bytes                   # bytes | gpt2 | {size: N, tokenizer: SHA-256 of its tokenizer.json}
//	d_model: 128                        # required; width of the residual stream
//	positions: none                     # none | {learned: MAX}
//	repeat: 4                           # the layers below, four times
//	layers:                             # required
//	  - mamba:     {d_state: 16, d_conv: 4, expand: 2, dt_rank: auto, conv_bias: true, bias: false,
//	                inner_norm: none, norm_eps: 1e-6}
//	  - mamba2:    {d_state: 128, head_dim: 64, heads: 4, groups: 1, d_conv: 4, expand: 2, gated_norm: grouped,
//	                norm_first: false, norm_eps: 1e-5, skip: head, dt_limit: none, conv_bias: true, bias: false}
//	  - gated_deltanet: {key_heads: 16, value_heads: 32, key_dim: 128, value_dim: 128, d_conv: 4, norm_eps: 1e-6}
//	  - rglru:     {width: 1x, heads: 8, d_conv: 4}
//	  - mamba3:    {d_state: 128, head_dim: 64, heads: 4, groups: 1, expand: 2, rank: 0, rope_fraction: 0.5, out_norm: false}
//	  - s4d:       {d_state: 64, modes: lin, steps: [0.001, 0.1]}     # lin | inv | real
//	  - s5:        {d_state: 64, blocks: 1, conjugate: true, discretization: zoh, clip: true, gate: half1, steps: [0.001, 0.1]}
//	  - attention: {heads: 8, kv_heads: 8, head_dim: 16, rope: {base: 10000, fraction: 1, interleaved: false},
//	                window: none, scale: auto, qk_norm: none, gate: false, bias: false}
//	  - shared_transformer: {blocks: 1, heads: 8, head_dim: 32, rope: {…}, width: 4x, adapter_rank: 0,
//	                attention_adapters: false}
//	  - ff:        {expert: relu, width: 3x, bias: false}
//	  - moe:       {router: switch, experts: 8, top_k: 1, expert: relu, width: 3x,
//	                capacity_factor: 0, capacity_scope: batch, overflow: zero,
//	                shared: none, routed_scale: 1, allow_future: false}
//	  - parallel:  [{mamba: {}}, {moe: {router: switch, experts: 8, expert: relu, width: 3x}}]
//	blocks: {M: mamba, "*": {attention: {}}, E: [{moe: {width: 3x}}]}   # instead of layers: what the
//	pattern: MEMEM*E                    # letters of a pattern stand for, a layer or a list of them
//	norm: layernorm                     # layernorm | rmsnorm | {kind, eps, bias, zero_centred}, of every block
//	norm_placement: pre                 # pre: before the block | post: behind the sum | sandwich: before and behind the block
//	final_norm: true                    # true (as norm) | false | a norm
//	head: {tied: false, bias: false, soft_cap: none}
//	multiplier: {embedding: 1, residual: 1, logits: 1}   # embedding: sqrt_d_model for its root
//	init: mamba_ssm                     # mamba_ssm | paper
//	balance: per_layer_sum              # per_layer_sum | all_layers_mean | per_sequence
//	train: {optimizer: adamw, lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.1,
//	        decay: groups, clip: 1, schedule: cosine, warmup: 1%, cooldown: 20%, final_fraction: 0.1,
//	        steps: 1000, batch: 16, context: 256, accumulate: 1, seed: 0, precision: fp32,   # fp32 | bf16
//	        eval_every: 100, save_every: 100, keep_last: 2, keep_best: true}
//	data: {holdout: 5%, document_boundaries: carry}   # carry | reset
//
// rope is none for no positions; in it, scaling: {kind: linear, factor: 4} divides its
// frequencies, {kind: llama3, factor: 8, low: 1, high: 4, original: 8192} only the slow ones.
// window is how many tokens each sees, scale what multiplies the scores (auto: head_dim^−½),
// qk_norm a norm of each head of q and k; bias is true, false, qkv or out.
//
// mamba takes mixture: {at: [conv, gate, select, out], routing: each, router: switch,
// experts: 8, top_k: 1, expert: relu, width: 1x, allow_future: false}: experts in place of its
// projections, with a router at each or one for all (routing: shared); mamba2 has the
// projections in and out.
//
// shared is none or {experts: 1, width: 3x, expert: relu, gate: false}: an expert that every
// token passes besides; latent: WIDTH lets the routed experts work between two projections;
// allow_future: true takes routers that look at later tokens.
//
// router and expert name a plugin's variant, short ("switch") or qualified
// ("provider/switch"); {use: switch, balance: 0.02} adds options, which only the plugin's
// schema can check: use Recipe.ErrorAt to point at what it refuses. width counts
// in numbers or in multiples of d_model ("3x"); warm-up and cool-down count in steps or in
// per cent of all steps.
//
// A pattern is a word of letters, each an entry of blocks, or a list of entries' names. The
// patterns that hybrid models are published with fit in unchanged.
//
// With extends, mappings are merged key by key; lists and single values replace what was
// there. name is never inherited.
//
// keep_best keeps the checkpoint of the lowest held-out loss beside the last ones, and saves
// it also at evaluations where no save is due.
//
// The YAML is strict: no anchors, tags, merge keys, tabs, second documents, unknown or
// duplicate keys, or numbers that readers take differently (010, 1_000). Every error has
// file, line and column, shows the line with a caret, and where it can a hint.
//
// What does not live here: building graphs (zoo, blocks), plugins and their schemas
// (plugins), and where files are read from and written to, which only the command line
// says. The package imports nothing else of the project.
package recipe
