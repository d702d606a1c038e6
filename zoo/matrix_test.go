package zoo_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/export/ort/orttest"
	"github.com/moezoo/moezoo/plugins/plugintest"
	"github.com/moezoo/moezoo/zoo"
	"github.com/moezoo/moezoo/zoo/check"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// The matrix combines every mixer with every router and every expert, as recipes write them.
var (
	matrixMixers = []string{
		"mamba: {d_state: 4}",
		"mamba2: {d_state: 4, head_dim: 8, groups: 2}",
		"gated_deltanet: {key_heads: 1, value_heads: 2, key_dim: 8, value_dim: 8}",
		"rglru: {}",
		"mamba3: {d_state: 4, head_dim: 8, rank: 2}",
		"s4d: {d_state: 4}",
		"s5: {d_state: 8, blocks: 2}",
		"attention: {heads: 2, kv_heads: 1}",
		"mamba: {d_state: 4, mixture: {at: [conv, select, out], routing: shared, router: topk, experts: 2, expert: linear}}",
	}
	matrixRouters = []string{
		"switch", "topk", "{use: topk, softmax: after, bias: true}", "{use: topk, renormalize: false, z_loss: 0.001}", "gshard", "noisy-topk",
		"{use: sigmoid, n_group: 2, topk_group: 1}", "{use: sinkhorn, bias: true}", "expert-choice", "soft-moe", "hash",
		"{use: hash, table: balanced}", "random", "constant",
	}
	matrixExperts = []string{
		"relu", "{use: relu2, bias: true}", "{use: gelu, bias: true}", "swiglu", "{use: geglu, form: tanh}", "low-rank", "{use: linear, bias: true}",
	}
)

// looking are the routers that look at later tokens in inference, too.
var looking = regexp.MustCompile("expert-choice|soft-moe")

// triple is one place of the matrix.
type triple struct{ mixer, router, expert string }

// matrixRecipe is a model of pairs of a mixer and experts.
func matrixRecipe(t *testing.T, places []triple) *zoo.Model {
	t.Helper()
	var b strings.Builder
	b.WriteString("name: matrix\nd_model: 16\nnorm: rmsnorm\ntrain: {lr: 1e-2, steps: 20, batch: 2, context: 32, save_every: 0, eval_every: 0, keep_best: false}\nlayers:\n")
	for i, p := range places {
		extra := ""
		if i%2 == 1 { // the layer's own settings take turns
			extra = ", shared: {width: 8, gate: true}, routed_scale: 1.5, latent: 12"
			if !looking.MatchString(p.router) {
				extra += ", capacity_factor: 1"
			}
		}
		fmt.Fprintf(&b, "  - %s\n  - moe: {router: %s, experts: 4, top_k: 2, expert: %s, width: 8, allow_future: true%s}\n", p.mixer, p.router, p.expert, extra)
	}
	path := filepath.Join(t.TempDir(), "matrix.yaml")
	if err := os.WriteFile(path, []byte(b.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	return build(t, path)
}

func (p triple) String() string { return p.mixer + " · " + p.router + " · " + p.expert }

// holds checks, of a model of some places, gradients, a falling loss, that steps are the whole,
// causality as declared, and the export in ONNX Runtime, whole and step by step.
func holds(t *testing.T, places []triple, compact bool) {
	t.Helper()
	m := matrixRecipe(t, places)
	gradientsHold(t, m, func(param string) string { return param[:strings.Index(param, "/")] }) // layer by layer
	set := text(t, m, 30_000)
	dir := filepath.Join(t.TempDir(), "run")
	train(t, m, set, dir, 1)
	d := cpu.New(1)
	defer d.Close()
	trained, err := zoo.Open(dir, d)
	if err != nil {
		t.Fatal(err)
	}
	untrained := math.Log(float64(m.Net.Vocabulary))
	if e, err := trained.Evaluate(context.Background(), set); err != nil || !(e.Nats < untrained-0.5) {
		t.Errorf("20 steps lead from %.3g to %.3g nats (%v)", untrained, e.Nats, err)
	}
	ahead, err := trained.LooksAhead(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if looking.MatchString(places[0].router) != (ahead != "") {
		t.Errorf("%q looks ahead", ahead)
	}
	if ahead == "" {
		passes(t, trained, check.Step)
		passes(t, trained, check.Causal)
	} else {
		if v, err := check.Causal(context.Background(), trained, check.Options{}); err != nil || v.Status != check.Failed || !strings.Contains(v.Layer, ahead) {
			t.Errorf("the check of causality of a model that looks ahead: %+v %v", v, err)
		}
		if _, err := trained.Decoder(1); err == nil || !strings.Contains(err.Error(), "looks at later tokens") {
			t.Errorf("a decoder of a model that looks ahead: %v", err)
		}
	}
	orttest.Require(t)
	o := zoo.ExportOptions{}
	o.Compact = compact
	if r, err := trained.Export(context.Background(), filepath.Join(t.TempDir(), "m.onnx"), o); err != nil {
		t.Errorf("%v %+v", err, r)
	}
}

// pairs are the places of one model for every router: in each every mixer and every expert
// occurs, and from model to model the mixers move on by one. So every router meets every mixer
// and every expert, and every mixer every expert.
func pairs() [][]triple {
	models := make([][]triple, len(matrixRouters))
	for i, r := range matrixRouters {
		for j := range max(len(matrixMixers), len(matrixExperts)) {
			models[i] = append(models[i], triple{matrixMixers[(i+j)%len(matrixMixers)], r, matrixExperts[j%len(matrixExperts)]})
		}
	}
	return models
}

func TestMatrixOfPairs(t *testing.T) {
	for i, places := range pairs() {
		t.Run(places[0].router, func(t *testing.T) {
			t.Parallel()
			holds(t, places, i%2 == 1)
		})
	}
}

// TestTheMatrixIsComplete: what listings show is in it, and all pairs meet.
func TestTheMatrixIsComplete(t *testing.T) {
	names := func(list []string, form string) []string {
		var out []string
		for _, s := range list {
			out = append(out, regexp.MustCompile(form).FindStringSubmatch(s)[1])
		}
		return out
	}
	mixers, variant := names(matrixMixers, `^([a-z0-9_]+):`), `^(?:\{use: )?([a-z0-9-]+)`
	for _, name := range debugRecipes() {
		r, err := recipe.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range r.Layers {
			for _, b := range l.Blocks {
				if k := b.Kind(); !slices.Contains(append(mixers, "ff", "moe", "shared_transformer"), k) { // the last is attention and a dense layer
					t.Errorf("mixer %s is missing", k)
				}
			}
		}
	}
	for _, f := range plugintest.Host(t).List() {
		if f.Name != "routers" && f.Name != "experts" {
			continue
		}
		for _, v := range f.Description.Variants {
			if !slices.Contains(append(names(matrixRouters, variant), names(matrixExperts, variant)...), v.Name) {
				t.Errorf("%s %s is missing", v.Kind, v.Name)
			}
		}
	}
	met := map[string]bool{}
	for _, p := range slices.Concat(pairs()...) {
		met[p.mixer+p.router], met[p.mixer+p.expert], met[p.router+p.expert] = true, true, true
	}
	m, r, e := len(matrixMixers), len(matrixRouters), len(matrixExperts)
	if len(met) != m*r+m*e+r*e {
		t.Errorf("%d pairs of %d mixers, %d routers and %d experts: some never meet", len(met), m, r, e)
	}
}
