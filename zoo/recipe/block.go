package recipe

import "fmt"

// Layer is one residual step h + Σ block(norm(h)): one block, or several in parallel.
type Layer struct {
	Blocks []Block
}

// Parallel tells whether the layer was written as "parallel".
func (l Layer) Parallel() bool { return len(l.Blocks) > 1 }

// Block is one block: exactly one of the kinds is given, each in a file of its own.
type Block struct {
	Mamba     *Mamba
	Mamba2    *Mamba2
	DeltaNet  *DeltaNet
	RGLRU     *RGLRU
	S4D       *S4D
	S5        *S5
	Mamba3    *Mamba3
	Attention *Attention
	Shared    *SharedTransformer
	FF        *FF
	MoE       *MoE

	// Path is where the block was written, as Recipe.Position takes it:
	// "layers[1].moe", "layers[0].parallel[1].moe".
	Path string
}

// kind is what every kind of block can do.
type kind interface {
	yaml() string           // its keys, every one, in flow style
	over(dModel int64) bool // whether one of its weights exceeds the limit
}

// kinds are all blocks by the key they are written with, in the order of documentation.
var kinds = []struct {
	name  string
	mixer string // what it mixes sequences by, in a line; empty for blocks of single tokens
	paper string
	read  func(b *Block, s *section, dModel int64)
	of    func(b Block) kind // nil when the block is of another kind
}{
	{
		"mamba", "selective state space, constant cost per token", "arXiv:2312.00752",
		func(b *Block, s *section, d int64) { b.Mamba = readMamba(s, d) }, func(b Block) kind { return given(b.Mamba) },
	},
	{
		"mamba2", "state-space duality: heads with one decay each, as products of matrices", "arXiv:2405.21060",
		func(b *Block, s *section, d int64) { b.Mamba2 = readMamba2(s, d) }, func(b Block) kind { return given(b.Mamba2) },
	},
	{
		"gated_deltanet", "a matrix of associations for each head, corrected by the delta rule", "arXiv:2412.06464",
		func(b *Block, s *section, _ int64) { b.DeltaNet = readDeltaNet(s) }, func(b Block) kind { return given(b.DeltaNet) },
	},
	{
		"rglru", "a diagonal recurrence with gates on decay and input, of Griffin", "arXiv:2402.19427",
		func(b *Block, s *section, d int64) { b.RGLRU = readRGLRU(s, d) }, func(b Block) kind { return given(b.RGLRU) },
	},
	{
		"mamba3", "trapezoidal steps and rotated states, one or several inputs a step", "arXiv:2603.15569",
		func(b *Block, s *section, d int64) { b.Mamba3 = readMamba3(s, d) }, func(b Block) kind { return given(b.Mamba3) },
	},
	{
		"s4d", "a filter of diagonal modes for each channel", "arXiv:2206.11893",
		func(b *Block, s *section, _ int64) { b.S4D = readS4D(s) }, func(b Block) kind { return given(b.S4D) },
	},
	{
		"s5", "one diagonal system that reads and writes all channels", "arXiv:2208.04933",
		func(b *Block, s *section, _ int64) { b.S5 = readS5(s) }, func(b Block) kind { return given(b.S5) },
	},
	{
		"attention", "causal softmax attention, multi-head or grouped, with RoPE", "arXiv:1706.03762",
		func(b *Block, s *section, d int64) { b.Attention = readAttention(s, d) }, func(b Block) kind { return given(b.Attention) },
	},
	{
		"shared_transformer", "attention and a dense layer whose weights several layers share, of Zamba2", "arXiv:2411.15242",
		func(b *Block, s *section, d int64) { b.Shared = readSharedTransformer(s, d) }, func(b Block) kind { return given(b.Shared) },
	},
	{"ff", "", "", func(b *Block, s *section, d int64) { b.FF = readFF(s, d) }, func(b Block) kind { return given(b.FF) }},
	{"moe", "", "", func(b *Block, s *section, d int64) { b.MoE = readMoE(s, d) }, func(b Block) kind { return given(b.MoE) }},
}

// Mixers lists the blocks that mix the tokens of a sequence.
func Mixers() []Entry {
	var out []Entry
	for _, k := range kinds {
		if k.mixer != "" {
			out = append(out, Entry{Name: k.name, Doc: k.mixer, Paper: k.paper})
		}
	}
	return out
}

// given is k, or nil when it points nowhere.
func given[T any, P interface {
	*T
	kind
}](p P) kind {
	if p == nil {
		return nil
	}
	return p
}

// spec is the block's kind and what it says; a block that could not be read has none.
func (b Block) spec() (string, kind) {
	for _, k := range kinds {
		if x := k.of(b); x != nil {
			return k.name, x
		}
	}
	return "", nil
}

// Kind is the key the block is written with.
func (b Block) Kind() string { name, _ := b.spec(); return name }

// String is the block as a recipe writes it.
func (b Block) String() string { name, x := b.spec(); return name + ": " + x.yaml() }

// blockKinds are the keys that an item of layers may have.
func blockKinds() []string {
	var out []string
	for _, k := range kinds {
		out = append(out, k.name)
	}
	return append(out, "parallel")
}

// readLayer reads one item of layers: a single key, or parallel with several.
func readLayer(r *reader, n *node, path string, dModel int64) Layer {
	if n.kind == mapNode && len(n.entries) == 1 && n.entries[0].key == "parallel" {
		list := n.entries[0].value
		if list.kind != listNode || len(list.items) < 2 {
			r.fail(list.at, "parallel: [{mamba: {}}, {moe: {…}}]", "parallel: got %s, want a list of at least two blocks", list.what())
			return Layer{}
		}
		var l Layer
		seen := map[string]bool{}
		for i, item := range list.items {
			b := readBlock(r, item, fmt.Sprintf("%s.parallel[%d]", path, i), dModel)
			if seen[b.Kind()] {
				r.fail(item.at, "", "two %s blocks in parallel are not supported", b.Kind())
			}
			seen[b.Kind()] = true
			if b.Shared != nil {
				r.fail(item.at, "give it a layer of its own", "a shared_transformer stands beside the stream, not in parallel to other blocks")
			}
			l.Blocks = append(l.Blocks, b)
		}
		return l
	}
	b := readBlock(r, n, path, dModel)
	return Layer{Blocks: []Block{b}}
}

func readBlock(r *reader, n *node, path string, dModel int64) Block {
	name, value, at := "", (*node)(nil), n.at
	switch {
	case n.kind == scalarNode:
		name = n.text
	case n.kind == mapNode && len(n.entries) == 1:
		name, value, at = n.entries[0].key, n.entries[0].value, n.entries[0].at
	default:
		r.fail(n.at, "write one per line: - mamba: {}", "a layer: got %s, want a single block", n.what())
		return Block{Path: path}
	}
	b := Block{Path: path + "." + name}
	s := r.section(value, at, name)
	for _, k := range kinds {
		if k.name == name {
			k.read(&b, s, dModel)
			s.done()
			return b
		}
	}
	r.fail(at, didYouMean(name, blockKinds()), "there is no block %s", quoteShort(name))
	return b
}
