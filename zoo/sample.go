package zoo

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
)

// Sampling says how the next token is chosen.
type Sampling struct {
	Temperature float64 // 0 takes the most likely token, the first of equals
	TopK        int     // only the k most likely; 0 for all
	TopP        float64 // only the most likely that make up this probability; 0 or 1 for all
	Seed        uint64
}

// Check refuses settings that make no sense.
func (s Sampling) Check() error {
	switch {
	case !(s.Temperature >= 0) || math.IsInf(s.Temperature, 0):
		return fmt.Errorf("temperature %v: want 0 or more", s.Temperature)
	case s.TopK < 0:
		return fmt.Errorf("top-k %d: want 0 (all) or more", s.TopK)
	case !(s.TopP >= 0 && s.TopP <= 1):
		return fmt.Errorf("top-p %v: want 0 to 1", s.TopP)
	}
	return nil
}

// sampler draws tokens. Draws depend on the seed and on how many came before.
type sampler struct {
	Sampling
	rng   *rand.Rand
	order []int
	p     []float64
}

func newSampler(s Sampling) *sampler {
	return &sampler{Sampling: s, rng: rand.New(rand.NewPCG(s.Seed, 0x9e3779b97f4a7c15))}
}

// next chooses a token by its logits [V] and answers its log-probability under the model
// itself, at temperature 1.
func (s *sampler) next(logits []float32) (token int64, logProb float64) {
	best := 0
	for i, x := range logits {
		if x > logits[best] {
			best = i
		}
	}
	sum := 0.0
	for _, x := range logits {
		sum += math.Exp(float64(x - logits[best]))
	}
	choice := best
	if s.Temperature > 0 {
		choice = s.draw(logits, best)
	}
	return int64(choice), float64(logits[choice]-logits[best]) - math.Log(sum)
}

// draw samples at the temperature from what top-k and top-p leave.
func (s *sampler) draw(logits []float32, best int) int {
	s.order, s.p = s.order[:0], s.p[:0]
	for i := range logits {
		s.order = append(s.order, i)
	}
	if s.TopK > 0 || s.TopP > 0 && s.TopP < 1 {
		sort.Slice(s.order, func(a, b int) bool {
			x, y := logits[s.order[a]], logits[s.order[b]]
			return x > y || x == y && s.order[a] < s.order[b]
		})
	}
	if s.TopK > 0 && s.TopK < len(s.order) {
		s.order = s.order[:s.TopK]
	}
	total := 0.0
	for _, i := range s.order {
		p := math.Exp(float64(logits[i]-logits[best]) / s.Temperature)
		s.p = append(s.p, p)
		total += p
	}
	if s.TopP > 0 && s.TopP < 1 {
		kept := 0.0
		for n, p := range s.p {
			kept += p
			if kept >= s.TopP*total {
				s.order, s.p, total = s.order[:n+1], s.p[:n+1], kept
				break
			}
		}
	}
	x := s.rng.Float64() * total
	for n, p := range s.p {
		if x -= p; x < 0 {
			return s.order[n]
		}
	}
	return s.order[len(s.order)-1]
}
