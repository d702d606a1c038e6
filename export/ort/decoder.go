//go:build cgo

package ort

import (
	"fmt"
	"slices"

	binding "github.com/yalue/onnxruntime_go"
)

// Decoder feeds a language model step by step and carries its states from one step to the next. Each state has two buffers that
// swap roles, one read as past_X while the other is written as present_X, so a step allocates and copies nothing for states of
// fixed size. Attention caches grow with the context; their buffers double when full.
//
// A Decoder serves one goroutine; several may share a session.
type Decoder struct {
	s      *Session
	batch  int
	states []*carried
	cur    int // the buffer that holds the past: 0 or 1
	past   int // tokens seen

	width  int // of the step for which ids, positions and logits are made
	fixed  []binding.Value
	ids    []int64
	pos    []int64
	logits Tensor
	mask   []int64
	ins    []binding.Value
	outs   []binding.Value
	plan   plan
}

// NewDecoder prepares decoding of batch sequences at once, all of the same length, with empty states. It refuses a model that has
// inputs other than those of [StatePairs] and input_ids, attention_mask, position_ids, num_logits_to_keep.
func NewDecoder(s *Session, batch int) (*Decoder, error) {
	if batch < 1 {
		return nil, fmt.Errorf("%s: decoding %d sequences, expected at least 1", s.name, batch)
	}
	p, err := planDecoding(s.inputs, s.outputs)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	d := &Decoder{s: s, batch: batch, plan: p, ins: make([]binding.Value, len(s.inputs)), outs: make([]binding.Value, len(s.outputs))}
	for _, st := range p.states {
		c, err := newCarried(st, batch)
		d.states = append(d.states, c)
		if err != nil {
			d.Close()
			return nil, fmt.Errorf("%s: state %q: %w", s.name, st.Past.Name, err)
		}
	}
	return d, nil
}

// Len is the number of tokens of each sequence fed since the start or the last Reset.
func (d *Decoder) Len() int { return d.past }

// Step feeds ids [B, L], row after row, and returns the logits [B, L', V] after them: L' is 1 for a model with the input
// num_logits_to_keep, else L. The result is valid until the next Step. After an error the states are as before.
func (d *Decoder) Step(ids []int64) (Tensor, error) {
	width := len(ids) / d.batch
	if width == 0 || width*d.batch != len(ids) {
		return Tensor{}, fmt.Errorf("%s: %d token ids for %d sequences, expected the same number (at least one) for each", d.s.name, len(ids), d.batch)
	}
	if err := d.shape(width); err != nil {
		return Tensor{}, fmt.Errorf("%s: %w", d.s.name, err)
	}
	copy(d.ids, ids)
	for i := range d.pos {
		d.pos[i] = int64(d.past + i%width)
	}
	if err := d.bind(width); err != nil {
		return Tensor{}, fmt.Errorf("%s: %w", d.s.name, err)
	}
	defer d.release()
	if err := d.s.run(d.ins, d.outs); err != nil {
		return Tensor{}, err
	}
	if d.logits.F32 == nil {
		t, err := readValue(d.outs[d.plan.logits])
		if err != nil {
			return Tensor{}, fmt.Errorf("%s: output logits: %w", d.s.name, err)
		}
		d.cur, d.past = 1-d.cur, d.past+width
		return t, nil
	}
	d.cur, d.past = 1-d.cur, d.past+width
	return d.logits, nil
}

// Reset empties the states, to start new sequences.
func (d *Decoder) Reset() {
	d.past, d.cur = 0, 0
	for _, c := range d.states {
		clear(c.buf[0])
		clear(c.buf[1])
	}
}

// Close frees the buffers, not the session.
func (d *Decoder) Close() error {
	d.release()
	destroyAll(d.fixed)
	for _, c := range d.states {
		destroyAll(c.val[:])
	}
	d.states, d.fixed = nil, nil
	return nil
}

