package tokenizer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"regexp/syntax"
	"slices"
	"unicode"
)

// automaton finds what a pattern matches at the beginning of a text, as a backtracking
// engine would: the first of its alternatives that fits, repetitions as long as they can be.
// Its states are lists of places in the pattern in order of preference; an edge leads to what
// is left of them after a character of a class, and says whether a match ends before that
// character.
type automaton struct {
	classes classes
	edges   []edge // state · number of classes + class
}

// edge is the next state, shifted, and whether a match ends before the character.
type edge uint32

func (e edge) state() uint32 { return uint32(e >> 1) }
func (e edge) match() bool   { return e&1 == 1 }

// dead is the state from which nothing can match; matching begins in the other.
const (
	dead  = 0
	start = 1
)

// Limits of an automaton and of the work that it takes to make one. The patterns in use have
// up to thirty states.
const (
	maxStates = 512
	maxEdges  = 1 << 16
	maxWork   = 1 << 22
)

// newAutomaton makes the automaton of a pattern. A pattern that matches an empty text is an
// error.
func newAutomaton(pattern string) (*automaton, error) {
	prog, looks, err := parsePattern(pattern)
	if err != nil {
		return nil, err
	}
	b := builder{prog: prog, numbers: map[string]uint32{}}
	if err = b.readSets(looks); err == nil {
		b.classes, err = newClasses(b.sets)
	}
	if err == nil {
		err = b.build()
	}
	if err == nil {
		err = b.check()
	}
	if err != nil {
		return nil, fmt.Errorf("pattern %.80q: %w", pattern, err)
	}
	return &automaton{b.classes, b.edges}, nil
}

// builder makes the states of an automaton, each from those before.
type builder struct {
	prog    *syntax.Prog
	sets    []set
	setOf   []int // by instruction
	classes classes
	work    int               // places looked at
	numbers map[string]uint32 // of states, by their places
	states  [][]uint32        // places by number
	edges   []edge
}

// set is the characters of an instruction, or the condition that a lookahead is.
type set struct {
	ranges   []rune // pairs
	look     bool
	negative bool
}

func (s set) has(r rune) bool {
	at, found := slices.BinarySearchFunc(s.ranges, r, func(bound, r rune) int { return int(bound) - int(r) })
	return found || at%2 == 1 // between the bounds of a pair
}

// readSets collects the different sets of the instructions.
func (b *builder) readSets(looks []condition) error {
	numbers := map[string]int{}
	for i := range b.prog.Inst {
		inst := &b.prog.Inst[i]
		var s set
		switch inst.Op {
		case syntax.InstRune, syntax.InstRune1:
			s.ranges = inst.Rune
			if len(inst.Rune) == 1 {
				s.ranges = spread(inst.Rune[0], syntax.Flags(inst.Arg)&syntax.FoldCase != 0)
			}
		case syntax.InstRuneAny:
			s.ranges = []rune{0, unicode.MaxRune}
		case syntax.InstRuneAnyNotNL:
			s.ranges = []rune{0, '\n' - 1, '\n' + 1, unicode.MaxRune}
		case syntax.InstEmptyWidth:
			return errors.New("anchors are unsupported")
		}
		for k := 0; k+1 < len(s.ranges); k += 2 {
			r := s.ranges[k]
			if r != s.ranges[k+1] || !isMark(r) {
				continue
			}
			if len(s.ranges) != 2 {
				return errors.New("looking ahead is unsupported as one of several single characters")
			}
			l := looks[r-firstMark]
			s = set{ranges: l.ranges, look: true, negative: l.negative}
		}
		key := fmt.Sprint(s)
		n, ok := numbers[key]
		if !ok {
			n = len(b.sets)
			numbers[key] = n
			b.sets = append(b.sets, s)
		}
		b.setOf = append(b.setOf, n)
	}
	return nil
}

// spread is a character by itself, or with those that differ in case.
func spread(r rune, fold bool) []rune {
	all := []rune{r}
	if fold {
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			all = append(all, other)
		}
	}
	slices.Sort(all)
	var pairs []rune
	for _, r := range all {
		pairs = append(pairs, r, r)
	}
	return pairs
}

// build walks through all states that can be reached.
func (b *builder) build() error {
	b.number(nil)
	first, _ := b.close(nil, map[uint32]bool{}, uint32(b.prog.Start))
	if b.number(first) == dead {
		return errors.New("matches nothing")
	}
	for i := 0; i < len(b.states); i++ {
		if len(b.states) > maxStates || len(b.edges) > maxEdges || b.work > maxWork {
			return errors.New("needs too many states")
		}
		for class := range b.classes.count {
			next, match := b.after(b.states[i], class)
			e := edge(b.number(next)) << 1
			if match {
				e |= 1
			}
			b.edges = append(b.edges, e)
		}
	}
	return nil
}

// number is the number of the state with these places.
func (b *builder) number(places []uint32) uint32 {
	key := make([]byte, 0, 4*len(places))
	for _, p := range places {
		key = binary.LittleEndian.AppendUint32(key, p)
	}
	n, ok := b.numbers[string(key)]
	if !ok {
		n = uint32(len(b.states))
		b.numbers[string(key)] = n
		b.states = append(b.states, places)
	}
	return n
}

// close appends the places that follow from one without reading: characters, conditions and
// the match itself. What comes behind a match is not wanted any more; done says so.
func (b *builder) close(places []uint32, seen map[uint32]bool, place uint32) (all []uint32, done bool) {
	if seen[place] {
		return places, false
	}
	seen[place] = true
	b.work++
	switch inst := &b.prog.Inst[place]; inst.Op {
	case syntax.InstFail:
		return places, false
	case syntax.InstAlt, syntax.InstAltMatch:
		if places, done = b.close(places, seen, inst.Out); done {
			return places, true
		}
		return b.close(places, seen, inst.Arg)
	case syntax.InstCapture, syntax.InstNop:
		return b.close(places, seen, inst.Out)
	case syntax.InstMatch:
		return append(places, place), true
	}
	return append(places, place), false
}

// after is the state after a character of a class, and whether a match ends before it.
func (b *builder) after(places []uint32, class int) (next []uint32, match bool) {
	seen, now := map[uint32]bool{}, map[uint32]bool{}
	var visit func(places []uint32) bool
	visit = func(places []uint32) (done bool) {
		for _, p := range places {
			n := b.setOf[p]
			s := &b.sets[n]
			b.work++
			switch {
			case b.prog.Inst[p].Op == syntax.InstMatch:
				match = true
				return true
			case s.look:
				if b.classes.in(class, n) == s.negative {
					continue
				}
				behind, _ := b.close(nil, now, b.prog.Inst[p].Out)
				if visit(behind) {
					return true
				}
			case b.classes.in(class, n):
				if next, done = b.close(next, seen, b.prog.Inst[p].Out); done {
					return true // that match is longer than, or preferred to, what comes now
				}
			}
		}
		return false
	}
	visit(places)
	return next, match
}

// check refuses automata that match nothing at all.
func (b *builder) check() error {
	for class := range b.classes.count {
		if b.edges[start*b.classes.count+class].match() {
			return errors.New("matches the empty text")
		}
	}
	return nil
}
