package ort

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Options changes how a model is loaded; the zero value suits verification.
type Options struct {
	// IntraOpThreads is the number of threads inside one operator; 0 means 1, so that runs repeat exactly.
	IntraOpThreads int
	// Prepacking lets ONNX Runtime copy weights into its own layout at load. It is off by default: with one matrix an expert it makes
	// loading many times slower and memory several times larger, at no gain in speed.
	Prepacking bool
	// GraphOptLevel is how far the graph is optimised: "" or "all", "extended", "basic", "none".
	GraphOptLevel string
	// ProfilePath, when set, makes ONNX Runtime write a trace to a file whose name starts with it.
	ProfilePath string
	// Name stands for the model in errors of OpenBytes; default "model in memory".
	Name string
	// DataDir is where OpenBytes looks for external data files; default the working directory.
	DataDir string
}

// graphOptLevels in the order in which errors list them.
var graphOptLevels = []string{"all", "extended", "basic", "none"}

func (o Options) check() error {
	if o.IntraOpThreads < 0 {
		return fmt.Errorf("IntraOpThreads is %d, expected 0 or more", o.IntraOpThreads)
	}
	if o.GraphOptLevel != "" && !slices.Contains(graphOptLevels, o.GraphOptLevel) {
		return fmt.Errorf("GraphOptLevel is %q, expected one of %s", o.GraphOptLevel, strings.Join(graphOptLevels, ", "))
	}
	return nil
}

// checkInputs reports inputs that are missing, unknown, or of the wrong type or shape.
func checkInputs(declared []IOInfo, given map[string]Tensor) error {
	for _, in := range declared {
		t, ok := given[in.Name]
		if !ok {
			return fmt.Errorf("input %q (%s %s) is missing", in.Name, in.DType, in.ShapeString())
		}
		if err := in.accepts(t); err != nil {
			return fmt.Errorf("input %q %w", in.Name, err)
		}
	}
	if len(given) == len(declared) {
		return nil
	}
	names := make([]string, len(declared))
	for i, in := range declared {
		names[i] = in.Name
	}
	unknown := ""
	for name := range given {
		if !slices.Contains(names, name) && (unknown == "" || name < unknown) {
			unknown = name
		}
	}
	return fmt.Errorf("has no input %q; its inputs are %s", unknown, strings.Join(names, ", "))
}

// checkOutputs reports an output whose values Tensor cannot hold.
func checkOutputs(declared []IOInfo) error {
	for _, o := range declared {
		switch o.DType {
		case Float32, Float64, Int64, Int32, Bool:
		case 0:
			return fmt.Errorf("output %q is not a tensor, or its type is not declared", o.Name)
		default:
			return fmt.Errorf("output %q is %s, which is not supported here (float32, float64, int64, int32, bool are)", o.Name, o.DType)
		}
	}
	return nil
}

// StatePair is one carried state of an exported model: what an output holds after a run is fed to an input of the next run.
type StatePair struct {
	Past, Present IOInfo
}

// StatePairs finds a model's states by their names: past_key_values.X goes with present.X, and any other past_X with present_X.
func StatePairs(inputs, outputs []IOInfo) ([]StatePair, error) {
	var pairs []StatePair
	for _, in := range inputs {
		rest, isPast := strings.CutPrefix(in.Name, "past_")
		if !isPast {
			continue
		}
		want := "present_" + rest
		if layer, isKV := strings.CutPrefix(in.Name, "past_key_values."); isKV {
			want = "present." + layer
		}
		i := slices.IndexFunc(outputs, func(o IOInfo) bool { return o.Name == want })
		if i < 0 {
			return nil, fmt.Errorf("state input %q has no output %q", in.Name, want)
		}
		if outputs[i].DType != in.DType {
			return nil, fmt.Errorf("state input %q is %s, but output %q is %s", in.Name, in.DType, want, outputs[i].DType)
		}
		pairs = append(pairs, StatePair{in, outputs[i]})
	}
	slices.SortFunc(pairs, func(a, b StatePair) int { return cmp.Compare(a.Past.Name, b.Past.Name) })
	return pairs, nil
}
