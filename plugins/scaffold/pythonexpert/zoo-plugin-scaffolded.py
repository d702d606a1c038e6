#!/usr/bin/env python3
"""An expert for the zoo."""

from moezoo_plugin import Option, Plugin, zeros

plugin = Plugin("scaffolded", "0.1.0")

# What a recipe may set, as in expert: {use: scaffolded, bias: true}.
options = {"bias": Option(False, "add a bias to every product")}


@plugin.expert("scaffolded", doc="(relu(x·Wg) ⊙ x·Wu)·Wd", paper="arXiv:2002.05202", options=options)
def apply(g, x, o, d):
    """ReGLU: a function of one token. It knows nothing of other tokens or of other experts; the layer lifts it
    over all of its experts."""

    def biased(name, v, n):
        return v + g.param(name, (n,), zeros(), decay=False) if o.bias else v

    gate = biased("gate_bias", g.linear("gate", x, d.d_model, d.width), d.width)  # [T, width]
    up = biased("up_bias", g.linear("up", x, d.d_model, d.width), d.width)  # [T, width]
    return biased("down_bias", g.project("down", g.Relu(gate) * up, d.width, d.d_out), d.d_out)


if __name__ == "__main__":
    plugin.main()
