package show_test

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
	_ "github.com/moezoo/moezoo/plugins/builtin"
	"github.com/moezoo/moezoo/zoo"
	"github.com/moezoo/moezoo/zoo/recipe"
	"github.com/moezoo/moezoo/zoo/show"
)

var update = flag.Bool("update", false, "write the texts in testdata as they are now")

// picture is that of an embedded recipe.
func picture(t *testing.T, name string, settings ...string) *show.Picture {
	t.Helper()
	h, err := plugins.NewHost(plugins.Config{InProcess: true, NotBeside: true, Checker: plugins.CheckFunctions})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	r, err := recipe.Load(name, settings...)
	if err != nil {
		t.Fatal(err)
	}
	m, err := zoo.Build(context.Background(), r, h)
	if err != nil {
		t.Fatal(err)
	}
	p, err := show.Of(m)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestTexts compares with the committed pictures; go test ./zoo/show -update writes them.
func TestTexts(t *testing.T) {
	for _, name := range []string{
		"moe-mamba-debug", "moe-mamba-parallel-debug", "moe-mamba-inner-debug", "routing-mamba-debug", "jamba-debug", "zamba2-debug", "nemotron-3-nano", "qwen3-next-debug",
	} {
		text, path := picture(t, name).Text(), filepath.Join("testdata", name+".txt")
		if *update {
			if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		if want, err := os.ReadFile(path); err != nil || string(want) != text {
			t.Errorf("%s is not %s (%v); is it, with -update\n%s", name, path, err, text)
		}
	}
}

// sum adds up the parameters of a picture, groups as often as they repeat.
func sum(items []show.Item) (total, active int64) {
	for _, x := range items {
		if x.Part != nil {
			total, active = total+x.Parameters, active+x.Active
			continue
		}
		a, b := sum(x.Items)
		n := int64(max(x.Times, 1))
		total, active = total+n*a, active+n*b
	}
	return total, active
}

// TestEveryRecipeIsDrawn in whole: all blocks are known, the parts' parameters are those of the
// model, and the SVG is XML that mentions each block. Seen to fail with a block that facts do not know.
func TestEveryRecipeIsDrawn(t *testing.T) {
	for _, e := range recipe.List() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			p := picture(t, e.Name)
			total, active := sum(p.Items)
			for _, s := range p.Shared {
				total, active = total+s.Parameters, active+s.Active
			}
			if total != p.Parameters || active != p.Active {
				t.Errorf("the parts have %d parameters, %d active; the model %d and %d", total, active, p.Parameters, p.Active)
			}
			if text := p.Text(); strings.Contains(text, "blocks.") || strings.Count(text, "\n") < 5 {
				t.Errorf("%s", text)
			}
			if _, err := json.Marshal(p); err != nil {
				t.Error(err)
			}
			svg := p.SVG()
			for d := xml.NewDecoder(strings.NewReader(svg)); ; {
				if _, err := d.Token(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatal(err)
				}
			}
			if strings.Contains(svg, "NaN") || !strings.Contains(svg, ">logits<") {
				t.Error(svg)
			}
		})
	}
}

// TestNamesOfPluginsAreShown, those of others with their provider, escaped in XML.
func TestNamesOfPluginsAreShown(t *testing.T) {
	p := picture(t, "moe-mamba-debug", "layers.moe.router=theirs/own", `doc="a <b> & c"`)
	if !strings.Contains(p.Text(), "1 of 4 by theirs/own") {
		t.Error(p.Text())
	}
	if svg := p.SVG(); !strings.Contains(svg, "a &lt;b&gt; &amp; c") {
		t.Error(svg)
	}
}

func init() {
	plugins.Register(plugins.NewProvider("theirs", "1.0.0", plugins.Router[struct{}]{
		Name: "own", Doc: "top-k", Capabilities: plugins.Capabilities{Causal: true},
		Route: func(b *plugins.Builder, x plugins.Value, _ struct{}, d plugins.Dims) plugins.Routing {
			weight, expert := op.TopK(op.Softmax(b.Linear("router", x, d.DModel, d.Experts), -1), b.Int64s(d.TopK), -1, true, true)
			return plugins.Routing{Expert: expert, Weight: weight}
		},
	}))
}

// TestFoldingCoversWhatRepeats, also inside of what repeats, and changes no order.
func TestFoldingCoversWhatRepeats(t *testing.T) {
	for pattern, want := range map[string]string{
		"":         "",
		"M":        "M",
		"MM":       "2(M)",
		"ME":       "ME",
		"MEME":     "2(ME)",
		"MEMEM":    "2(ME)M",
		"MMEMME":   "2(2(M)E)",
		"MMMEMMME": "2(3(M)E)",
		"MEM*MEM*": "2(MEM*)",
		"MMMMMM*":  "6(M)*",
	} {
		if got := folded(show.Fold(parts(pattern))); got != want {
			t.Errorf("%s: %s, want %s", pattern, got, want)
		}
	}
}

// parts are parts whose kinds are letters.
func parts(pattern string) []show.Item {
	var out []show.Item
	for _, c := range pattern {
		out = append(out, show.Item{Part: &show.Part{Kind: string(c)}})
	}
	return out
}

// folded writes groups in brackets.
func folded(items []show.Item) string {
	var b strings.Builder
	for _, x := range items {
		if x.Part != nil {
			b.WriteString(x.Kind)
			continue
		}
		b.WriteString(string(rune('0'+x.Times)) + "(" + folded(x.Items) + ")")
	}
	return b.String()
}
