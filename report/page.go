package report

import (
	"bytes"
	"embed"
	"html/template"
	"os"
	"path/filepath"
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
	Parities   grid
	Provenance grid
	Sections   []section
	Made       string
	Live       bool
}

// section is a heading with its figures.
type section struct {
	ID, Title string
	Figures   []shown
	Folded    []shown // of many alike, those behind the first few
}

type shown struct {
	ID, Title, Caption string
	SVG                template.HTML
}

// sections in the page's order, with the figures whose ids begin alike.
var sections = []struct {
	id, title string
	holds     []string
}{
	{"losses", "Losses", []string{"loss-", "train-loss"}},
	{"parity-section", "Steps to parity", []string{"parity"}},
	{"inference", "Cost of inference", []string{"decode-"}},
	{"routing", "Routing", []string{"load-", "entropy", "dropped"}},
}

// mostShown is how many figures of a section are unfolded.
const mostShown = 8

// HTML is the page. A live one follows its runs.
func (p *Page) HTML(live bool) ([]byte, error) {
	c := content{
		Page: p, Style: template.CSS(plot.Style), Results: p.results(), Sizes: p.sizes(), Parities: p.parities(), Provenance: p.provenance(),
		Made: time.Now().UTC().Format("2006-01-02 15:04 MST"), Live: live,
	}
	figures := p.Figures()
	for _, s := range sections {
		out := section{ID: s.id, Title: s.title}
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
		if len(out.Figures) > 0 {
			c.Sections = append(c.Sections, out)
		}
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

// FiguresFolder is where Write puts drawings and numbers, beside the page.
const FiguresFolder = "figures"

// Write writes the page, and every figure as SVG and CSV into a folder beside it. Each file
// appears whole or not at all.
func (p *Page) Write(path string) error {
	raw, err := p.HTML(false)
	if err != nil {
		return err
	}
	dir := filepath.Join(filepath.Dir(path), FiguresFolder)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for _, f := range p.Figures() {
		if err := whole(filepath.Join(dir, f.ID+".svg"), []byte(f.File())); err != nil {
			return err
		}
		if err := whole(filepath.Join(dir, f.ID+".csv"), f.Table.CSV()); err != nil {
			return err
		}
	}
	for name, g := range map[string]grid{"results": p.results(), "sizes": p.sizes(), "parities": p.parities(), "runs": p.provenance()} {
		t := Table(g)
		if err := whole(filepath.Join(dir, name+".csv"), t.CSV()); err != nil {
			return err
		}
	}
	return whole(path, raw)
}
