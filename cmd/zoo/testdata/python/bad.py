#!/usr/bin/env python3
"""Routers that leak, raise, answer otherwise each time, and name an operator that is not there."""

import time

from moezoo_plugin import Plugin, Routing

plugin = Plugin("bad-py", "0.1.0")


def best(g, p, d):
    weight, expert = g.TopK(p, g.ints(d.top_k), axis=-1)
    return Routing(expert=expert, weight=weight)


@plugin.router("leaking", doc="softmax over tokens")
def leaking(g, x, c, d):
    return best(g, g.Softmax(g.linear("router", x, d.d_model, d.experts), axis=0), d)


@plugin.router("raising", doc="has a mistake")
def raising(g, x, c, d):
    return best(g, g.Softmax(nothing, axis=-1), d)


@plugin.router("impure", doc="depends on the time")
def impure(g, x, c, d):
    return best(g, g.Softmax(g.linear("router", x, d.d_model, d.experts) * float(time.time_ns() % 1000), axis=-1), d)


@plugin.router("misspelt", doc="no such operator")
def misspelt(g, x, c, d):
    return best(g, g.Softmx(g.linear("router", x, d.d_model, d.experts), axis=-1), d)


plugin.main()
