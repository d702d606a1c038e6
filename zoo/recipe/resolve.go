package recipe

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// recipeName is what a recipe may be called: files and folders are named after it.
var recipeName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// recipeKeys are the keys of a recipe; extends is merged before.
var recipeKeys = []string{
	"name", "doc", "paper", "extends", "vocabulary", "d_model", "positions", "repeat", "layers", "blocks", "pattern",
	"norm", "norm_placement", "final_norm", "head", "multiplier", "init", "balance", "train", "data",
}

// resolve fills a recipe from a tree in which extensions are merged already.
func resolve(tree *node) (*Recipe, error) {
	r := &reader{}
	s := r.section(tree, tree.at, "a recipe")
	s.known = append(s.known, recipeKeys...)
	s.refuseUnknown() // a misspelt key explains why one is missing
	out := &Recipe{tree: tree}
	out.Name = s.text("name", "")
	out.Doc, out.Paper = s.text("doc", ""), s.text("paper", "")
	if out.Name == "" {
		r.fail(tree.at, "give it one: name: my-model-tiny", "the recipe has no name")
	}
	if out.Name != "" && !recipeName.MatchString(out.Name) {
		r.fail(s.n.get("name").at, "letters, digits, - _ and ., at most 100", "name: got %s, want a word", quoteShort(out.Name))
	}
	out.Vocabulary = readVocabulary(r, s.get("vocabulary"))
	if n := s.get("d_model"); n == nil {
		r.fail(tree.at, "", "the recipe has no d_model, the width of the model")
	} else {
		out.DModel = r.integer(n, "d_model", 1)
	}
	out.Positions = readPositions(r, s.get("positions"))
	out.Repeat = s.int("repeat", 1, 1)
	out.Norm = readNorm(r, s.get("norm"), Norm{Kind: LayerNorm, Eps: 1e-5, Bias: true})
	out.FinalNorm = readFinalNorm(r, s.get("final_norm"), out.Norm)
	out.Placement = choice(s, "norm_placement", PreNorm, PreNorm, PostNorm, SandwichNorm)
	out.Head = readHead(r, s.get("head"), tree.at)
	out.Multiplier = readMultiplier(r, s.get("multiplier"), tree.at, out.DModel)
	out.Init = choice(s, "init", InitMambaSSM, InitMambaSSM, InitPaper)
	out.Balance = choice(s, "balance", PerLayerSum, PerLayerSum, AllLayersMean, PerSequence)
	readStack(r, s, out)
	for _, l := range out.Layers {
		if r.err == nil && out.Placement == PostNorm && l.Parallel() {
			r.fail(s.at, "", "blocks in parallel need their norms before them: norm_placement post has one behind the sum")
		}
	}
	out.Train = readTrain(r, s.get("train"), tree.at)
	out.Data = readData(r, s.get("data"), tree.at)
	if r.err != nil {
		return nil, r.err
	}
	return out, checkSizes(out)
}

// Products of sizes stay below these, so that nothing counted in bytes, parameters or
// tokens overflows 63 bits.
const (
	maxLayers = 10_000
	maxWeight = 1 << 44 // elements of one weight, all experts together
	maxTotal  = 1 << 60 // elements of a batch, tokens of a run
)

