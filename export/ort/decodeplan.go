package ort

import (
	"errors"
	"fmt"
	"slices"
)

// plan tells which of a model's inputs and outputs play which part in decoding; -1 marks an input that the model does not have.
type plan struct {
	ids, mask, positions, keep int
	logits                     int
	vocab                      int64 // 0 when the file does not tell
	states                     []stateAt
}

// stateAt is a state pair with its places, and which of its axes change.
type stateAt struct {
	StatePair
	in, out int
	batched bool // axis 0 is the batch
	grows   int  // the axis that counts tokens, -1 for none
}

// planDecoding reads the parts off the names and shapes.
func planDecoding(inputs, outputs []IOInfo) (plan, error) {
	at := func(infos []IOInfo, name string) int {
		return slices.IndexFunc(infos, func(i IOInfo) bool { return i.Name == name })
	}
	p := plan{
		ids: at(inputs, "input_ids"), mask: at(inputs, "attention_mask"), positions: at(inputs, "position_ids"),
		keep: at(inputs, "num_logits_to_keep"), logits: at(outputs, "logits"),
	}
	if p.ids < 0 || p.logits < 0 {
		return p, errors.New("is not a language model that can be decoded: it needs the input input_ids and the output logits")
	}
	if o := outputs[p.logits]; o.DType != Float32 || o.HasShape && len(o.Dims) != 3 {
		return p, fmt.Errorf("output logits is %s %s, expected float32 [batch_size, sequence_length, vocabulary]", o.DType, o.ShapeString())
	} else if o.HasShape {
		p.vocab = max(o.Dims[2], 0)
	}
	for _, i := range []int{p.ids, p.mask, p.positions, p.keep} {
		if i >= 0 && inputs[i].DType != Int64 {
			return p, fmt.Errorf("input %s is %s, expected int64", inputs[i].Name, inputs[i].DType)
		}
	}
	if p.keep >= 0 && (!inputs[p.keep].HasShape || len(inputs[p.keep].Dims) > 0 && !slices.Equal(inputs[p.keep].Dims, []int64{1})) {
		return p, fmt.Errorf("input num_logits_to_keep is %s, expected a scalar or [1]", inputs[p.keep].ShapeString())
	}
	if err := checkOutputs(outputs); err != nil {
		return p, err
	}
	pairs, err := StatePairs(inputs, outputs)
	if err != nil {
		return p, err
	}
	used := []int{p.ids, p.mask, p.positions, p.keep}
	for _, pair := range pairs {
		st, err := locate(pair)
		if err != nil {
			return p, err
		}
		st.in, st.out = at(inputs, pair.Past.Name), at(outputs, pair.Present.Name)
		used = append(used, st.in)
		p.states = append(p.states, st)
	}
	for i, in := range inputs {
		if !slices.Contains(used, i) {
			return p, fmt.Errorf("input %q is unknown to decoding (known are input_ids, attention_mask, position_ids, num_logits_to_keep and past_*)", in.Name)
		}
	}
	return p, nil
}

// locate finds the axes of a state that are not fixed numbers: the first may be the batch, one other may count tokens.
func locate(pair StatePair) (stateAt, error) {
	st, in := stateAt{StatePair: pair, grows: -1}, pair.Past
	if in.DType != Float32 || !in.HasShape {
		return st, fmt.Errorf("state input %q is %s %s, expected float32 with a known rank", in.Name, in.DType, in.ShapeString())
	}
	for axis, d := range in.Dims {
		switch {
		case d >= 0:
		case axis == 0:
			st.batched = true
		case st.grows < 0:
			st.grows = axis
		default:
			return st, fmt.Errorf("state input %q %s has more than one axis of unknown size", in.Name, in.ShapeString())
		}
	}
	return st, nil
}
