package graph

import (
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
)

// Dim is one extent of a shape: an integer expression over named symbols, kept in
// canonical form, so that two dims are equal exactly when they are structurally
// equal. The canonical form is a polynomial whose atoms are symbols, floor and
// ceiling quotients, minima and maxima. The zero Dim is the number 0.
type Dim struct {
	terms []term // sorted by key; the constant term has no atoms
}

type term struct {
	coef  int64
	atoms []atom // sorted by key
}

type atomKind uint8

const (
	symbolAtom atomKind = iota
	floorDivAtom
	ceilDivAtom
	minAtom
	maxAtom
)

type atom struct {
	kind atomKind
	key  string
	a, b Dim // operands of a quotient, minimum or maximum
}

// Const is the dimension n.
func Const(n int64) Dim {
	if n == 0 {
		return Dim{}
	}
	return Dim{terms: []term{{coef: n}}}
}

// Symbol is a dimension known only by name until a plan binds it.
func Symbol(name string) Dim {
	return atomDim(atom{kind: symbolAtom, key: name})
}

func atomDim(a atom) Dim { return Dim{terms: []term{{coef: 1, atoms: []atom{a}}}} }

// Dims makes constant dims of numbers.
func Dims(ns ...int64) []Dim {
	out := make([]Dim, len(ns))
	for i, n := range ns {
		out[i] = Const(n)
	}
	return out
}

func (t term) key() string {
	keys := make([]string, len(t.atoms))
	for i, a := range t.atoms {
		keys[i] = a.key
	}
	return strings.Join(keys, "*")
}

// Int is the dimension's value when it is a constant.
func (d Dim) Int() (int64, bool) {
	switch {
	case len(d.terms) == 0:
		return 0, true
	case len(d.terms) == 1 && len(d.terms[0].atoms) == 0:
		return d.terms[0].coef, true
	}
	return 0, false
}

// Is reports whether the dimension is the constant n.
func (d Dim) Is(n int64) bool {
	v, ok := d.Int()
	return ok && v == n
}

// IsSymbol returns the name when the dimension is a bare symbol.
func (d Dim) IsSymbol() (string, bool) {
	if len(d.terms) == 1 && d.terms[0].coef == 1 && len(d.terms[0].atoms) == 1 && d.terms[0].atoms[0].kind == symbolAtom {
		return d.terms[0].atoms[0].key, true
	}
	return "", false
}

// Equal reports structural equality.
func (d Dim) Equal(e Dim) bool {
	if len(d.terms) != len(e.terms) {
		return false
	}
	for i, t := range d.terms {
		u := e.terms[i]
		if t.coef != u.coef || len(t.atoms) != len(u.atoms) {
			return false
		}
		for j := range t.atoms {
			if t.atoms[j].key != u.atoms[j].key {
				return false
			}
		}
	}
	return true
}

// Add is d + e. A sum of constants that overflows int64 saturates.
func (d Dim) Add(e Dim) Dim {
	if x, ok := d.Int(); ok {
		if y, ok := e.Int(); ok {
			return Const(addSaturating(x, y))
		}
	}
	return collect(append(append([]term(nil), d.terms...), e.terms...))
}

// Sub is d − e.
func (d Dim) Sub(e Dim) Dim { return d.Add(e.Mul(Const(-1))) }

// Mul is d · e. A product of constants that overflows int64, and one of more than
// maxProduct terms, saturates at math.MaxInt64, which no size check lets pass.
func (d Dim) Mul(e Dim) Dim {
	if x, ok := d.Int(); ok {
		if y, ok := e.Int(); ok {
			return Const(mulSaturating(x, y))
		}
	}
	if len(d.terms)*len(e.terms) > maxProduct {
		return Const(math.MaxInt64)
	}
	var out []term
	for _, t := range d.terms {
		for _, u := range e.terms {
			atoms := append(append([]atom(nil), t.atoms...), u.atoms...)
			sort.Slice(atoms, func(i, j int) bool { return atoms[i].key < atoms[j].key })
			out = append(out, term{coef: mulSaturating(t.coef, u.coef), atoms: atoms})
		}
	}
	return collect(out)
}

