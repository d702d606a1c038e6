package zoo_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/plugins/plugintest"
	"github.com/moezoo/moezoo/zoo"
	"github.com/moezoo/moezoo/zoo/check"
	"github.com/moezoo/moezoo/zoo/recipe"
)

var update = flag.Bool("update", false, "write the files of capabilities as the test finds them")

const capabilitiesPage = "../docs/capabilities.md"

// backends are all there are, by name.
var backends = map[string]func() backend.Device{"cpu": func() backend.Device { return cpu.New(1) }}

// TestCapabilities puts every mixer, router and expert into a small model and finds what it can
// do; the committed files must say the same. go test ./zoo -run Capabilities -update writes them.
func TestCapabilities(t *testing.T) {
	parts := everyPart(t)
	found := make([]zoo.Capability, len(parts))
	t.Run("parts", func(t *testing.T) {
		for i, p := range parts {
			t.Run(p.kind+"/"+p.name, func(t *testing.T) {
				t.Parallel()
				found[i] = capability(t, p)
			})
		}
	})
	raw, err := json.MarshalIndent(found, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	page := "# What each part can do\n\nMade by `go test ./zoo -run Capabilities -update`, which tries it; not written by hand. A router that is causal\n*in inference* balances over the whole batch while it trains. What `zoo check` finds of a plugin is not here.\n\n" + zoo.CapabilityTable(found)
	for path, want := range map[string]string{"capabilities.json": string(raw) + "\n", capabilitiesPage: page} {
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o666); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s is not what the test finds; if it is right, run go test ./zoo -run Capabilities -update (%v)\n%s", path, err, want)
		}
	}
	if readme, err := os.ReadFile("../README.md"); err != nil || !strings.Contains(string(readme), "(docs/capabilities.md)") {
		t.Errorf("the README does not link to the table of capabilities (%v)", err)
	}
}

// part is a mixer, a router or an expert, and layers that are made of it.
type part struct{ kind, name, layers string }

// everyPart are all mixers, and all routers and experts that are built in.
func everyPart(t *testing.T) []part {
	t.Helper()
	written := func(list []string, form, name string) string { // as the matrix writes it, by itself otherwise
		for _, s := range list {
			if regexp.MustCompile(fmt.Sprintf(form, regexp.QuoteMeta(name))).MatchString(s) {
				return s
			}
		}
		t.Errorf("%s is not in the matrix", name)
		return name
	}
	const moe = "{mamba: {d_state: 4}}, {moe: {router: %s, experts: 4, top_k: 2, expert: %s, width: 8, allow_future: true}}"
	var out []part
	for _, m := range recipe.Mixers() {
		layers := "{shared_transformer: {heads: 2, width: 16}}, {mamba: {d_state: 4}}"
		if m.Name != "shared_transformer" {
			layers = "{" + written(matrixMixers, `^%s:`, m.Name) + "}"
		}
		out = append(out, part{"mixer", m.Name, layers})
	}
	for _, f := range plugintest.Host(t).List() {
		if f.Name != "routers" && f.Name != "experts" {
			continue
		}
		for _, v := range f.Description.Variants {
			layers := fmt.Sprintf(moe, v.Name, "relu")
			if v.Kind == "expert" {
				layers = fmt.Sprintf(moe, "topk", written(matrixExperts, `^(\{use: )?%s\b`, v.Name))
			}
			out = append(out, part{string(v.Kind), v.Name, layers})
		}
	}
	order := []string{"mixer", "router", "expert"}
	slices.SortStableFunc(out, func(a, b part) int { return slices.Index(order, a.kind) - slices.Index(order, b.kind) })
	return out
}

// capability tries a part.
func capability(t *testing.T, p part) zoo.Capability {
	t.Helper()
	path := filepath.Join(t.TempDir(), "part.yaml")
	if err := os.WriteFile(path, []byte("name: part\nd_model: 16\nnorm: rmsnorm\nlayers: ["+p.layers+"]\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	m := build(t, path)
	c := zoo.Capability{Kind: p.kind, Name: p.name}
	verdict := func(f func(context.Context, *zoo.Trained, check.Options) (check.Verdict, error)) check.Verdict {
		v, err := f(context.Background(), begun(t, m), check.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if v.Status != check.OK {
			t.Log(v.Detail)
		}
		return v
	}
	switch v := verdict(check.Causal); {
	case v.Status != check.OK:
		c.Causal = zoo.Never
	case v.AheadInTraining != "":
		c.Causal = zoo.InInference
	default:
		c.Causal = zoo.Always
	}
	c.Gradient = verdict(check.Gradient).Status == check.OK
	c.Step = verdict(check.Step).Status == check.OK
	_, err := begun(t, m).Export(context.Background(), filepath.Join(t.TempDir(), "part.onnx"), zoo.ExportOptions{})
	if c.ONNX = err == nil; err != nil {
		t.Log(err)
	}
	for name, open := range backends {
		if err := runs(m, open()); err != nil {
			t.Log(err)
			continue
		}
		c.Backends = append(c.Backends, name)
	}
	slices.Sort(c.Backends)
	return c
}

// runs tells whether a backend trains a model and runs it.
func runs(m *zoo.Model, d backend.Device) error {
	defer d.Close()
	if _, _, err := m.Plan(d, 0); err != nil {
		return err
	}
	b, err := m.Begun(d, nil)
	if err != nil {
		return err
	}
	_, err = b.Forward(context.Background(), ids(8), 1, 8)
	return err
}