// checkSizes refuses recipes whose sizes overflow when multiplied.
func checkSizes(r *Recipe) error {
	if n := r.Repeat * int64(len(r.Layers)); r.Repeat > maxLayers || n > maxLayers {
		return r.ErrorAt("repeat", fmt.Sprintf("%d × %d layers are more than the %d supported", r.Repeat, len(r.Layers), maxLayers), "")
	}
	t := r.Train
	if over(maxTotal, t.Batch, t.Accumulate, t.Context, max(r.DModel, r.Vocabulary.Size)) {
		return r.ErrorAt("train.batch", "batch × accumulate × context × the model's width is too large", "")
	}
	if over(maxTotal, t.Steps, t.Batch, t.Accumulate, t.Context) {
		return r.ErrorAt("train.steps", "steps × batch × accumulate × context is too large", "")
	}
	if r.Positions > 0 && t.Context > r.Positions {
		return r.ErrorAt("train.context", fmt.Sprintf("sequences of %d tokens are longer than the %d learned positions", t.Context, r.Positions), "")
	}
	if over(maxWeight, r.DModel, max(r.Vocabulary.Size, r.Positions)) {
		return r.ErrorAt("d_model", "d_model × the vocabulary is too large", "")
	}
	for _, l := range r.Layers {
		for _, b := range l.Blocks {
			if _, x := b.spec(); x.over(r.DModel) {
				return r.ErrorAt(b.Path, fmt.Sprintf("the weights of %s are too large: one has more than 2^44 elements", b.Kind()), "")
			}
		}
	}
	return nil
}

// over tells whether the product of positive numbers is above a limit.
func over(limit int64, factors ...int64) bool {
	product := int64(1)
	for _, f := range factors {
		if f > limit/product {
			return true
		}
		product *= f
	}
	return false
}

func readVocabulary(r *reader, n *node) Vocabulary {
	switch {
	case n == nil || n.kind == nullNode:
		return Vocabulary{Kind: Bytes, Size: BytesSize}
	case n.kind == mapNode:
		s := r.section(n, n.at, "vocabulary")
		v := Vocabulary{Sized, s.int("size", 0, 1), s.text("tokenizer", "")}
		s.done()
		if v.Size == 0 {
			r.fail(n.at, "", "vocabulary needs a size")
		}
		if sum, err := hex.DecodeString(v.Tokenizer); v.Tokenizer != "" && (err != nil || len(sum) != sha256.Size) {
			r.fail(s.n.get("tokenizer").at, "", "tokenizer: got %s, want the SHA-256 of a tokenizer.json", quoteShort(v.Tokenizer))
		}
		return v
	case n.text == string(Bytes):
		return Vocabulary{Kind: Bytes, Size: BytesSize}
	case n.text == string(GPT2):
		return Vocabulary{Kind: GPT2, Size: GPT2Size}
	}
	r.fail(n.at, didYouMean(n.text, []string{"bytes", "gpt2"}), "vocabulary: got %s, want bytes, gpt2 or {size: N}", n.what())
	return Vocabulary{}
}

func readPositions(r *reader, n *node) int64 {
	switch {
	case n == nil || n.kind == nullNode || n.text == "none":
		return 0
	case n.kind == mapNode:
		s := r.section(n, n.at, "positions")
		most := s.int("learned", 0, 1)
		s.done()
		return most
	}
	r.fail(n.at, "", "positions: got %s, want none or {learned: MAX}", n.what())
	return 0
}

func readNorm(r *reader, n *node, def Norm) Norm {
	if n == nil || n.kind == nullNode {
		return def
	}
	kind := n
	s := r.section(nil, n.at, "norm")
	if n.kind == mapNode {
		s = r.section(n, n.at, "norm")
		if kind = s.get("kind"); kind == nil {
			kind = &node{text: string(def.Kind), at: n.at}
		}
	}
	out := Norm{Kind: NormKind(kind.text), Eps: 1e-5}
	switch out.Kind {
	case LayerNorm:
		out.Bias = true
	case RMSNorm:
	default:
		r.fail(kind.at, didYouMean(kind.text, []string{"layernorm", "rmsnorm"}), "norm: got %s, want layernorm or rmsnorm", kind.what())
	}
	out.Eps = s.float("eps", out.Eps, 1e-30, 1)
	out.Bias = s.bool("bias", out.Bias)
	out.ZeroCentred = s.bool("zero_centred", false)
	s.done()
	if out.ZeroCentred && out.Kind != RMSNorm {
		r.fail(n.at, "", "norm: zero_centred belongs to rmsnorm, not to %s", out.Kind)
	}
	return out
}

