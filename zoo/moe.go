package zoo

import (
	"fmt"

	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/plugins"
	"github.com/moezoo/moezoo/zoo/recipe"
)

func (m *Model) moe(x *recipe.MoE, path string, f function) (blocks.Block, error) {
	d := m.Recipe.DModel
	router, err := m.router(x.Router, d, x.Experts, x.TopK, x.AllowFuture, path, f)
	if err != nil {
		return nil, err
	}
	if x.CapacityFactor > 0 && router.Routing.Kind != plugins.Assign {
		return nil, m.Recipe.ErrorAt(path+".capacity_factor", fmt.Sprintf("router %s gives every expert the same number of rows: a capacity has no meaning", x.Router.Name), "leave it out")
	}
	inside := d
	if x.Latent > 0 {
		inside = x.Latent
	}
	expert, err := f(plugins.ExpertKind, x.Expert, map[string]int64{"d_model": inside, "width": x.Width}, nil, path+".expert")
	if err != nil {
		return nil, err
	}
	moe := blocks.MoE{
		DModel: d, Experts: x.Experts, TopK: x.TopK, Router: router, Expert: expert, Scale: x.RoutedScale, Latent: x.Latent,
		CapacityFactor: x.CapacityFactor, CapacityPerRow: x.CapacityScope == recipe.PerRow, PassThrough: x.Overflow == recipe.PassThrough,
	}
	if s := x.Shared; s != nil {
		shared, err := f(plugins.ExpertKind, s.Expert, map[string]int64{"d_model": d, "width": s.Experts * s.Width}, nil, path+".shared")
		if err != nil {
			return nil, err
		}
		moe.Shared = &blocks.Shared{Expert: shared, Gated: s.Gate}
	}
	return moe, nil
}

// router is the function of a router that sees d numbers of each token. One that looks at
// later tokens is refused unless the recipe allows it in words.
func (m *Model) router(use recipe.Use, d, experts, topK int64, allowFuture bool, path string, f function) (*plugins.Function, error) {
	dims := map[string]int64{"d_model": d, "experts": experts, "top_k": topK, "vocabulary": m.Recipe.Vocabulary.Size}
	router, err := f(plugins.RouterKind, use, dims, nil, path+".router")
	if err != nil {
		return nil, err
	}
	if !router.Capabilities.Causal && !allowFuture {
		return nil, m.Recipe.ErrorAt(path+".router", fmt.Sprintf("router %s looks at later tokens, which a causal model must not", use.Name),
			"choose a router that zoo list shows as causal, or write allow_future: true beside it")
	}
	return router, nil
}
