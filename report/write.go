package report

import (
	"os"
	"path/filepath"

	"github.com/moezoo/moezoo/internal/whole"
)

// What Write and WriteFolder make.
const (
	PageFile      = "report.html" // in WriteFolder's folder
	FiguresFolder = "figures"     // beside the page
	SummaryTable  = "summary.csv" // a row for each model, in WriteFolder's folder
	SummaryText   = "summary.md"  // the same for people
)

// Write writes the page, and into a folder beside it every figure as SVG and CSV, and what was
// run. Each file appears whole or not at all, and the same runs give the same bytes.
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
		if err := whole.Write(filepath.Join(dir, f.ID+".svg"), []byte(f.File())); err != nil {
			return err
		}
		if err := whole.Write(filepath.Join(dir, f.ID+".csv"), f.Table.CSV()); err != nil {
			return err
		}
	}
	runs, timing := p.runsTable(), p.timingTable()
	if err := whole.Write(filepath.Join(dir, "runs.csv"), runs.CSV()); err != nil {
		return err
	}
	if err := whole.Write(filepath.Join(dir, "timing.csv"), timing.CSV()); err != nil {
		return err
	}
	return whole.Write(path, raw)
}

// WriteFolder writes a folder that can be kept beside a program's source: the page with its
// figures, and the summary as a table and as text. In summary.csv and in the figures' CSV files,
// but for loss-seconds, decode-time and timing, there is nothing that a clock has a part in: they
// stay the same when the runs are made anew on such a machine.
func (p *Page) WriteFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	if err := p.Write(filepath.Join(dir, PageFile)); err != nil {
		return err
	}
	t := p.summaryTable()
	if err := whole.Write(filepath.Join(dir, SummaryTable), t.CSV()); err != nil {
		return err
	}
	return whole.Write(filepath.Join(dir, SummaryText), []byte(p.Markdown()))
}
