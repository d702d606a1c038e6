package zoo

import (
	"context"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/plugins"
	"github.com/moezoo/moezoo/safetensors"
	"github.com/moezoo/moezoo/train"
	"github.com/moezoo/moezoo/train/checkpoint"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// UpcycleOptions say how a dense run becomes a run with experts.
type UpcycleOptions struct {
	recipe.Upcycling
	// Noise is how far the copies differ: that many times a weight's root mean square is the
	// standard deviation of what is added to it. 0 leaves all copies equal.
	Noise    float64
	Settings []string // KEY=VALUE, of the new recipe
}

// maxNoise is far beyond what leaves anything of the weights.
const maxNoise = 100.0

// Upcycled says what an upcycling made.
type Upcycled struct {
	*Model
	Layers []int    // that became experts
	Notes  []string // what settings lost
}

// Upcycle makes a run, of step 0, in which copies of a run's dense layers are experts (arXiv
// 2212.05055); routers begin as in a new model. Copies that are equal, weighed to a sum of 1,
// give what the dense layer did. Weights are written one by one, so that never more than one
// of them is in memory. The functions that the run holds are taken as they are. On a failure
// nothing remains at out.
func Upcycle(ctx context.Context, run, out string, o UpcycleOptions, h *plugins.Host) (*Upcycled, error) {
	if !(o.Noise >= 0 && o.Noise <= maxNoise) {
		return nil, fmt.Errorf("noise is %v, want 0 to %v times a weight's size", o.Noise, maxNoise)
	}
	c, err := checkpoint.Find(run)
	if err != nil {
		return nil, err
	}
	old, err := openModel(c)
	if err != nil {
		return nil, err
	}
	r, layers, err := old.Recipe.Upcycled(o.Upcycling)
	if err != nil {
		return nil, err
	}
	made := &Upcycled{Layers: layers}
	if r, made.Notes, err = r.With(o.Settings); err != nil {
		return nil, err
	}
	if made.Model, err = (building{held: old.Functions}).model(ctx, r, h); err != nil {
		return nil, err
	}
	made.Files = old.Files
	u, err := newUpcycling(c, made, o.Noise)
	if err != nil {
		return nil, err
	}
	defer u.file.Close()
	params, err := made.params()
	if err != nil {
		return nil, err
	}
	return made, made.saveNew(ctx, out, params, u.values)
}

// upcycling makes the weights of a run with experts out of a dense run's.
type upcycling struct {
	file   *safetensors.File // of the dense run
	params []*graph.Param    // of the new one
	from   []string          // of each: the dense run's weight, empty for a router's
	copies []bool            // of each: it is the dense weight once for each expert
	init   blocks.Initialiser
	noise  float64
}

func newUpcycling(c *checkpoint.Checkpoint, m *Upcycled, noise float64) (*upcycling, error) {
	b, err := m.Net.Build(blocks.Options{})
	if err != nil {
		return nil, fmt.Errorf("the dense layers cannot become experts: %w", err)
	}
	path, err := c.Path(train.ModelFile)
	if err != nil {
		return nil, err
	}
	u := &upcycling{params: b.G.Params, noise: noise}
	u.init = blocks.Initialiser{Policy: blocks.Policy(m.Recipe.Init), Layers: len(m.Net.Layers), Seed: m.Recipe.Train.Seed}
	if u.file, err = safetensors.Open(path); err != nil {
		return nil, err
	}
	for _, p := range u.params {
		from, copied := denseName(p.Value.Name, m.Layers)
		u.from, u.copies = append(u.from, from), append(u.copies, copied)
		if err := u.check(p, from, copied); err != nil {
			u.file.Close()
			return nil, err
		}
	}
	return u, nil
}

// denseName is the dense run's name of a parameter, empty when it has none: a router's. The
// experts' are copies.
func denseName(name string, layers []int) (from string, copied bool) {
	var i int
	if n, _ := fmt.Sscanf(name, "layers.%d/", &i); n != 1 || !slices.Contains(layers, i) {
		return name, false
	}
	prefix := fmt.Sprintf("layers.%d/", i)
	rest := strings.TrimPrefix(name, prefix)
	if weight, ok := strings.CutPrefix(rest, "moe/experts/"); ok {
		return prefix + "ff/" + weight, true
	}
	if strings.HasPrefix(rest, "moe/") {
		return "", false
	}
	part, weight, _ := strings.Cut(rest, "/")
	if norm, ok := strings.CutSuffix(part, "norm_moe"); ok { // beside other blocks
		return prefix + norm + "norm_ff/" + weight, false
	}
	return name, false
}

// check holds a parameter's shape against the dense run's weight.
func (u *upcycling) check(p *graph.Param, from string, copied bool) error {
	if from == "" {
		return nil
	}
	ints, _ := p.Value.Shape().Ints()
	shape := int64s(ints)
	if copied {
		shape = shape[1:]
	}
	info, ok := u.file.Info(from)
	if !ok {
		return fmt.Errorf("parameter %s: the dense run has no %s", p.Value.Name, from)
	}
	if !slices.Equal(info.Shape, shape) {
		return fmt.Errorf("parameter %s: the dense run's %s has the shape %v, want %v", p.Value.Name, from, info.Shape, shape)
	}
	return nil
}

// values are those of parameter i.
func (u *upcycling) values(i int) ([]float32, error) {
	p := u.params[i]
	n, _ := p.Value.Shape().Elements().Int()
	if u.from[i] == "" {
		out := make([]float32, n)
		return out, u.init.Fill(p, out)
	}
	dense, err := u.file.Float32(u.from[i])
	if err != nil || !u.copies[i] {
		return dense, err
	}
	out := slices.Repeat(dense, int(n)/len(dense))
	u.disturb(p.Value.Name, out, rootMeanSquare(dense))
	return out, nil
}

// disturb adds the noise of a parameter whose weights have the given size. It depends on the
// seed and the parameter's name alone.
func (u *upcycling) disturb(name string, w []float32, size float64) {
	if u.noise == 0 {
		return
	}
	h := fnv.New64a()
	h.Write([]byte("noise " + name))
	r := rand.New(rand.NewPCG(u.init.Seed, h.Sum64()))
	for i := range w {
		w[i] += float32(u.noise * size * r.NormFloat64())
	}
}

func rootMeanSquare(v []float32) float64 {
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum / float64(max(len(v), 1)))
}
