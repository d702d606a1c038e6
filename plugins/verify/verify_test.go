package verify_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
	_ "github.com/moezoo/moezoo/plugins/builtin"
	"github.com/moezoo/moezoo/plugins/verify"
)

func host(t *testing.T) *plugins.Host {
	t.Helper()
	h, err := plugins.NewHost(plugins.Config{InProcess: true, NotBeside: true, Checker: plugins.CheckFunctions, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// failures are the lines that failed, and all lines for a log.
func failures(t *testing.T, h *plugins.Host, name string) (failed, all string) {
	t.Helper()
	r, err := h.Verify(context.Background(), name, verify.Function)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range r.Checks {
		line := c.Name + ": " + c.Detail + "\n"
		all += string(c.Status) + " " + line
		if c.Status == plugins.Failed {
			failed += line
		}
	}
	return failed, all
}

func TestTheBuiltInsPass(t *testing.T) {
	h := host(t)
	for _, name := range []string{"routers", "experts"} {
		failed, all := failures(t, h, name)
		if failed != "" {
			t.Errorf("%s fails:\n%s", name, failed)
		}
		t.Logf("%s:\n%s", name, all)
	}
}

// router makes a router that does something wrong.
func router(name string, caps plugins.Capabilities, route func(b *plugins.Builder, x, logits plugins.Value, d plugins.Dims) plugins.Routing) plugins.Definition {
	return plugins.Router[struct{}]{
		Name: name, Doc: "does something wrong", Capabilities: caps,
		Route: func(b *plugins.Builder, x plugins.Value, _ struct{}, d plugins.Dims) plugins.Routing {
			return route(b, x, b.Linear("router", x, d.DModel, d.Experts), d)
		},
	}
}

func expert(name string, apply func(b *plugins.Builder, x plugins.Value, d plugins.Dims) plugins.Value) plugins.Definition {
	return plugins.Expert[struct{}]{
		Name: name, Doc: "does something wrong",
		Apply: func(b *plugins.Builder, x plugins.Value, _ struct{}, d plugins.Dims) plugins.Value {
			return apply(b, x, d)
		},
	}
}

// best is the usual choice of experts by some values.
func best(b *plugins.Builder, p plugins.Value, d plugins.Dims) plugins.Routing {
	weight, expert := op.TopK(p, b.Int64s(d.TopK), -1, true, true)
	return plugins.Routing{Expert: expert, Weight: weight}
}

var isCausal = plugins.Capabilities{Causal: true}

// bad are variants with the line that must fail.
var bad = []struct {
	definition plugins.Definition
	want       string
}{
	{router("leaking", isCausal, func(b *plugins.Builder, _, logits plugins.Value, d plugins.Dims) plugins.Routing {
		return best(b, op.Softmax(logits, 0), d)
	}), "leaking: later tokens change nothing before them, as declared: it says that it is causal, but"},
	{router("leaking-while-training", isCausal, func(b *plugins.Builder, _, logits plugins.Value, d plugins.Dims) plugins.Routing {
		if b.Training {
			return best(b, op.Softmax(logits, 0), d)
		}
		return best(b, op.Softmax(logits, 1), d)
	}), "leaking-while-training: later tokens change nothing before them, as declared: in its training form: it says"},
	{router("undifferentiable", isCausal, func(b *plugins.Builder, _, logits plugins.Value, d plugins.Dims) plugins.Routing {
		return best(b, op.Mod(op.Sigmoid(logits), b.Float(0.7)), d)
	}), "undifferentiable: gradients agree with finite differences: Mod/Mod: operator Mod has no gradient"},
	{router("out-of-range", isCausal, func(b *plugins.Builder, _, logits plugins.Value, d plugins.Dims) plugins.Routing {
		r := best(b, op.Softmax(logits, 1), d)
		r.Expert = op.Add(r.Expert, b.Int64(1))
		return r
	}), "out-of-range: finite results in range, at any number of tokens: of "},
	{router("not-a-number", isCausal, func(b *plugins.Builder, _, logits plugins.Value, d plugins.Dims) plugins.Routing {
		return best(b, op.Log(logits), d) // of negative numbers, too
	}), "not-a-number: finite results in range, at any number of tokens: of "},
	{router("partial", isCausal, func(b *plugins.Builder, _, logits plugins.Value, d plugins.Dims) plugins.Routing {
		first := op.Slice(logits, 1, 0, 1) // the first expert's logit counts twice
		return best(b, op.Softmax(op.Concat(1, op.Scale(first, 2), op.Slice(logits, 1, 1, d.Experts)), 1), d)
	}), "partial: experts may change places: with the experts' parameters in the opposite order, output"},
	{router("one-at-a-time", isCausal, func(b *plugins.Builder, x, logits plugins.Value, d plugins.Dims) plugins.Routing {
		count := op.Cast(op.Squeeze(op.Slice(op.ShapeOf(x), 0, 0, 1), 0), graph.Float32) // depends on how many there are, not on which
		return best(b, op.Softmax(op.Div(logits, count), 1), d)
	}), "one-at-a-time: a token alone is treated as in its sequence: token 0: alone, output"},
	{expert("mixing", func(b *plugins.Builder, x plugins.Value, d plugins.Dims) plugins.Value {
		return b.Project("down", op.Sub(x, op.ReduceMean(x, []int64{0}, true)), d.DModel, d.DOut)
	}), "mixing: later tokens change nothing before them, as declared: what token 0 gets changes"},
	{expert("overflowing", func(b *plugins.Builder, x plugins.Value, d plugins.Dims) plugins.Value {
		return op.Exp(op.Scale(b.Project("down", x, d.DModel, d.DOut), 100))
	}), "overflowing: finite results in range"},
}

func init() {
	var defs []plugins.Definition
	for _, b := range bad {
		defs = append(defs, b.definition)
	}
	plugins.Register(plugins.NewProvider("bad", "1.0.0", defs...))
}

// TestEachFaultIsFoundByItsCheck, and by its name.
func TestEachFaultIsFoundByItsCheck(t *testing.T) {
	failed, all := failures(t, host(t), "bad")
	for _, b := range bad {
		if !strings.Contains("\n"+failed, "\n"+b.want) {
			t.Errorf("no line %q; failed:\n%s", b.want, failed)
		}
	}
	t.Logf("all:\n%s", all)
}
