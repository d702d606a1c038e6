#!/usr/bin/env python3
"""A router for the zoo."""

from moezoo_plugin import Option, Plugin, Routing

plugin = Plugin("scaffolded", "0.1.0")

# What a recipe may set, as in router: {use: scaffolded, temperature: 0.5}.
options = {
    "temperature": Option(1.0, "smaller is sharper", min=0.001),
    "balance": Option(0.01, "weight of the load-balancing loss", min=0.0),
}


@plugin.router("scaffolded", doc="top-k by softmax with a temperature", causal=True, options=options)
def route(g, x, o, d):
    """Sends each token to the top_k experts with the largest softmax(x·W / temperature)."""
    logits = g.linear("router", x, d.d_model, d.experts)  # [T, E]
    p = g.Softmax(logits / o.temperature, axis=-1)  # [T, E]
    weight, expert = g.TopK(p, g.ints(d.top_k), axis=-1)  # [T, k] each
    return Routing(expert=expert, weight=weight).per_token("probabilities", p).loss("balance", o.balance, balance(g, p, expert, d))


def balance(g, p, expert, d):
    """E · Σ_e f_e · P_e (arXiv 2101.03961): f_e is the share of assignments that went to e, P_e its mean
    probability. It is 1 when all experts get the same."""
    chosen = g.Cast(g.Equal(g.Unsqueeze(expert, g.ints(2)), g.ints(*range(d.experts))), to=1)  # [T, k, E] float
    share = g.ReduceMean(chosen, g.ints(0, 1), keepdims=0)  # [E]
    return g.ReduceSum(share * g.ReduceMean(p, g.ints(0), keepdims=0), keepdims=0) * float(d.experts)


if __name__ == "__main__":
    plugin.main()
