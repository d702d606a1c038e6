package data

import (
	"testing"

	"pgregory.net/rapid"
)

// numbered is tokens that are their own places, from a first one on.
func numbered(first int64, n int) InMemory {
	t := make(InMemory, n)
	for i := range t {
		t[i] = first + int64(i)
	}
	return t
}

// TestRoundsHoldEveryPartsWeight, and the windows of a part are those of its own sampler, in
// its order.
func TestRoundsHoldEveryPartsWeight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		var s Set
		for range rapid.IntRange(1, 4).Draw(t, "parts") {
			s.parts = append(s.parts, Part{Tokens: numbered(int64(len(s.parts))*1000, rapid.IntRange(20, 90).Draw(t, "tokens")), Weight: rapid.Uint64Range(1, 9).Draw(t, "weight")})
		}
		const context = 5
		m, err := s.Samples(seed, context)
		if err != nil {
			t.Fatal(err)
		}
		ids, targets := make([]int64, context), make([]int64, context)
		want, ignored := make([]int64, context), make([]int64, context)
		taken := make([]int64, len(s.parts))
		for n := range int64(4 * m.round) {
			if err := m.Fill(n, ids, targets); err != nil {
				t.Fatal(err)
			}
			part := ids[0] / 1000
			own, err := NewSampler(s.parts[part].Tokens, seed, context)
			if err != nil {
				t.Fatal(err)
			}
			_, sample := m.pick(n)
			if err := own.Fill(sample, want, ignored); err != nil {
				t.Fatal(err)
			}
			for i := range ids {
				if ids[i] != want[i] || targets[i] != ids[i]+1 {
					t.Fatalf("sample %d is %v, want %v", n, ids, want)
				}
			}
			taken[part]++
			if uint64(n+1)%m.round == 0 {
				for i, p := range s.parts {
					if taken[i] != int64(p.Weight*(uint64(n+1)/m.round)) {
						t.Fatalf("after sample %d part %d has had %d windows of weight %d", n, i, taken[i], p.Weight)
					}
				}
			}
		}
	})
}

// TestASetWithoutPartsIsSampledAsBefore: runs that began before there were mixtures resume.
func TestASetWithoutPartsIsSampledAsBefore(t *testing.T) {
	s := Set{Train: numbered(0, 500)}
	m, err := s.Samples(7, 16)
	if err != nil {
		t.Fatal(err)
	}
	own, err := NewSampler(s.Train, 7, 16)
	if err != nil {
		t.Fatal(err)
	}
	ids, targets := make([]int64, 16), make([]int64, 16)
	for n := range int64(100) {
		if err := m.Fill(n, ids, targets); err != nil {
			t.Fatal(err)
		}
		if want := int64(own.Start(n)); ids[0] != want {
			t.Fatalf("sample %d begins at %d, want %d", n, ids[0], want)
		}
	}
}
