package data

import (
	"fmt"
	"math/bits"
)

// Sampler deals training windows of context+1 tokens in a shuffled order that depends
// only on the seed. An epoch visits every window once; each epoch has another order and
// another offset, so that windows begin at different tokens.
type Sampler struct {
	tokens  Tokens
	seed    uint64
	context int
	windows uint64 // per epoch
}

// NewSampler refuses a text that is too short for a single window.
func NewSampler(tokens Tokens, seed uint64, context int) (*Sampler, error) {
	if context < 1 {
		return nil, fmt.Errorf("context %d: want at least 1", context)
	}
	// One window's length is kept free for the epoch's offset.
	n := (tokens.Len() - 1) / context
	if n > 1 {
		n--
	}
	if n < 1 {
		return nil, fmt.Errorf("the training text has %d tokens, fewer than one window of %d + 1", tokens.Len(), context)
	}
	return &Sampler{tokens: tokens, seed: seed, context: context, windows: uint64(n)}, nil
}

// Windows is the number of windows of an epoch.
func (s *Sampler) Windows() int { return int(s.windows) }

// Start is the first token of sample number n, counted over all epochs.
func (s *Sampler) Start(n int64) int {
	epoch, i := uint64(n)/s.windows, uint64(n)%s.windows
	key := mix(s.seed ^ mix(epoch+1))
	room := uint64(s.tokens.Len()-1) - s.windows*uint64(s.context)
	offset := mix(key) % (min(room, uint64(s.context)) + 1)
	return int(permute(i, s.windows, key))*s.context + int(offset)
}

// Fill writes samples first … first+rows−1: ids [rows · context], and the same shifted by
// one as targets. It allocates nothing.
func (s *Sampler) Fill(first int64, ids, targets []int64) error {
	for row := 0; row*s.context < len(ids); row++ {
		at := s.Start(first + int64(row))
		if err := s.tokens.Copy(ids[row*s.context:(row+1)*s.context], at); err != nil {
			return err
		}
		if err := s.tokens.Copy(targets[row*s.context:(row+1)*s.context], at+1); err != nil {
			return err
		}
	}
	return nil
}

// permute is a bijection of 0 … n−1: a four-round Feistel network on the next even number
// of bits, walked until it lands below n.
func permute(i, n, key uint64) uint64 {
	half := (bits.Len64(n-1) + 1) / 2
	mask := uint64(1)<<half - 1
	for {
		l, r := i>>half, i&mask
		for round := range uint64(4) {
			l, r = r, l^(mix(r^key^round<<56)&mask)
		}
		if i = l<<half | r; i < n {
			return i
		}
	}
}

// mix is the finaliser of splitmix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
