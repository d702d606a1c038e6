package plugins

import "github.com/moezoo/moezoo/graph"

// Function is a built variant at the level of graphs: what a model is made of, whoever
// built it. The functions' inputs are "x" [T, d], then the extra inputs that the
// capabilities ask for ("token_ids" [T] int64, "positions" [T] int64, "rng" [2] int64),
// then parameters, then states, each under its name.
type Function struct {
	Provider, Variant string
	Kind              Kind
	Capabilities      Capabilities

	Train *graph.Graph // used while training
	Infer *graph.Graph // used for evaluation, decoding and export; the same as Train for most

	Params []FunctionParam
	States []FunctionState

	// Routing names the router's outputs; an expert answers the output "y" [T, d_out].
	Routing      RoutingOutputs
	Losses       []FunctionLoss
	Metrics      []NamedOutput
	TokenOutputs []NamedOutput // values per token that the model reduces over layers

	Wire []byte // the provider's answer, as a checkpoint keeps it
	Hash string // SHA-256 of Wire
}

// RoutingKind tells the three forms of routing apart.
type RoutingKind uint8

// Forms of routing: Assign gives every token k experts, Claim gives every expert C
// tokens, Mix dispatches and combines by dense matrices.
const (
	Assign RoutingKind = iota + 1
	Claim
	Mix
)

// RoutingOutputs names the outputs of a router's function.
type RoutingOutputs struct {
	Kind RoutingKind
	// First is "expert" [T, k] of Assign, "token" [E, C] of Claim, "dispatch" [S, T] of Mix.
	First string
	// Second is "weight" [T, k] or [E, C], or "combine" [T, S] of Mix.
	Second string
}

// FunctionParam is a parameter that the layer makes for the function.
type FunctionParam struct {
	Name  string
	Shape []int64
	Init  graph.Init
	Decay bool
}

// FunctionState is carried along while training, without a gradient: once per optimiser
// step, state = Update(state, accumulated).
type FunctionState struct {
	Name       string
	Shape      []int64
	Fill       float32
	Accumulate string // output of Train that is summed over the global batch
	Update     *graph.Graph
}

// FunctionLoss is an auxiliary loss: a scalar output, or [T] when PerToken, whose mean
// is then taken; it is added to the loss times Weight.
type FunctionLoss struct {
	Name, Output string
	Weight       float64
	PerToken     bool
}

// NamedOutput is an output under a name of its own.
type NamedOutput struct{ Name, Output string }

// Output finds an output of a function by name; ok is false when there is none.
func (f *Function) Output(fn *graph.Graph, name string) (index int, ok bool) {
	for i, v := range fn.Outputs {
		if v.Name == name {
			return i, true
		}
	}
	return 0, false
}
