package report

import (
	"fmt"
	"strings"
	"testing"

	"github.com/moezoo/moezoo/report/plot"
)

// swept is a finished group whose recipe has this learning rate and this width.
func swept(label string, rate string, width int, losses ...float64) *Group {
	g := ended(label, 0, losses...)
	for _, r := range g.Runs {
		r.Record.Recipe = "recipe"
		r.Record.Resolved = fmt.Sprintf("name: recipe\nd_model: %d\nlayers: [mamba]\ntrain: {lr: %s, seed: %d}\n", width, rate, r.Record.Seed)
	}
	return g
}

func TestFamiliesDifferInTheirRateAlone(t *testing.T) {
	unfinished := swept("a-32e-3", "32e-3", 8, 0.5)
	unfinished.Runs[0].Record.Steps = 1000
	p := pageOf(
		swept("a-4e-3", "4e-3", 8, 2.0, 2.2), swept("a-1e-3", "1e-3", 8, 2.5, 2.3), swept("a", "2e-3", 8, 1.9, 2.1), // rates in any order, one label without
		unfinished,
		swept("b-1e-3", "1e-3", 16, 1.0), swept("b-2e-3", "2e-3", 16, 1.5),
		swept("alone", "1e-3", 24, 3),
	)
	var got []string
	for _, f := range p.Families() {
		said := f.Name + ":"
		for i, r := range f.Rates {
			said += fmt.Sprintf(" %s=%.2f[%.1f,%.1f]x%d", rateWords(r.Rate), r.Mean, r.Low, r.Up, len(r.Losses))
			if i == f.best() {
				said += "*"
			}
		}
		got = append(got, said)
	}
	want := "a: 1e-3=2.40[2.3,2.5]x2 2e-3=2.00[1.9,2.1]x2* 4e-3=2.10[2.0,2.2]x2; b: 1e-3=1.00[1.0,1.0]x1* 2e-3=1.50[1.5,1.5]x1"
	if strings.Join(got, "; ") != want {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "; "), want)
	}
	rows := p.rates().Rows
	if len(rows) != 2 || rows[0][3] != "inside" || rows[1][3] != "at the edge" || rows[0][7] != "1e-3, 2e-3, 4e-3" {
		t.Errorf("%q", rows)
	}
	f := p.rateFigures()
	if len(f) != 2 || f[1].Table.Rows[0][2] != "0.4" || len(f[0].Table.Rows) != 5 || f[0].Table.Rows[1][1] != "2e-3" || f[0].Table.Rows[1][6] != "true" {
		t.Errorf("%+v", f)
	}
}

// TestFamiliesHaveOneColour each, as long as there are colours for all.
func TestFamiliesHaveOneColour(t *testing.T) {
	var all []*Group
	for width := 1; width <= 8; width++ {
		for _, rate := range []string{"1e-3", "2e-3"} {
			all = append(all, swept(fmt.Sprint(width, rate), rate, width, 2))
		}
	}
	paint(all)
	for i, g := range all {
		if want := i/2 + i%2*plot.Colours; g.Colour != want {
			t.Errorf("%s has the colour %d, want %d", g.Name, g.Colour, want)
		}
	}
	ninth := ended("other", 0, 2)
	ninth.Colour = 16
	if paint(append(all, ninth)); ninth.Colour != 16 {
		t.Error("a family too many has a colour of its own")
	}
}

func TestFamiliesNeedTwoRates(t *testing.T) {
	p := pageOf(swept("a", "1e-3", 8, 2), swept("same", "1e-3", 8, 2.1), swept("b", "1e-3", 16, 2))
	if f := p.Families(); len(f) != 0 || p.rateFigures() != nil {
		t.Errorf("%+v", f)
	}
}

func TestRatesAreWrittenAsInRecipes(t *testing.T) {
	for rate, want := range map[float64]string{0.001: "1e-3", 0.004: "4e-3", 0.016: "1.6e-2", 3e-4: "3e-4", 0.1: "0.1", 1: "1", 1e-10: "1e-10"} {
		if got := rateWords(rate); got != want {
			t.Errorf("%v is %s, want %s", rate, got, want)
		}
	}
	for label, want := range map[string]string{"a-1e-3": "a", "a-0.001": "a", "a": "a", "a-2e-3": "a-2e-3", "a-b-1e-3": "a-b"} {
		if got := familyName(label, 0.001); got != want {
			t.Errorf("%s is of the family %s, want %s", label, got, want)
		}
	}
}
