package report

import (
	"bytes"
	"embed"
	"html/template"
	"time"

	"github.com/moezoo/moezoo/report/plot"
)

//go:embed page.html
var files embed.FS

var page = template.Must(template.ParseFS(files, "page.html"))

// content is what the page's template sees.
type content struct {
	*Page
	Style      template.CSS
	Results    grid
	Sizes      grid
	Facts      []fact
	Provenance grid
	Sections   []section
	Disturbed  bool   // whether seconds are no measure
	Made       string // when, on a live page
	Live       bool
}

// section is a heading with its figures and a table.
type section struct {
	ID, Title string
	Figures   []shown
	Folded    []shown // of many alike, those behind the first few
	Table     grid
	Open      bool // whether the table is unfolded
	Notes     string
}

type shown struct {
	ID, Title, Caption string
	SVG                template.HTML
}

// sections in the page's order, with the figures whose ids begin alike.
var sections = []struct {
	id, title string
	holds     []string
	table     func(*Page) grid
	notes     string
}{
	{
		id: "learning-rates", title: "Learning rates", holds: []string{"rates"}, table: (*Page).rates,
		notes: "A family is models whose recipes differ in the learning rate alone.",
	},
	{
		id: "final", title: "Final losses", holds: []string{"differences"}, table: (*Page).differences,
		notes: "“Lower” and “higher” are said where the 95 % interval holds no zero; seeds are few, so undecided does not mean equal.",
	},
	{id: "losses", title: "Losses", holds: []string{"loss-", "train-loss"}},
	{
		id: "parity-section", title: "Steps to parity", holds: []string{"parity"}, table: (*Page).parities,
		notes: "Losses are smoothed (local quadratic regression in the logarithm of the step, then made non-increasing) before the crossing is looked for. “Never” at the lower end means that the confidence interval includes never reaching it.",
	},
	{id: "inference", title: "Cost of inference", holds: []string{"decode-"}},
	{id: "routing", title: "Routing", holds: []string{"load-", "entropy", "busiest", "dropped"}},
}

// mostShown is how many figures of a section are unfolded, mostOpen up to how many rows a table is.
const (
	mostShown = 8
	mostOpen  = 10
)

// HTML is the page. A live one follows its runs, and says when it was made.
func (p *Page) HTML(live bool) ([]byte, error) {
	c := content{Page: p, Style: template.CSS(plot.Style), Results: p.results(), Sizes: p.sizes(), Facts: p.facts(), Provenance: p.provenance(), Disturbed: p.clock().disturbed > 0, Live: live}
	if live {
		c.Made = time.Now().UTC().Format("2006-01-02 15:04 MST")
	}
	figures := p.Figures()
	for _, s := range sections {
		out := section{ID: s.id, Title: s.title, Notes: s.notes}
		for _, f := range figures {
			if !begins(f.ID, s.holds) {
				continue
			}
			x := shown{f.ID, f.Title, f.Caption, template.HTML(f.SVG())} //nolint:gosec // drawn by this program, texts escaped
			if len(out.Figures) < mostShown {
				out.Figures = append(out.Figures, x)
			} else {
				out.Folded = append(out.Folded, x)
			}
		}
		if len(out.Figures) == 0 {
			continue
		}
		if s.table != nil {
			out.Table = s.table(p)
			out.Open = len(out.Table.Rows) <= mostOpen
		}
		c.Sections = append(c.Sections, out)
	}
	var b bytes.Buffer
	err := page.Execute(&b, c)
	return b.Bytes(), err
}

func begins(id string, with []string) bool {
	for _, w := range with {
		if len(id) >= len(w) && id[:len(w)] == w {
			return true
		}
	}
	return false
}
