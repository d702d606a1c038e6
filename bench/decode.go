package bench

import (
	"fmt"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/zoo"
)

// tokensPerRepeat is how many decoded tokens stand for one repeat of something longer.
const tokensPerRepeat = 20

func (b *bench) newDecoder() (*zoo.Decoder, error) {
	params, err := b.weights()
	if err != nil {
		return nil, err
	}
	return zoo.NewDecoder(b.model.Net, 1, b.device, func(name string) backend.Buffer { return params[name] })
}

// decoding measures feeding n tokens to a model that has seen some.
func (b *bench) decoding(n int) error {
	dec, err := b.newDecoder()
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
	if n == 1 {
		operations, read, err := b.decodeCost()
		if err == nil {
			b.addRow("decode, 1 token", n, times, operations, read)
		}
		return err
	}
	counts, err := b.model.Net.Count(int64(n))
	if err == nil {
		b.addRow(fmt.Sprintf("prefill, %d tokens", n), n, times, float64(counts.FLOPs)*float64(n), 0)
	}
	return err
}

// decodeCost is what one token multiplies, and the bytes of weights that it reads.
func (b *bench) decodeCost() (operations, read float64, err error) {
	counts, err := b.model.Net.Count(1)
	if err != nil {
		return 0, 0, err
	}
	read = 4 * float64(counts.Active)
	if !b.model.Net.TiedHead { // of the embedding one row is read
		read -= 4 * float64(b.model.Net.Vocabulary*b.model.Net.DModel)
	}
	return float64(counts.FLOPs), read, nil
}
