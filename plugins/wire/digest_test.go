package wire

import (
	"math"
	"testing"

	"google.golang.org/protobuf/proto"
)

func answer() *BuildResponse {
	return &BuildResponse{
		Train:   []byte("train"),
		Params:  []*Param{{Tensor: &TensorSpec{Name: "w", Dtype: 1, Dims: []int64{2, 3}}, Init: &Init{Scheme: "normal", Args: []*Arg{{Name: "std", Value: 0.02}}}, Decay: true}},
		States:  []*State{{Tensor: &TensorSpec{Name: "b", Dtype: 1, Dims: []int64{2}}, AccumulateOutput: "n", Accumulate: 1, Update: []byte("u")}},
		Routing: &BuildResponse_Assign{Assign: &Assign{Expert: "e", Weight: "g"}},
		Losses:  []*AuxLoss{{Name: "balance", Output: "l", Weight: 0.01}},
	}
}

func TestDigestSeesEveryChange(t *testing.T) {
	seen := map[string]string{Digest(answer()): "unchanged"}
	for name, change := range map[string]func(*BuildResponse){
		"train":        func(r *BuildResponse) { r.Train = []byte("trainx") },
		"infer":        func(r *BuildResponse) { r.Infer = []byte("train") },
		"dims":         func(r *BuildResponse) { r.Params[0].Tensor.Dims = []int64{3, 2} },
		"dims split":   func(r *BuildResponse) { r.Params[0].Tensor.Dims = []int64{23} },
		"decay":        func(r *BuildResponse) { r.Params[0].Decay = false },
		"negative 0":   func(r *BuildResponse) { r.Losses[0].Weight = math.Copysign(0, -1) },
		"weight":       func(r *BuildResponse) { r.Losses[0].Weight = 0.02 },
		"routing kind": func(r *BuildResponse) { r.Routing = &BuildResponse_Claim{Claim: &Claim{Token: "e", Weight: "g"}} },
		"update":       func(r *BuildResponse) { r.States[0].Update = []byte("v") },
		"one more":     func(r *BuildResponse) { r.Metrics = []*Metric{{Name: "m", Output: "o"}} },
	} {
		r := answer()
		change(r)
		d := Digest(r)
		if other, dup := seen[d]; dup {
			t.Errorf("%s has the digest of %s", name, other)
		}
		seen[d] = name
	}
}

// The digest stands in lock files, so it must never change for an old answer.
func TestDigestIsStable(t *testing.T) {
	const want = "68d75f719be97d6dfe5ff0a93649e4fdc726c9a7ba6bf2f3e9a75cf8e5fa3680"
	r := answer()
	r.Diagnostics = []*Diagnostic{{Summary: "says nothing of the model"}}
	r.ProtoReflect().SetUnknown([]byte("\xc0\x3e\x01"))
	raw, err := proto.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	back := new(BuildResponse)
	if err := proto.Unmarshal(raw, back); err != nil {
		t.Fatal(err)
	}
	if got := Digest(back); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