func readFinalNorm(r *reader, n *node, norm Norm) *Norm {
	switch {
	case n == nil || n.kind == nullNode || n.kind == scalarNode && n.text == "true":
		return &norm
	case n.kind == scalarNode && n.text == "false":
		return nil
	}
	out := readNorm(r, n, norm)
	return &out
}

func readHead(r *reader, n *node, at place) Head {
	s := r.section(n, at, "head")
	h := Head{Tied: s.bool("tied", false), Bias: s.bool("bias", false)}
	if n := s.get("soft_cap"); n != nil && n.text != "none" {
		h.SoftCap = r.number(n, "soft_cap", 1e-6, 1e9)
	}
	s.done()
	return h
}

func readMultiplier(r *reader, n *node, at place, dModel int64) Multiplier {
	s := r.section(n, at, "multiplier")
	m := Multiplier{Embedding: 1}
	if e := s.get("embedding"); e != nil && e.text == "sqrt_d_model" {
		m.Embedding = math.Sqrt(float64(dModel))
	} else if e != nil {
		m.Embedding = r.number(e, "embedding", 1e-9, 1e9)
	}
	m.Residual, m.Logits = s.float("residual", 1, 1e-9, 1e9), s.float("logits", 1, 1e-9, 1e9)
	s.done()
	return m
}

func readTrain(r *reader, n *node, at place) Train {
	s := r.section(n, at, "train")
	t := Train{Optimizer: choice(s, "optimizer", "adamw", "adamw")}
	t.LR = s.float("lr", 1e-3, 0, 1e3)
	if t.LR == 0 && r.err == nil {
		r.fail(s.n.get("lr").at, "", "lr: got 0, want more")
	}
	t.Betas = [2]float64{0.9, 0.999}
	if b := s.get("betas"); b != nil {
		if b.kind != listNode || len(b.items) != 2 {
			r.fail(b.at, "betas: [0.9, 0.999]", "betas: got %s, want two numbers", b.what())
		} else {
			for i := range t.Betas {
				t.Betas[i] = r.number(b.items[i], "betas", 0, 0.9999999)
			}
		}
	}
	t.Eps, t.WeightDecay = s.float("eps", 1e-8, 0, 1), s.float("weight_decay", 0.1, 0, 1e3)
	t.Decay = choice(s, "decay", DecayGroups, DecayGroups, DecayAll)
	t.Clip = s.float("clip", 1, 0, 1e6)
	t.Schedule = choice(s, "schedule", Cosine, Cosine, WSD, Linear, Constant)
	t.Steps = s.int("steps", 1000, 1)
	t.Warmup = s.share("warmup", t.Steps, max(1, t.Steps/100))
	cooldown := int64(0)
	if t.Schedule == WSD {
		cooldown = t.Steps / 5
	}
	t.Cooldown = s.share("cooldown", t.Steps, cooldown)
	final := 0.1
	if t.Schedule == Constant {
		final = 1
	}
	if t.Cooldown > 0 && t.Schedule != WSD {
		s.fail(s.n.get("cooldown").at, "leave it out, or write schedule: wsd", "cooldown belongs to the schedule wsd, not to %s", t.Schedule)
	}
	t.FinalFraction = s.float("final_fraction", final, 0, 1)
	t.Batch, t.Context, t.Accumulate = s.int("batch", 16, 1), s.int("context", 256, 1), s.int("accumulate", 1, 1)
	t.Seed = uint64(s.int("seed", 0, 0))
	t.Precision = choice(s, "precision", Float32, Float32, BFloat16)
	tenth := min(max(t.Steps/10, 1), 1000)
	t.EvalEvery, t.SaveEvery = s.int("eval_every", tenth, 0), s.int("save_every", tenth, 0)
	t.KeepLast, t.KeepBest = s.int("keep_last", 2, 1), s.bool("keep_best", true)
	s.done()
	if r.err == nil && t.Warmup+t.Cooldown > t.Steps {
		r.fail(s.at, "", "warmup %d and cooldown %d are more than %d steps", t.Warmup, t.Cooldown, t.Steps)
	}
	return t
}

