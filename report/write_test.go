package report

import (
	"bytes"
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// kept writes the folder of a study anew and answers its files.
func kept(t *testing.T, study string) map[string][]byte {
	t.Helper()
	p, err := Load(study)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := p.WriteFolder(dir); err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		out[filepath.ToSlash(name)], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestFoldersAreEqualAndSmall: what a study of 18 runs leaves beside a program's source is the
// same each time, and not large.
func TestFoldersAreEqualAndSmall(t *testing.T) {
	dir := t.TempDir()
	synthesise(t, dir, sized{models: 6, seeds: 3, layers: 4, experts: 32, steps: 300})
	first, second := kept(t, dir), kept(t, dir)
	total := 0
	for name, raw := range first {
		if !bytes.Equal(raw, second[name]) {
			t.Errorf("%s is another the second time", name)
		}
		if limit := 100 << 10; len(raw) > limit && name != PageFile {
			t.Errorf("%s has %d bytes", name, len(raw))
		}
		total += len(raw)
	}
	if len(first) != len(second) || len(first[PageFile]) > 500<<10 || total > 1500<<10 {
		t.Errorf("%d and %d files, the page has %d bytes, all %d", len(first), len(second), len(first[PageFile]), total)
	}
	for _, name := range []string{PageFile, SummaryTable, SummaryText, "figures/runs.csv", "figures/timing.csv", "figures/differences.csv", "figures/differences.svg"} {
		if first[name] == nil {
			t.Errorf("there is no %s", name)
		}
	}
}

func TestSummary(t *testing.T) {
	p := pageOf(ended("mamba", 0, 2, 2.1, 2.3), ended("a|b", 0, 1.9, 2.05, 2.2), ended("alone", 7, 2))
	p.Command = "zoo compare study.yaml"
	table := p.summaryTable()
	rows, err := csv.NewReader(bytes.NewReader(table.CSV())).ReadAll()
	if err != nil || len(rows) != 4 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	number := func(row int, column string) float64 {
		k := slices.Index(rows[0], column)
		if k < 0 {
			t.Fatalf("no column %q in %q", column, rows[0])
		}
		v, err := strconv.ParseFloat(rows[row][k], 64)
		if err != nil {
			return -1
		}
		return v
	}
	for _, c := range []struct {
		row    int
		column string
		want   float64
	}{
		{1, "bits per byte mean", 64.0 / 15},
		{1, "bits per byte seed 1", 4.2},
		{1, "bits per byte seed 7", -1}, // nothing there
		{1, "difference mean", -1},
		{2, "difference mean", -1.0 / 12},
		{2, "difference seeds", 3},
		{2, "finished", 3},
		{3, "bits per byte seed 7", 4},
		{3, "difference mean", -1},
		{3, "bits per byte deviation", -1},
	} {
		if got := number(c.row, c.column); got < c.want-1e-9 || got > c.want+1e-9 {
			t.Errorf("row %d, %s: %v, want %v", c.row, c.column, got, c.want)
		}
	}
	text := p.Markdown()
	lines := strings.Split(text, "\n")
	for _, line := range lines[:5] {
		if n := strings.Count(strings.ReplaceAll(line, "\\|", ""), "|"); n != 10 {
			t.Errorf("%d bars in %s", n, line)
		}
	}
	for _, want := range []string{"| 4.2667 ± 0.3055 |", "| −0.0833 [−0.1550, −0.0116] |", "Seeds: 0 1 2 7.", "`zoo compare study.yaml`"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
