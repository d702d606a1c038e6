package data

import "fmt"

// Part is a stream of training tokens and how many of every so many windows come from it.
type Part struct {
	Name   string
	Tokens Tokens
	Weight uint64
}

// Mixture deals training windows of several parts. Windows come in rounds of as many as the
// weights add up to; every round holds exactly a part's weight of its windows, in an order of
// its own. The windows of one part are those of its Sampler, epoch after epoch. So sample
// number n is a function of n and the seed alone, for a mixture as for a single text.
type Mixture struct {
	parts   []*Sampler
	weights []uint64
	round   uint64
	seed    uint64
	context int
}

// Samples deals the windows of the training part.
func (s *Set) Samples(seed uint64, context int) (*Mixture, error) {
	parts := s.parts
	if parts == nil {
		parts = []Part{{Tokens: s.Train, Weight: 1}}
	}
	m := &Mixture{seed: seed, context: context}
	for _, p := range parts {
		one, err := NewSampler(p.Tokens, seed, context)
		if err != nil && p.Name != "" {
			return nil, fmt.Errorf("%s: %w", p.Name, err)
		}
		if err != nil {
			return nil, err
		}
		m.parts, m.weights = append(m.parts, one), append(m.weights, p.Weight)
		m.round += p.Weight
	}
	return m, nil
}

// pick is the part that sample n comes from, and the sample's number within it.
func (m *Mixture) pick(n int64) (part int, sample int64) {
	round := uint64(n) / m.round
	slot := permute(uint64(n)%m.round, m.round, mix(m.seed^mix(^round)))
	for slot >= m.weights[part] {
		slot -= m.weights[part]
		part++
	}
	return part, int64(round*m.weights[part] + slot)
}

// Fill writes samples first … first+rows−1: ids [rows · context], and the same shifted by
// one as targets. It allocates nothing.
func (m *Mixture) Fill(first int64, ids, targets []int64) error {
	for row := 0; row*m.context < len(ids); row++ {
		part, sample := m.pick(first + int64(row))
		from, to := row*m.context, (row+1)*m.context
		if err := m.parts[part].Fill(sample, ids[from:to], targets[from:to]); err != nil {
			return err
		}
	}
	return nil
}
