package check

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/graph"
	_ "github.com/moezoo/moezoo/plugins/builtin"
	"github.com/moezoo/moezoo/plugins/plugintest"
	"github.com/moezoo/moezoo/zoo"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// TestChoicesThatHangOnRounding: where two experts have the same gate but for its last bit, a
// difference behind the choice hangs on rounding; where all gates differ, it does not. The
// weights stay what they were.
func TestChoicesThatHangOnRounding(t *testing.T) {
	h := plugintest.Host(t)
	r, err := recipe.Load("moe-mamba-debug")
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	m, err := zoo.Build(ctx, r, h)
	if err != nil {
		t.Fatal(err)
	}
	for _, tied := range []bool{false, true} {
		d := cpu.New(1)
		defer d.Close()
		gates := 0
		model, err := m.Begun(d, func(p *graph.Param, values []float32) {
			Awake(p, values)
			if !strings.Contains(p.Value.Name, "/router/") {
				return
			}
			shape, _ := p.Value.Shape().Ints()
			if gates++; tied && len(shape) == 2 {
				for i := range shape[0] {
					row := values[i*shape[1] : (i+1)*shape[1]]
					for j := 1; j < len(row); j++ {
						row[j] = row[0] * (1 + float32(j)*1e-7)
					}
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if gates == 0 {
			t.Fatal("the model has no routers")
		}
		const batch, n = 2, 20
		ids := tokens(model, 5, batch*n)
		want, err := model.Forward(ctx, ids, batch, n)
		if err != nil {
			t.Fatal(err)
		}
		hung, err := hangs(ctx, model, ids, want, batch, apartness{row: 1, position: 11, difference: 1e-2})
		if err != nil || hung != tied {
			t.Errorf("gates that are tied: %v; the choice hangs on rounding: %v (%v)", tied, hung, err)
		}
		if again, err := model.Forward(ctx, ids, batch, n); err != nil || !slices.Equal(want, again) {
			t.Errorf("the weights were not put back (%v)", err)
		}
	}
}
