package recipe

// Recipe is a model and its training, every default filled in.
type Recipe struct {
	Name  string
	Doc   string
	Paper string

	Vocabulary Vocabulary
	DModel     int64
	Positions  int64   // learned absolute positions up to this length; 0 for none
	Repeat     int64   // how often Layers is stacked
	Layers     []Layer // the written list, or what the pattern stands for
	Blocks     []Named // what the names of the pattern stand for; nil for written layers
	Pattern    []string
	Norm       Norm // of every block
	Placement  Placement
	FinalNorm  *Norm // before the head; nil for none
	Head       Head
	Multiplier Multiplier
	Init       Init
	Balance    Balance
	Train      Train
	Data       Data

	tree *node // what was written, extended and set: positions of every value
}

// Vocabulary says what the token ids are.
type Vocabulary struct {
	Kind VocabularyKind
	Size int64 // number of ids
	// Tokenizer is the SHA-256 of the tokenizer.json that a Sized vocabulary is of, as a run keeps
	// it; empty when the recipe does not say.
	Tokenizer string
}

// VocabularyKind names a vocabulary.
type VocabularyKind string

// Vocabularies: Bytes is the 256 byte values and an end-of-text token; GPT2 is the 50257
// tokens of GPT-2; Sized is ids of unsaid meaning.
const (
	Bytes VocabularyKind = "bytes"
	GPT2  VocabularyKind = "gpt2"
	Sized VocabularyKind = "size"
)

// Sizes of the named vocabularies.
const (
	BytesSize = 257
	GPT2Size  = 50257
)

// Norm is a normalisation.
type Norm struct {
	Kind NormKind
	Eps  float64 // 1e-5
	Bias bool    // true for layernorm, false for rmsnorm
	// ZeroCentred multiplies by 1 + weight, whose weights start at 0; false.
	ZeroCentred bool
}

// NormKind names a normalisation.
type NormKind string

// Norms of arXiv 1607.06450 and 1910.07467.
const (
	LayerNorm NormKind = "layernorm"
	RMSNorm   NormKind = "rmsnorm"
)

// Placement says where the norm of a block stands.
type Placement string

// Placements: before the block, on the stream behind it, or before the block and, a
// further one, behind it.
const (
	PreNorm      Placement = "pre"
	PostNorm     Placement = "post"
	SandwichNorm Placement = "sandwich"
)

// Multiplier are constant factors, 1 where a recipe says nothing.
type Multiplier struct {
	Embedding float64 // of the embedding; sqrt_d_model is a word for √DModel
	Residual  float64 // of what a block adds to the stream
	Logits    float64
}

// Head is the projection to the vocabulary.
type Head struct {
	Tied bool // it is the embedding's transpose
	Bias bool
	// SoftCap c bounds the logits as c·tanh(x/c); 0, written none, for no bound.
	SoftCap float64
}

// Init names the family of initial distributions.
type Init string

// Initialisers: of state-spaces/mamba, and of the authors of MoE-Mamba (truncated normals
// outside the mixers).
const (
	InitMambaSSM Init = "mamba_ssm"
	InitPaper    Init = "paper"
)

// Balance says how the auxiliary losses of several layers become one.
type Balance string

// Balances: the sum of each layer's loss, one loss over all layers' tokens together, or the
// sum of each layer's mean over sequences, each balanced by itself. Only the last does not
// depend on how a step is split into micro-batches (accumulate): the others balance each by
// itself.
const (
	PerLayerSum   Balance = "per_layer_sum"
	AllLayersMean Balance = "all_layers_mean"
	PerSequence   Balance = "per_sequence"
)

// Train is the optimiser, its schedule, and how often to look and save.
type Train struct {
	Optimizer     string     // "adamw"
	LR            float64    // peak learning rate, 1e-3
	Betas         [2]float64 // 0.9, 0.999
	Eps           float64    // 1e-8
	WeightDecay   float64    // 0.1
	Decay         Decay      // groups
	Clip          float64    // largest global gradient norm, 1; 0 for none
	Schedule      Schedule   // cosine
	Warmup        int64      // steps; default 1 % of Steps
	Cooldown      int64      // steps at the end of wsd, default 20 %; 0 for other schedules
	FinalFraction float64    // of LR at the last step, 0.1; 1 for constant

	Steps      int64 // optimiser steps, 1000
	Batch      int64 // sequences a micro-batch, 16
	Context    int64 // tokens a sequence, 256
	Accumulate int64 // micro-batches a step, 1
	Seed       uint64
	Precision  Precision // fp32

	EvalEvery int64 // steps, default a tenth of Steps, at most 1000; 0 for only at the end
	SaveEvery int64 // steps, likewise
	KeepLast  int64 // newest checkpoints kept, 2
	KeepBest  bool  // also keep the one of lowest held-out loss
}

// Decay says which parameters AdamW's weight decay pulls.
type Decay string

// Decays: DecayGroups leaves out what its block or plugin marks (biases, gains, A, D);
// DecayAll leaves out nothing.
const (
	DecayGroups Decay = "groups"
	DecayAll    Decay = "all"
)

// Precision is what matrix products with weights multiply.
type Precision string

// Precisions: with BFloat16 weights and activations are rounded for products, whose sums,
// like everything else, are float32.
const (
	Float32  Precision = "fp32"
	BFloat16 Precision = "bf16"
)

// Schedule is the learning rate's course after the warm-up.
type Schedule string

// Schedules: WSD is constant, then a linear cool-down (arXiv 2405.18392).
const (
	Cosine   Schedule = "cosine"
	WSD      Schedule = "wsd"
	Linear   Schedule = "linear"
	Constant Schedule = "constant"
)

// Data says how a corpus becomes sequences.
type Data struct {
	Holdout    float64    // fraction kept for evaluation, 0.05
	Boundaries Boundaries // carry
}

// Boundaries says what happens at the start of a document inside a packed sequence.
type Boundaries string

// Boundaries: Carry lets states, convolutions and attention cross from one document of a
// training sequence into the next, Reset starts each document anew. Generation and
// exported files take their whole input as one document either way.
const (
	Carry Boundaries = "carry"
	Reset Boundaries = "reset"
)
