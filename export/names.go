package export

import (
	"fmt"
	"strings"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
)

// Profile says what a consumer calls the carried states.
type Profile string

// Profiles: HF is what transformers.js reads, GenAI what onnxruntime-genai reads.
const (
	HF    Profile = "hf"
	GenAI Profile = "genai"
)

// stateNames are the names of a state's input and output, from its name in the graph,
// KIND.LAYER with kinds conv, ssm, key and value.
func (p Profile) stateNames(name string) (in, out string, err error) {
	kind, layer, ok := strings.Cut(name, ".")
	if !ok {
		return "", "", fmt.Errorf("state %q is not called KIND.LAYER", name)
	}
	switch {
	case isCache(kind):
		return fmt.Sprintf("past_key_values.%s.%s", layer, kind), fmt.Sprintf("present.%s.%s", layer, kind), nil
	case p == HF && (kind == "conv" || kind == "ssm"):
		return fmt.Sprintf("past_%s.%s", kind, layer), fmt.Sprintf("present_%s.%s", kind, layer), nil
	case p == GenAI && kind == "conv":
		return fmt.Sprintf("past_key_values.%s.conv_state", layer), fmt.Sprintf("present.%s.conv_state", layer), nil
	case p == GenAI && kind == "ssm":
		return fmt.Sprintf("past_key_values.%s.recurrent_state", layer), fmt.Sprintf("present.%s.recurrent_state", layer), nil
	}
	return "", "", fmt.Errorf("profile %q has no name for the state %q", p, name)
}

// rename gives the states of g the profile's names. Outputs that no node makes of their
// own are copied.
func rename(g *graph.Graph, p Profile) error {
	for i := range g.States {
		s := &g.States[i]
		in, out, err := p.stateNames(s.Name)
		if err != nil {
			return err
		}
		g.Rename(s.In, in)
		if s.Out.Node() == nil {
			old := s.Out
			s.Out = op.Identity(old)
			for j, v := range g.Outputs {
				if v == old {
					g.Outputs[j] = s.Out
				}
			}
		}
		g.Rename(s.Out, out)
	}
	return g.Err()
}

// addPositionCarrier gives a model without attention the one cache entry from whose
// length transformers.js tells the position: zeros of one value per token, as layer
// number layer.
func addPositionCarrier(g *graph.Graph, layer int, ids *graph.Value, batch, past graph.Dim) {
	for _, kind := range []string{"key", "value"} {
		in := g.State(fmt.Sprintf("%s.%d", kind, layer), graph.Float32, graph.Shape{batch, graph.Const(1), past, graph.Const(1)}, 0)
		zeros := op.Scale(op.Cast(op.Unsqueeze(op.Unsqueeze(ids, 1), 3), graph.Float32), 0) // [B, 1, L, 1]
		g.SetState(in, op.Concat(2, in, zeros))
	}
}
