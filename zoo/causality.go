package zoo

import (
	"context"
	"fmt"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/plugins"
	"github.com/moezoo/moezoo/plugins/verify"
)

// checkCausal tests a router that says it is causal, in both of its forms.
func checkCausal(ctx context.Context, f *plugins.Function, dims map[string]int64) error {
	for _, fn := range []*graph.Graph{f.Train, f.Infer} {
		token, err := verify.LooksAhead(ctx, f, fn, dims)
		if err != nil {
			return err
		}
		if token >= 0 {
			return fmt.Errorf("it says that it is causal, but the routing of token %d changes with later tokens", token)
		}
	}
	return nil
}

// LooksAhead names a router whose inference form looks at later tokens: such a model has no
// step by step form. It is "" for causal models, and for those that look ahead only while
// they train.
func (m *Model) LooksAhead(ctx context.Context) (string, error) {
	for _, s := range m.Functions {
		if s.Variant.Kind != plugins.RouterKind || s.Variant.Capabilities.Causal {
			continue
		}
		f, err := s.Function()
		if err != nil {
			return "", err
		}
		if token, err := verify.LooksAhead(ctx, f, f.Infer, s.Dims); err != nil || token >= 0 {
			return s.Provider + "/" + s.Variant.Name, err
		}
	}
	return "", nil
}
