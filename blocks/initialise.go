package blocks

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"

	"github.com/moezoo/moezoo/graph"
)

// Policy is a family of initial distributions.
type Policy string

// Policies: MambaSSM is what state-spaces/mamba does (models of the Mamba family);
// Paper is what the authors of MoE-Mamba did (llm-random/llm-random): truncated normals
// of variance 0.1/fan_in outside the mixers, which keep the library's own.
const (
	MambaSSM Policy = "mamba_ssm"
	Paper    Policy = "paper"
)

// Initialiser gives parameters their first values. Each parameter draws from a generator
// keyed by the seed and its name, so that values depend neither on order nor on what else
// the model has.
type Initialiser struct {
	Policy Policy
	Layers int // residual layers, which scale what is added to the stream
	Seed   uint64
}

// Fill writes the first values of p into out, as long as the parameter has elements. The
// schemes are those named in inits.go, and for plugins: linear, residual, zeros, ones,
// constant (value), normal (std), uniform (bound). An unknown scheme is an error.
func (in Initialiser) Fill(p *graph.Param, out []float32) error {
	h := fnv.New64a()
	h.Write([]byte(p.Value.Name))
	r := rand.New(rand.NewPCG(in.Seed, h.Sum64()))
	draw, err := in.distribution(p, r)
	if err != nil {
		return fmt.Errorf("parameter %s: %w", p.Value.Name, err)
	}
	for i := range out {
		out[i] = float32(draw(i))
	}
	return nil
}

// distribution is the value of element i.
func (in Initialiser) distribution(p *graph.Param, r *rand.Rand) (func(i int) float64, error) {
	a := p.Init.Args
	fanIn := max(a["fan_in"], 1)
	switch s := p.Init.Scheme; s {
	case "zeros":
		return fixed(0), nil
	case "ones":
		return fixed(1), nil
	case "constant":
		return fixed(a["value"]), nil
	case "normal":
		return func(int) float64 { return r.NormFloat64() * a["std"] }, nil
	case "uniform":
		return uniform(r, a["bound"]), nil
	case "conv", "mixer_linear":
		return uniform(r, 1/math.Sqrt(fanIn)), nil
	case "linear", "head":
		return in.linear(r, fanIn, 1), nil
	case "residual":
		if in.Policy == Paper && a["experts"] > 0 {
			fanIn *= a["experts"] // the authors' default counts the experts as inputs
		}
		return in.linear(r, fanIn, math.Sqrt(float64(max(in.Layers, 1)))), nil
	case "embedding":
		if in.Policy == Paper {
			return truncated(r, math.Sqrt(0.1), 0.2), nil // fan_in counts as 1
		}
		return func(int) float64 { return r.NormFloat64() * 0.02 }, nil
	case "a_log": // S4D-real: row c is ln 1 … ln N
		n, _ := p.Value.Dim(-1).Int()
		return func(i int) float64 { return math.Log(float64(int64(i)%n + 1)) }, nil
	case "a_log_uniform": // A uniform in [min, max]
		return func(int) float64 { return math.Log(a["min"] + r.Float64()*(a["max"]-a["min"])) }, nil
	case "rglru_lambda": // e^(−8·softplus(Λ)), which is a where the gate is open, is uniform by area in [min, max]
		return func(int) float64 {
			u := a["min"]*a["min"] + r.Float64()*(a["max"]*a["max"]-a["min"]*a["min"])
			return math.Log(math.Expm1(-math.Log(u) / 16))
		}, nil
	case "log_uniform": // the logarithm of step sizes in [min, max]
		lo, hi := math.Log(a["min"]), math.Log(a["max"])
		return func(int) float64 { return lo + r.Float64()*(hi-lo) }, nil
	case "s4d_lin": // row c is 0, π, 2π …
		n, _ := p.Value.Dim(-1).Int()
		return func(i int) float64 { return math.Pi * float64(int64(i)%n) }, nil
	case "s4d_inv": // row c is N/π·(N/(2n+1) − 1)
		half, _ := p.Value.Dim(-1).Int()
		n := float64(2 * half)
		return func(i int) float64 { return n / math.Pi * (n/float64(2*(int64(i)%half)+1) - 1) }, nil
	case "hippo_im", "hippo_b", "hippo_c":
		return hippo(p, r)
	case "dt_proj":
		return uniform(r, 1/math.Sqrt(max(a["rank"], 1))), nil
	case "dt_bias":
		lo, hi := math.Log(a["min"]), math.Log(a["max"])
		return func(int) float64 {
			dt := max(math.Exp(r.Float64()*(hi-lo)+lo), a["floor"])
			return dt + math.Log(-math.Expm1(-dt)) // softplus of it is dt
		}, nil
	default:
		return nil, fmt.Errorf("unknown initialisation scheme %q", s)
	}
}

// linear is a weight with fanIn inputs whose output is scaled down by shrink.
func (in Initialiser) linear(r *rand.Rand, fanIn, shrink float64) func(int) float64 {
	if in.Policy == Paper {
		return truncated(r, math.Sqrt(0.1/fanIn), 0.2)
	}
	return uniform(r, 1/math.Sqrt(fanIn)/shrink)
}

func fixed(x float64) func(int) float64 { return func(int) float64 { return x } }

func uniform(r *rand.Rand, bound float64) func(int) float64 {
	return func(int) float64 { return (2*r.Float64() - 1) * bound }
}

// truncated is a normal cut at ±limit, an absolute value, by drawing again.
func truncated(r *rand.Rand, std, limit float64) func(int) float64 {
	return func(int) float64 {
		for {
			if x := r.NormFloat64() * std; math.Abs(x) <= limit {
				return x
			}
		}
	}
}