// maxProduct bounds the terms of a product, and maxSpelling the bytes of an extent that
// inference follows: a graph squares its sizes in a node, and nests them.
const (
	maxProduct  = 1024
	maxSpelling = 2048
)

// tooLong reports whether an extent is beyond what inference follows.
func (d Dim) tooLong() bool {
	n := 0
	for _, t := range d.terms {
		n += 8
		for _, a := range t.atoms {
			n += len(a.key) + 1
		}
	}
	return n > maxSpelling
}

func addSaturating(x, y int64) int64 {
	switch s := x + y; {
	case x > 0 && y > 0 && s < 0:
		return math.MaxInt64
	case x < 0 && y < 0 && s >= 0:
		return math.MinInt64
	default:
		return s
	}
}

func mulSaturating(x, y int64) int64 {
	if x == 0 || y == 0 {
		return 0
	}
	p := x * y
	if p/y != x || (x == -1 && y == math.MinInt64) || (y == -1 && x == math.MinInt64) {
		return math.MaxInt64
	}
	return p
}

// collect merges equal monomials and sorts them.
func collect(terms []term) Dim {
	type keyed struct {
		key string
		t   term
	}
	ks := make([]keyed, len(terms))
	for i, t := range terms {
		ks[i] = keyed{t.key(), t}
	}
	sort.SliceStable(ks, func(i, j int) bool { return ks[i].key < ks[j].key })
	var out []term
	last := ""
	for i, k := range ks {
		if i > 0 && k.key == last && len(out) > 0 {
			out[len(out)-1].coef = addSaturating(out[len(out)-1].coef, k.t.coef)
		} else {
			out = append(out, k.t)
		}
		last = k.key
	}
	kept := out[:0]
	for _, t := range out {
		if t.coef != 0 {
			kept = append(kept, t)
		}
	}
	return Dim{terms: kept}
}

// Div is the exact quotient d / e of polynomials; ok is false when a remainder is left.
// It is long division by the leading term, so that (P+L)·B divided by P+L is B.
func (d Dim) Div(e Dim) (q Dim, ok bool) {
	if len(e.terms) == 0 {
		return Dim{}, false
	}
	by := leading(e)
	for rest := d; len(rest.terms) > 0; {
		t := leading(rest)
		atoms, divides := removeAtoms(t.atoms, by.atoms)
		if !divides || t.coef%by.coef != 0 {
			return Dim{}, false
		}
		part := Dim{terms: []term{{coef: t.coef / by.coef, atoms: atoms}}}
		q = q.Add(part)
		rest = rest.Sub(part.Mul(e))
	}
	return q, true
}

// leading is the largest term in graded lexicographic order.
func leading(d Dim) term {
	best := d.terms[0]
	for _, t := range d.terms[1:] {
		if exceeds(t, best) {
			best = t
		}
	}
	return best
}

func exceeds(a, b term) bool {
	if len(a.atoms) != len(b.atoms) {
		return len(a.atoms) > len(b.atoms)
	}
	for i := range a.atoms {
		if a.atoms[i].key != b.atoms[i].key {
			return a.atoms[i].key < b.atoms[i].key // a higher power of an earlier atom
		}
	}
	return false
}

func removeAtoms(from, what []atom) ([]atom, bool) {
	out := append([]atom(nil), from...)
next:
	for _, w := range what {
		for i, a := range out {
			if a.key == w.key {
				out = append(out[:i], out[i+1:]...)
				continue next
			}
		}
		return nil, false
	}
	return out, true
}

// FloorDiv is ⌊d / e⌋.
func (d Dim) FloorDiv(e Dim) Dim { return divide(d, e, floorDivAtom) }

// CeilDiv is ⌈d / e⌉.
func (d Dim) CeilDiv(e Dim) Dim { return divide(d, e, ceilDivAtom) }

func divide(d, e Dim, kind atomKind) Dim {
	if x, ok := d.Int(); ok {
		if y, ok := e.Int(); ok && y != 0 {
			q := x / y
			if r := x % y; r != 0 {
				negative := (x < 0) != (y < 0)
				if kind == floorDivAtom && negative {
					q--
				}
				if kind == ceilDivAtom && !negative {
					q++
				}
			}
			return Const(q)
		}
	}
	if q, ok := d.Div(e); ok {
		return q
	}
	name := "floordiv"
	if kind == ceilDivAtom {
		name = "ceildiv"
	}
	return atomDim(atom{kind: kind, key: fmt.Sprintf("%s(%s, %s)", name, d, e), a: d, b: e})
}

