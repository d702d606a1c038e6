#!/usr/bin/env python3
"""A router of every form and with every capability, for the tests of the Python SDK."""

from moezoo_plugin import Option, Plugin, Routing, constant, normal, ones, uniform

plugin = Plugin("forms", "1.0.0")


def top(g, scores, d):
    weight, expert = g.TopK(scores, g.ints(d.top_k), axis=-1)
    return weight, expert


@plugin.router("state", doc="a bias that follows the load (arXiv:2408.15664)", stateful=True, options={"rate": Option(0.001, "step of the bias", min=0.0)})
def state(g, x, o, d):
    scores = g.Sigmoid(g.linear("router", x, d.d_model, d.experts))
    bias = g.state("bias", (d.experts,))
    _, expert = top(g, scores + bias, d)
    hits = g.Cast(g.Equal(g.Unsqueeze(expert, g.ints(2)), g.ints(*range(d.experts))), to=1)
    load = g.ReduceSum(hits, g.ints(0, 1), keepdims=0)

    def follow(u, b, total):
        return b + u.Sign(u.ReduceMean(total, keepdims=0) - total) * o.rate

    return Routing(expert=expert, weight=g.GatherElements(scores, expert, axis=1)).update("bias", load, follow)


@plugin.router("claim", doc="experts choose tokens (arXiv:2202.09368)", causal=False)
def claim(g, x, o, d):
    p = g.Softmax(g.linear("router", x, d.d_model, d.experts), axis=-1)
    weight, token = g.TopK(g.Transpose(p, perm=[1, 0]), g.ints(1), axis=-1)
    return Routing(token=token, weight=weight)


@plugin.router("mix", doc="slots of mixed tokens (arXiv:2308.00951)", causal=False)
def mix(g, x, o, d):
    logits = x @ g.param("slots", (d.d_model, 2 * d.experts), normal(0.3))
    return Routing(dispatch=g.Transpose(g.Softmax(logits, axis=0), perm=[1, 0]), combine=g.Softmax(logits, axis=1))


@plugin.router("training", doc="another function while training, with a random key and metrics", needs_rng=True)
def training(g, x, o, d):
    logits = g.linear("router", x, d.d_model, d.experts) * g.param("scale", (1,), ones()) - g.param("shift", (1,), constant(0.5))
    if g.training:
        word = g.Mod(g.Slice(g.rng, g.ints(0), g.ints(1)), g.int(1000))
        logits = logits * (1.0 + g.Cast(word, to=1) / 1e6)
    p = g.Softmax(logits, axis=-1)
    weight, expert = top(g, p, d)
    entropy = -g.ReduceMean(g.ReduceSum(p * g.Log(p + 1e-20), g.ints(-1), keepdims=0), keepdims=0)
    return Routing(expert=expert, weight=weight).metric("entropy", entropy).loss("entropy", -0.001, entropy)


@plugin.router("ids", doc="experts by token ids and positions", needs_token_ids=True, needs_positions=True, options={"shift": Option(0, "added to ids"), "even": Option(True, "weights are equal"), "by": Option("both", "what counts", enum=["both", "ids"])})
def ids(g, x, o, d):
    g.warn("tokens are told apart by their ids alone")
    key = g.token_ids + g.int(o.shift)
    if o.by == "both":
        key = key + g.positions
    expert = g.Mod(g.Unsqueeze(key, g.ints(1)) + g.ints(*range(d.top_k)), g.int(d.experts))
    weight = g.Cast(expert, to=1) * 0.0 + (1.0 / d.top_k if o.even else 1.0)
    return Routing(expert=expert, weight=weight)


@plugin.expert("own", doc="an operator of the zoo's own, a split, and other beginnings of parameters")
def own(g, x, o, d):
    both = x @ g.param("in", (d.d_model, 2 * d.width), uniform(-0.2, 0.2))
    a, b = g.Split(both, axis=1, num_outputs=2, outputs=2)
    return g.project("out", g.zoo.SiLU(a) * g.LeakyRelu(b, alpha=0.1), d.width, d.d_out)


plugin.main()
