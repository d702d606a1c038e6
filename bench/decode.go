package bench

import (
	"fmt"

	"github.com/moezoo/moezoo/graph/narrow"
	"github.com/moezoo/moezoo/zoo"
)

// tokensPerRepeat is how many decoded tokens stand for one repeat of something longer.
const tokensPerRepeat = 20

// newDecoder makes a decoder and answers the weights that it reads.
func (b *bench) newDecoder(k narrow.Kind) (*zoo.Decoder, *zoo.Weights, error) {
	w, err := b.weights(k)
	if err != nil {
		return nil, nil, err
	}
	dec, err := zoo.NewDecoder(b.model.Net, 1, b.device, w)
	b.forget() // what the weights were made of, which would else be collected while decoding
	return dec, w, err
}

// decodingAll is decoding with weights of every kind.
func (b *bench) decodingAll(n int) error {
	for _, k := range b.Weights {
		if err := b.decoding(n, k); err != nil {
			return err
		}
	}
	return nil
}

// decoding measures feeding n tokens to a model that has seen some.
func (b *bench) decoding(n int, k narrow.Kind) error {
	dec, w, err := b.newDecoder(k)
	if err != nil {
		return err
	}
	defer dec.Close()
	ids := make([]int64, n)
	tokens(ids, int(b.model.Net.Vocabulary))
	repeats := b.Repeats
	if n == 1 {
		repeats *= tokensPerRepeat
	}
	times, err := repeat(repeats, func() error {
		_, err := dec.Feed(b.ctx, ids)
		return err
	})
	if err != nil {
		return err
	}
	kind := ""
	if k.Narrow() {
		kind = fmt.Sprintf(", %s weights", k)
	}
	if n == 1 {
		operations, read, err := b.decodeCost(w)
		if err == nil {
			b.addRow("decode, 1 token"+kind, n, times, operations, read)
		}
		return err
	}
	counts, err := b.model.Net.Count(int64(n))
	if err == nil {
		b.addRow(fmt.Sprintf("prefill, %d tokens%s", n, kind), n, times, float64(counts.FLOPs)*float64(n), 0)
	}
	return err
}

// decodeCost is what one token multiplies, and the bytes of weights that it reads: of the
// embedding one row, unless it is the head, too.
func (b *bench) decodeCost(w *zoo.Weights) (operations, read float64, err error) {
	counts, err := b.model.Net.Count(1)
	if err != nil {
		return 0, 0, err
	}
	for name, n := range counts.ActiveOf {
		elements := 1
		for _, d := range w.Buffer(name).Shape() {
			elements *= d
		}
		bytes := float64(w.Bytes(name)) * float64(n) / float64(elements)
		if name == "embedding/weight" && !b.model.Net.TiedHead {
			bytes /= float64(b.model.Net.Vocabulary)
		}
		read += bytes
	}
	return float64(counts.FLOPs), read, nil
}
