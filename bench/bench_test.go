package bench_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/bench"
	"github.com/moezoo/moezoo/plugins"
	_ "github.com/moezoo/moezoo/plugins/builtin"
	"github.com/moezoo/moezoo/zoo"
	"github.com/moezoo/moezoo/zoo/recipe"
)

func build(name string, settings ...string) (*zoo.Model, error) {
	r, err := recipe.Load(name, settings...)
	if err != nil {
		return nil, err
	}
	h, err := plugins.NewHost(plugins.Config{InProcess: true, NotBeside: true, Checker: plugins.CheckFunctions})
	if err != nil {
		return nil, err
	}
	defer h.Close()
	return zoo.Build(context.Background(), r, h)
}

// TestARunMeasuresEveryPart says nothing of times, which differ from machine to machine.
func TestARunMeasuresEveryPart(t *testing.T) {
	if testing.Short() {
		t.Skip("measures the machine")
	}
	m, err := build("moe-mamba-debug")
	if err != nil {
		t.Fatal(err)
	}
	d := cpu.New(2)
	defer d.Close()
	report, err := bench.Run(context.Background(), m, d, bench.Options{Repeats: 2, Prompt: 9}, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Rows) != len(bench.Parts)-1 || len(report.Operators) == 0 || report.Peak.GFLOPS <= 0 || report.Peak.ReadGBPS <= 0 {
		t.Errorf("%+v", report)
	}
	for _, row := range report.Rows {
		if !(row.Best > 0 && row.Best <= row.Median && row.Median <= row.Worst && row.TokensPerS > 0 && row.GFLOPS > 0 && row.Memory > 0) {
			t.Errorf("%+v", row)
		}
	}
	for _, o := range report.Operators {
		if !(o.Best > 0 && o.Best <= o.Median && o.Median <= o.Worst && o.GBPS > 0 && o.Nanoseconds > 0) {
			t.Errorf("%+v", o)
		}
	}
	operators := map[string]bool{}
	share := 0.0
	for _, o := range report.Profile {
		operators[o.Name] = true
		share += o.Share
	}
	for _, want := range []string{"zoo.SelectiveScanGrad", "zoo.GroupedMatMul", "zoo.AdamW"} {
		if !operators[want] {
			t.Errorf("the profile lacks %s", want)
		}
	}
	if share < 0.999 || share > 1.001 {
		t.Errorf("shares add up to %v", share)
	}
	var svg strings.Builder
	if err := bench.WriteFlame(&svg, report); err != nil || !strings.Contains(svg.String(), "backward") {
		t.Error(err, svg.String())
	}
	path := filepath.Join(t.TempDir(), "a.json")
	raw, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, raw, 0o666); err != nil {
		t.Fatal(err)
	}
	old, err := bench.ReadReport(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range bench.Compare(report, old) {
		if x.Faster != 1 || x.Clear {
			t.Errorf("a report beside itself: %+v", x)
		}
	}
}

// TestGrowthChangesTheRecipe takes the parts whose extents a small model passes quickly.
func TestGrowthChangesTheRecipe(t *testing.T) {
	if testing.Short() {
		t.Skip("measures the machine")
	}
	var asked []string
	change := func(settings ...string) (*zoo.Model, error) {
		asked = append(asked, strings.Join(settings, " "))
		return build("moe-mamba-debug", settings...)
	}
	m, err := build("moe-mamba-debug")
	if err != nil {
		t.Fatal(err)
	}
	d := cpu.New(2)
	defer d.Close()
	report, err := bench.Run(context.Background(), m, d, bench.Options{Parts: []string{"experts", "layers"}, Repeats: 1, Prompt: 1, Change: change}, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"repeat=1", "repeat=2", "repeat=4", "repeat=8", "layers.moe.experts=8", "layers.moe.experts=16", "layers.moe.experts=32", "layers.moe.experts=64"}; !slices.Equal(asked, want) {
		t.Errorf("measured %v", asked)
	}
	if len(report.Curves) != 2 || len(report.Rows) != 8 {
		t.Fatalf("%+v", report)
	}
	for _, c := range report.Curves {
		if len(c.Extents) != 4 || c.Ratio != c.Median[3]/c.Median[0] || c.Off < 0 || c.CPU.Ratio != c.CPU.Median[3]/c.CPU.Median[0] {
			t.Errorf("%+v", c)
		}
	}
}

func TestBadReportsAreRefused(t *testing.T) {
	dir := t.TempDir()
	for content, want := range map[string]string{"": "is no report", "{}": "it has no rows", `{"rows":3}`: "is no report"} {
		path := filepath.Join(dir, "a.json")
		if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := bench.ReadReport(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", content, err)
		}
	}
	if _, err := bench.ReadReport(dir); err == nil || !strings.Contains(err.Error(), "is no report") {
		t.Error(err)
	}
}
