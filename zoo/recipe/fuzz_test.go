package recipe

import (
	"testing"
	"time"
)

// checkStable parses what a recipe writes and expects the same text and hash again.
func checkStable(t *testing.T, r *Recipe) {
	t.Helper()
	again, err := Parse("again.yaml", r.YAML(), nil)
	if err != nil {
		t.Fatalf("a resolved recipe does not parse: %v\n%s", err, r.YAML())
	}
	if string(again.YAML()) != string(r.YAML()) || again.Hash() != r.Hash() {
		t.Fatalf("first\n%s\nthen\n%s", r.YAML(), again.YAML())
	}
}

func FuzzParse(f *testing.F) {
	f.Add(small)
	for _, e := range List() {
		raw, err := embedded.ReadFile("recipes/" + e.Name + ".yaml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(raw))
	}
	for _, c := range badRecipes {
		if len(c[0]) <= maxBytes { // larger ones are slow to vary, and refused by size alone
			f.Add(c[0])
		}
	}
	f.Fuzz(func(t *testing.T, src string) {
		start := time.Now()
		r, err := Parse("a.yaml", []byte(src), nil)
		if d := time.Since(start); d > 20*time.Second {
			t.Fatalf("took %v", d)
		}
		if err == nil {
			checkStable(t, r)
		} else if err.Error() == "" {
			t.Fatal("an error without a message")
		}
	})
}

func FuzzSet(f *testing.F) {
	for _, s := range []string{
		"layers.moe.router=topk", "layers.moe.router.use=topk", "layers[1].moe.experts=16", "train.lr=3e-4",
		"layers.moe.router={use: topk, z: [1, {a: null}]}", "norm.eps=1e-6", "final_norm=false", "layers[0]={ff: {width: 2x}}",
		"layers[0]=mamba", "layers=[]", "train.betas[0]=0.5", "a.b[9]=c", "=", "x", "train=[", "layers.moe=1\n2", "name=b",
		"layers.parallel={}", "layers.moe.experts=0x10", "repeat=&a 1", "doc=\"\\u0000\\U0001F600\"",
	} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, setting string, parallel bool) {
		name := "moe-mamba-debug"
		if parallel {
			name = "moe-mamba-parallel-debug"
		}
		start := time.Now()
		r, err := Load(name, setting)
		if d := time.Since(start); d > 20*time.Second {
			t.Fatalf("took %v", d)
		}
		if err == nil {
			checkStable(t, r)
		}
	})
}
