package export

import (
	"fmt"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/lower"
	"github.com/moezoo/moezoo/graph/onnx"
	"github.com/moezoo/moezoo/graph/onnx/file"
)

// Source is what is exported: an inference graph with its states, the input "input_ids"
// [batch, sequence] and the output "logits".
type Source struct {
	Graph  *graph.Graph
	Layers int // residual layers; the position carrier comes behind them
	Weight func(name string) *backend.Tensor
}

// Options say how a file is written.
type Options struct {
	Names    Profile // HF when empty
	Opset    int64   // 18 when 0
	External bool    // weights beside the file even when they are small
	// Functions keeps the fused operators as model-local functions instead of inlining their
	// lowerings: pleasant to look at, but many runtimes read no functions.
	Functions bool
	// Compact loops over the experts that have tokens instead of listing all of them, for
	// graphs whose size must not grow with the number of experts.
	Compact bool
	// AttentionOperator writes attention as the one operator that the standard has for it from
	// opset 23 on, for runtimes with a kernel of it, instead of products and a softmax.
	AttentionOperator bool
	// Contrib writes Mamba-2 with an operator of ONNX Runtime's own domain, beside a function
	// of its name for runtimes without a kernel of it.
	Contrib  bool
	Metadata map[string]string
}

// Symbols of the graph's sizes, as consumers want them spelled.
const (
	batchSize = "batch_size"
	pastSize  = "past_sequence_length"
)

// newestOpset is the latest that ONNX Runtime calls supported, up to 1.30.
const newestOpset = 26

// attentionOpset is the first that has Attention as an operator.
const attentionOpset = 23

// Prepared is a source in standard operators, ready to be written.
type Prepared struct {
	Graph     *graph.Graph
	Caches    Caches
	weight    func(name string) *backend.Tensor
	opt       Options
	functions *functionSet // nil when everything is inlined
}

// Prepare names, lowers and folds. The source's graph is changed.
func Prepare(s Source, o Options) (*Prepared, error) {
	if o.Names == "" {
		o.Names = HF
	}
	if o.Names != HF && o.Names != GenAI {
		return nil, fmt.Errorf("names %q: want hf or genai", o.Names)
	}
	if o.Opset == 0 {
		o.Opset = onnx.Opset
	}
	if o.Opset < onnx.Opset || o.Opset > newestOpset {
		return nil, fmt.Errorf("opset %d: want %d to %d", o.Opset, onnx.Opset, newestOpset)
	}
	if o.AttentionOperator && o.Opset < attentionOpset {
		return nil, fmt.Errorf("opset %d has no operator Attention: want %d to %d", o.Opset, attentionOpset, newestOpset)
	}
	caches, err := number(s.Graph, s.Layers)
	if err != nil {
		return nil, err
	}
	if !caches.attention() && o.Names == HF {
		addPositionCarrier(s.Graph, len(caches.Kinds), s.Graph.Inputs[0], graph.Symbol(batchSize), graph.Symbol(pastSize))
		caches.Kinds = append(caches.Kinds, "attention")
	}
	if err := rename(s.Graph, o.Names); err != nil {
		return nil, err
	}
	lowered := s.Graph
	if o.AttentionOperator {
		if lowered, err = lower.Attention(lowered); err != nil {
			return nil, err
		}
	}
	if o.Contrib {
		if lowered, err = lower.Contrib(lowered); err != nil {
			return nil, err
		}
	}
	if o.Functions {
		lowered.Prune()
	} else {
		if lowered, err = lower.Experts(lowered, o.Compact); err != nil {
			return nil, err
		}
		if lowered, err = lower.Graph(lowered); err != nil {
			return nil, err
		}
	}
	folded, err := fold(lowered, s.Weight)
	if err != nil {
		return nil, err
	}
	p := &Prepared{Graph: folded, Caches: caches, weight: s.Weight, opt: o}
	if o.Functions || o.Contrib {
		p.functions, err = functions(folded)
	}
	return p, err
}

// Write writes the file whole or not at all, with the weights beside it above 1.5 GB.
func (p *Prepared) Write(path string, metadata map[string]string) error {
	all := map[string]string{}
	for _, m := range []map[string]string{p.opt.Metadata, metadata} {
		for k, v := range m {
			all[k] = v
		}
	}
	all["zoo.names"] = string(p.opt.Names)
	o := onnx.ModelOptions{
		Opset: p.opt.Opset, Metadata: all, Weight: p.bytes,
		DimName: func(d graph.Dim) string {
			if d.Equal(graph.Symbol(pastSize).Add(graph.Symbol("sequence_length"))) {
				return "total_sequence_length"
			}
			return d.String()
		},
	}
	if s := p.functions; s != nil {
		o.Functions = s.protos
		o.Call = func(n *graph.Node) (string, int) { name := s.byNode[n]; return name, s.counts[name] }
	}
	m, err := onnx.Model(p.Graph, o)
	if err != nil {
		return err
	}
	if err := file.Validate(m); err != nil {
		return fmt.Errorf("the exported model is not valid: %w", err)
	}
	w := file.WriteOptions{External: file.ExternalAuto}
	if p.opt.External {
		w.External = file.ExternalAlways
	}
	return file.Write(path, m, w)
}

func (p *Prepared) bytes(name string) []byte {
	if t := p.weight(name); t != nil {
		return t.Data
	}
	return nil
}
