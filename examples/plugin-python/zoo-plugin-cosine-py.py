#!/usr/bin/env python3
"""A router and an expert of somebody else's, in Python: no build step."""

from moezoo_plugin import Option, Plugin, Routing, linear

plugin = Plugin("cosine-py", "0.1.0")


@plugin.router(
    "cosine-py", doc="top-k by the cosine with a direction of each expert", paper="arXiv:2204.09179", causal=True,
    options={
        "temperature": Option(0.1, "smaller is sharper", min=0.001),
        "balance": Option(0.01, "weight of the load-balancing loss", min=0.0),
    },
)
def cosine(g, x, c, d):
    """softmax(cos(x, w_e) / temperature)."""
    w = g.param("directions", (d.d_model, d.experts), linear(d.d_model))
    p = g.Softmax(unit(g, x, 1) @ unit(g, w, 0) / c.temperature, axis=-1)  # [T, E]
    weight, expert = g.TopK(p, g.ints(d.top_k), axis=-1)
    return Routing(expert=expert, weight=weight).per_token("probabilities", p).loss("balance", c.balance, balance(g, p, expert, d))


def unit(g, v, axis):
    """Scales vectors along an axis to length 1."""
    return v / g.Sqrt(g.ReduceSum(v * v, g.ints(axis), keepdims=1) + 1e-6)


def balance(g, p, expert, d):
    """E · Σ_e f_e · P_e (arXiv 2101.03961): 1 when experts get equal shares."""
    chosen = g.Cast(g.Equal(g.Unsqueeze(expert, g.ints(2)), g.ints(*range(d.experts))), to=1)  # [T, k, E]
    share = g.ReduceMean(chosen, g.ints(0, 1), keepdims=0)
    return g.ReduceSum(share * g.ReduceMean(p, g.ints(0), keepdims=0), keepdims=0) * float(d.experts)


@plugin.expert("siglu", doc="(sigmoid(x·Wg) ⊙ x·Wu)·Wd", paper="arXiv:1612.08083")
def siglu(g, x, c, d):
    """The gated linear unit that SwiGLU came from."""
    gate = g.Sigmoid(g.linear("gate", x, d.d_model, d.width))
    return g.project("down", gate * g.linear("up", x, d.d_model, d.width), d.width, d.d_out)


if __name__ == "__main__":
    plugin.main()