// Min is the smaller of d and e.
func (d Dim) Min(e Dim) Dim { return extremum(d, e, minAtom) }

// Max is the larger of d and e.
func (d Dim) Max(e Dim) Dim { return extremum(d, e, maxAtom) }

func extremum(d, e Dim, kind atomKind) Dim {
	if x, ok := d.Int(); ok {
		if y, ok := e.Int(); ok {
			if (kind == minAtom) == (x < y) {
				return d
			}
			return e
		}
	}
	if d.Equal(e) {
		return d
	}
	if diff, ok := d.Sub(e).Int(); ok { // they differ by a constant
		if (kind == minAtom) == (diff < 0) {
			return d
		}
		return e
	}
	a, b := d, e
	if b.String() < a.String() {
		a, b = b, a
	}
	name := "min"
	if kind == maxAtom {
		name = "max"
	}
	return atomDim(atom{kind: kind, key: fmt.Sprintf("%s(%s, %s)", name, a, b), a: a, b: b})
}

// Bind replaces symbols by numbers. Symbols that env lacks stay.
func (d Dim) Bind(env map[string]int64) Dim {
	if _, ok := d.Int(); ok {
		return d
	}
	sum := Dim{}
	for _, t := range d.terms {
		product := Const(t.coef)
		for _, a := range t.atoms {
			product = product.Mul(a.bind(env))
		}
		sum = sum.Add(product)
	}
	return sum
}

func (a atom) bind(env map[string]int64) Dim {
	switch a.kind {
	case symbolAtom:
		if n, ok := env[a.key]; ok {
			return Const(n)
		}
		return atomDim(a)
	case floorDivAtom:
		return a.a.Bind(env).FloorDiv(a.b.Bind(env))
	case ceilDivAtom:
		return a.a.Bind(env).CeilDiv(a.b.Bind(env))
	case minAtom:
		return a.a.Bind(env).Min(a.b.Bind(env))
	default:
		return a.a.Bind(env).Max(a.b.Bind(env))
	}
}

// NonNegative reports whether d can be seen to be at least 0: symbols are extents.
func (d Dim) NonNegative() bool {
	for i, t := range d.terms {
		if t.coef == -1 && len(t.atoms) == 1 && t.atoms[0].kind == minAtom {
			// −min(a, b) is at least −a and at least −b.
			rest := Dim{terms: append(append([]term(nil), d.terms[:i]...), d.terms[i+1:]...)}
			return rest.Sub(t.atoms[0].a).NonNegative() || rest.Sub(t.atoms[0].b).NonNegative()
		}
		if t.coef < 0 {
			return false
		}
		for _, a := range t.atoms {
			if !a.nonNegative() {
				return false
			}
		}
	}
	return true
}

func (a atom) nonNegative() bool {
	switch a.kind {
	case symbolAtom:
		return true
	case maxAtom:
		return a.a.NonNegative() || a.b.NonNegative()
	default:
		return a.a.NonNegative() && a.b.NonNegative()
	}
}

// Symbols adds the names of all symbols in d to set.
func (d Dim) Symbols(set map[string]bool) {
	for _, t := range d.terms {
		for _, a := range t.atoms {
			if a.kind == symbolAtom {
				set[a.key] = true
				continue
			}
			a.a.Symbols(set)
			a.b.Symbols(set)
		}
	}
}

// String writes the canonical form: "128", "B", "B*L", "2*B + 1".
func (d Dim) String() string {
	if n, ok := d.Int(); ok {
		return strconv.FormatInt(n, 10)
	}
	var parts []string
	constant := ""
	for _, t := range d.terms {
		switch k := t.key(); {
		case k == "":
			constant = strconv.FormatInt(t.coef, 10)
		case t.coef == 1:
			parts = append(parts, k)
		default:
			parts = append(parts, strconv.FormatInt(t.coef, 10)+"*"+k)
		}
	}
	if constant != "" {
		parts = append(parts, constant)
	}
	return strings.Join(parts, " + ")
}
