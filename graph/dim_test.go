package graph

import "testing"

func TestDimsAreEqualWhenCanonicalFormsAre(t *testing.T) {
	b, l, p := Symbol("B"), Symbol("L"), Symbol("P")
	for _, c := range []struct {
		a, b Dim
		want string
	}{
		{b.Mul(l), l.Mul(b), "B*L"},
		{b.Add(l).Mul(Const(2)), b.Add(b).Add(l).Add(l), "2*B + 2*L"},
		{b.Add(Const(1)).Sub(b), Const(1), "1"},
		{p.Add(l).Mul(b), b.Mul(p).Add(b.Mul(l)), "B*L + B*P"},
		{l.CeilDiv(Const(16)).Mul(Const(16)), Const(16).Mul(l.CeilDiv(Const(16))), "16*ceildiv(L, 16)"},
		{l.Mul(Const(4)).FloorDiv(Const(4)), l, "L"},
		{l.Min(Const(64)), Const(64).Min(l), "min(64, L)"},
		{l.Add(Const(1)).Max(l), l.Add(Const(1)), "L + 1"},
	} {
		if !c.a.Equal(c.b) || c.a.String() != c.want {
			t.Errorf("%v and %v: want both %s", c.a, c.b, c.want)
		}
	}
}

func TestDivisionIsExactOrRefused(t *testing.T) {
	b, l, p := Symbol("B"), Symbol("L"), Symbol("P")
	total := b.Mul(l).Mul(p.Add(l)).Mul(Const(4))
	q, ok := total.Div(p.Add(l).Mul(b).Mul(Const(2)))
	if !ok || q.String() != "2*L" {
		t.Errorf("quotient %v %v", q, ok)
	}
	for _, by := range []Dim{Const(3), Symbol("X"), p, b.Add(Const(1)), {}} {
		if q, ok := total.Div(by); ok {
			t.Errorf("%v divided by %v into %v", total, by, q)
		}
	}
}

func TestBindingEvaluatesEveryAtom(t *testing.T) {
	l := Symbol("L")
	d := l.CeilDiv(Const(16)).Add(l.FloorDiv(Const(7))).Add(l.Min(Const(5))).Add(l.Max(Const(50)))
	if got := d.Bind(map[string]int64{"L": 33}); !got.Is(3 + 4 + 5 + 50) {
		t.Errorf("got %v", got)
	}
}
