package zoo

import (
	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/plugins"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// mixture is the mixture inside of a mixer whose input is d wide; sites tells the inputs and
// outputs of its projections.
func (m *Model) mixture(x *recipe.Mixture, d int64, sites map[string][2]int64, path string, f function) (*blocks.Mixture, error) {
	if x == nil {
		return nil, nil
	}
	path += ".mixture"
	out := &blocks.Mixture{Experts: x.Experts, TopK: x.TopK}
	var err error
	if x.Routing == recipe.SharedSite {
		if out.Router, err = m.router(x.Router, d, x.Experts, x.TopK, x.AllowFuture, path, f); err != nil {
			return nil, err
		}
	}
	for _, name := range x.At {
		s := blocks.Site{Name: name, DIn: sites[name][0], DOut: sites[name][1]}
		if out.Router == nil {
			if s.Router, err = m.router(x.Router, s.DIn, x.Experts, x.TopK, x.AllowFuture, path, f); err != nil {
				return nil, err
			}
		}
		dims := map[string]int64{"d_model": s.DIn, "d_out": s.DOut, "width": x.Width}
		if s.Expert, err = f(plugins.ExpertKind, x.Expert, dims, nil, path+".expert"); err != nil {
			return nil, err
		}
		out.Sites = append(out.Sites, s)
	}
	return out, nil
}