func readData(r *reader, n *node, at place) Data {
	s := r.section(n, at, "data")
	d := Data{Holdout: 0.05}
	if h := s.get("holdout"); h != nil {
		part := *h
		if p, ok := strings.CutSuffix(h.text, "%"); ok {
			part.text = p
			r.number(&part, "holdout", 0, 99)
			d.Holdout, _ = strconv.ParseFloat(p+"e-2", 64) // exact, where a division rounds twice
		} else {
			d.Holdout = r.number(h, "holdout", 0, 0.99)
		}
	}
	d.Boundaries = choice(s, "document_boundaries", Carry, Carry, Reset)
	s.done()
	return d
}

// YAML writes the resolved recipe in full; parsing it gives the same recipe.
func (r *Recipe) YAML() []byte {
	var b bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("name: %s", strconv.Quote(r.Name))
	for _, t := range [][2]string{{"doc", r.Doc}, {"paper", r.Paper}} {
		if t[1] != "" {
			line("%s: %s", t[0], strconv.Quote(t[1]))
		}
	}
	switch v := r.Vocabulary; {
	case v.Tokenizer != "":
		line("vocabulary: {size: %d, tokenizer: %q}", v.Size, v.Tokenizer)
	case v.Kind == Sized:
		line("vocabulary: {size: %d}", v.Size)
	default:
		line("vocabulary: %s", v.Kind)
	}
	line("d_model: %d", r.DModel)
	if r.Positions > 0 {
		line("positions: {learned: %d}", r.Positions)
	}
	line("norm: %s", r.Norm.yaml())
	if r.FinalNorm == nil {
		line("final_norm: false")
	} else {
		line("final_norm: %s", r.FinalNorm.yaml())
	}
	line("norm_placement: %s", r.Placement)
	line("head: {tied: %v, bias: %v, soft_cap: %s}", r.Head.Tied, r.Head.Bias, orNone(r.Head.SoftCap))
	line("multiplier: {embedding: %s, residual: %s, logits: %s}", format(r.Multiplier.Embedding), format(r.Multiplier.Residual), format(r.Multiplier.Logits))
	line("init: %s", r.Init)
	line("balance: %s", r.Balance)
	line("repeat: %d", r.Repeat)
	r.writeStack(&b)
	t := r.Train
	line("train:")
	line("  {optimizer: %s, lr: %s, betas: [%s, %s], eps: %s, weight_decay: %s, decay: %s, clip: %s,", t.Optimizer, format(t.LR), format(t.Betas[0]), format(t.Betas[1]), format(t.Eps), format(t.WeightDecay), t.Decay, format(t.Clip))
	line("   schedule: %s, steps: %d, warmup: %d, cooldown: %d, final_fraction: %s, batch: %d, context: %d, accumulate: %d, seed: %d, precision: %s,", t.Schedule, t.Steps, t.Warmup, t.Cooldown, format(t.FinalFraction), t.Batch, t.Context, t.Accumulate, t.Seed, t.Precision)
	line("   eval_every: %d, save_every: %d, keep_last: %d, keep_best: %v}", t.EvalEvery, t.SaveEvery, t.KeepLast, t.KeepBest)
	line("data: {holdout: %s, document_boundaries: %s}", format(r.Data.Holdout), r.Data.Boundaries)
	return b.Bytes()
}

// String is the norm as a recipe writes it.
func (n Norm) String() string { return n.yaml() }

func (n Norm) yaml() string {
	return fmt.Sprintf("{kind: %s, eps: %s, bias: %v, zero_centred: %v}", n.Kind, format(n.Eps), n.Bias, n.ZeroCentred)
}

// orNone is a number, or the word for 0 where that means that there is none.
func orNone(x float64) string {
	if x == 0 {
		return "none"
	}
	return format(x)
}
