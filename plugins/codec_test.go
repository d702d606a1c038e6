//go:build unix

package plugins

import (
	"bytes"
	"math"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/moezoo/moezoo/plugins/wire"
)

func decodeAnswer(raw []byte) (*wire.BuildResponse, error) {
	r := new(wire.BuildResponse)
	left := maxMessageElements
	if err := countElements(raw, r.ProtoReflect().Descriptor(), &left); err != nil {
		return nil, err
	}
	return r, proto.Unmarshal(raw, r)
}

func TestElementBudgetCountsNestedAndPackedFields(t *testing.T) {
	dims := &wire.BuildResponse{Params: []*wire.Param{{Tensor: &wire.TensorSpec{Dims: make([]int64, 200_000)}}}}
	packed, err := proto.Marshal(dims)
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string][]byte{
		"empty messages": bytes.Repeat([]byte("\x1a\x00"), 200_000),
		"packed numbers": packed,
		"unknown fields": bytes.Repeat([]byte("\xc0\x3e\x01"), 200_000),
	} {
		if _, err := decodeAnswer(raw); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := decodeAnswer(nil); err != nil {
		t.Error(err)
	}
}

func FuzzAnswer(f *testing.F) {
	good, _ := proto.Marshal(goodAnswer(&wire.BuildRequest{Variant: "pick", Dims: dims8}))
	f.Add(good)
	for _, spoil := range answerFaults {
		r := goodAnswer(&wire.BuildRequest{Variant: "pick", Dims: dims8})
		spoil(r)
		if raw, err := proto.Marshal(r); err == nil && len(raw) < 1<<16 {
			f.Add(raw)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := decodeAnswer(raw)
		if err != nil {
			return
		}
		wire.Digest(r)
		diagnosticsOf(r)
		for _, k := range []Kind{RouterKind, ExpertKind} {
			if checkAnswer(Variant{Kind: k, Capabilities: Capabilities{Stateful: len(r.States) > 0}}, r) != nil {
				continue
			}
			for _, p := range r.Params {
				n := int64(1)
				for _, d := range p.Tensor.Dims {
					if d < 1 || d > math.MaxInt64/n {
						t.Fatalf("dims %v were accepted", p.Tensor.Dims)
					}
					n *= d
				}
			}
		}
	})
}
