package report

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/moezoo/moezoo/train/metrics"
	"github.com/moezoo/moezoo/zoo"
)

// FuzzRun reads any run folder, and makes a page and a summary of it together with a sound one.
func FuzzRun(f *testing.F) {
	dir := f.TempDir()
	synthesise(f, dir, sized{models: 2, seeds: 1, layers: 1, experts: 2, steps: 30})
	sound := filepath.Join(dir, "runs", "moe-mamba-s0-0123abcd")
	var files [2][]byte
	for i, name := range []string{zoo.RecordFile, metrics.File} {
		raw, err := os.ReadFile(filepath.Join(sound, name))
		if err != nil {
			f.Fatal(err)
		}
		files[i] = raw
	}
	f.Add(files[0], files[1])
	f.Add([]byte(`{"label":"","steps":-1,"counts":{"paper_active":-5}}`), []byte(`{"step":1,"held_out_loss":1e308,"a/load":[1,"x"],"a/entropy":null}
{"step":1,"held_out_loss":-1e308,"tokens":1e300,"a/load":[],"cross_entropy":1}
{"step":-3,"held_out_loss":0,"b/dropped":{}}`))
	f.Fuzz(func(t *testing.T, record, lines []byte) {
		run := filepath.Join(t.TempDir(), "run")
		write(t, filepath.Join(run, zoo.RecordFile), record)
		write(t, filepath.Join(run, metrics.File), lines)
		p, err := Load(run, sound)
		if err != nil {
			return
		}
		if _, err := p.HTML(false); err != nil {
			t.Fatal(err)
		}
		table := p.summaryTable()
		_, _ = table.CSV(), p.Markdown()
	})
}