// shape makes what depends only on the step's width, when that changes.
func (d *Decoder) shape(width int) error {
	if width == d.width {
		return nil
	}
	destroyAll(d.fixed)
	d.fixed, d.width, d.logits = make([]binding.Value, len(d.s.inputs)+1), 0, Tensor{}
	two := []int64{int64(d.batch), int64(width)}
	d.ids, d.pos = make([]int64, d.batch*width), nil
	feeds := map[int]Tensor{d.plan.ids: {Shape: two, I64: d.ids}}
	if d.plan.positions >= 0 {
		d.pos = make([]int64, d.batch*width)
		feeds[d.plan.positions] = Tensor{Shape: two, I64: d.pos}
	}
	kept := width
	if d.plan.keep >= 0 {
		kept = 1
		feeds[d.plan.keep] = Tensor{Shape: d.s.inputs[d.plan.keep].Dims, I64: []int64{1}}
	}
	if d.plan.vocab > 0 {
		shape := []int64{int64(d.batch), int64(kept), d.plan.vocab}
		data, err := makeBuffer(shape)
		if err != nil {
			return fmt.Errorf("output logits: %w", err)
		}
		d.logits = Tensor{Shape: shape, F32: data}
		feeds[len(d.s.inputs)] = d.logits
	}
	for i, t := range feeds {
		v, err := newValue(t)
		if err != nil {
			return err
		}
		d.fixed[i] = v
	}
	d.width = width
	return nil
}

// bind fills ins and outs for a step; what it makes for this step alone is freed by release.
func (d *Decoder) bind(width int) (err error) {
	copy(d.ins, d.fixed)
	d.outs[d.plan.logits] = d.fixed[len(d.s.inputs)]
	if d.plan.mask >= 0 {
		total := d.past + width
		if need := d.batch * total; need > len(d.mask) {
			d.mask = slices.Repeat([]int64{1}, 2*need)
		}
		if d.ins[d.plan.mask], err = newValue(Tensor{Shape: []int64{int64(d.batch), int64(total)}, I64: d.mask}); err != nil {
			return err
		}
	}
	for _, c := range d.states {
		if d.ins[c.in], err = c.value(d.cur, d.past); err != nil {
			return err
		}
		if d.outs[c.out], err = c.value(1-d.cur, d.past+width); err != nil {
			return err
		}
	}
	return nil
}

// release frees what one step made: the mask, and outputs that the runtime allocated.
func (d *Decoder) release() {
	keep := append([]binding.Value{}, d.fixed...)
	for _, c := range d.states {
		keep = append(keep, c.val[:]...)
	}
	for _, list := range [][]binding.Value{d.ins, d.outs} {
		for i, v := range list {
			if !slices.Contains(keep, v) {
				destroyAll(list[i : i+1])
			}
			list[i] = nil
		}
	}
}

// maxBuffer bounds one buffer of the decoder, whatever sizes a file declares: 2^30 elements, 4 GiB.
const maxBuffer = 1 << 30

func makeBuffer(shape []int64) ([]float32, error) {
	n, err := elements(shape)
	if err == nil && n > maxBuffer {
		err = fmt.Errorf("shape %v has more than %d elements", shape, maxBuffer)
	}
	if err != nil {
		return nil, err
	}
	return make([]float32, n), nil
}

// carried is one state and its two buffers.
type carried struct {
	in, out int     // where it stands among the session's inputs and outputs
	shape   []int64 // with the batch filled in
	grows   int     // the axis along which it grows, -1 for none
	buf     [2][]float32
	val     [2]binding.Value
	length  [2]int // for which val is made, along the growing axis
}

func newCarried(st stateAt, batch int) (*carried, error) {
	c := &carried{in: st.in, out: st.out, shape: slices.Clone(st.Past.Dims), grows: st.grows}
	if st.batched {
		c.shape[0] = int64(batch)
	}
	if c.grows >= 0 {
		return c, nil
	}
	var err error
	for i := range c.buf {
		if c.buf[i], err = makeBuffer(c.shape); err != nil {
			return c, err
		}
		if c.val[i], err = newValue(Tensor{Shape: c.shape, F32: c.buf[i]}); err != nil {
			return c, err
		}
	}
	return c, nil
}

// value gives a buffer as a tensor; for a state that grows, with this length.
func (c *carried) value(which, length int) (binding.Value, error) {
	if c.grows < 0 || c.val[which] != nil && c.length[which] == length {
		return c.val[which], nil
	}
	destroyAll(c.val[which : which+1])
	c.shape[c.grows] = int64(length)
	n, err := elements(c.shape)
	if err != nil {
		return nil, err
	}
	if n > len(c.buf[which]) || c.buf[which] == nil {
		roomy := slices.Clone(c.shape)
		roomy[c.grows] *= 2
		if c.buf[which], err = makeBuffer(roomy); err != nil {
			return nil, err
		}
	}
	v, err := newValue(Tensor{Shape: c.shape, F32: c.buf[which]})
	if err != nil {
		return nil, err
	}
	c.val[which], c.length[which] = v, length
	return v, nil
}
