"""PyTorch's side of the comparison: one block, forward and backward.

Usage: peer_torch.py KIND D EXPERTS BATCH LENGTH THREADS VARIANT FILE
Draws the weights, writes them with the input to FILE (safetensors, in the zoo's names and
layout) unless it exists, and reads them otherwise. Writes y and the gradients of all of them to
FILE.VARIANT. Then computes the block again for every line on standard input and answers the
milliseconds. VARIANT is how the scan is computed:

loop            a step for a token, the operands unbound first: the fastest eager loop we know
transformers    transformers' MambaMixer as it is without its CUDA kernels: a loop that indexes
mambapy         the same, with mamba.py's parallel scan
compiled        loop through torch.compile
associative     transformers' MambaMixer with its associative scan, through torch.compile
"""
import json
import os
import resource
import sys
import time

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

kind, d, experts, batch, length, threads, variant, path = sys.argv[1:]
d, experts, batch, length = int(d), int(experts), int(batch), int(length)
torch.set_num_threads(int(threads))
torch.manual_seed(1)
inner, state, rank = 2 * d, 16, (d + 15) // 16


def draw():
    w = lambda *shape: torch.randn(*shape) * shape[-2] ** -0.5
    t = {"x": torch.randn(batch, length, d), "layers.0/norm/weight": torch.ones(d), "layers.1/norm/weight": torch.ones(d)}
    if kind == "moe-mamba":
        t |= {"layers.0/mamba/" + k: v for k, v in {
            "in_proj.weight": w(d, 2 * inner), "conv1d.weight": torch.randn(inner, 4) * 0.5, "conv1d.bias": torch.randn(inner) * 0.1,
            "x_proj.weight": w(inner, rank + 2 * state), "dt_proj.weight": w(rank, inner), "dt_proj.bias": torch.full((inner,), -4.0),
            "A_log": torch.log(torch.arange(1, state + 1).float()).repeat(inner, 1), "D": torch.ones(inner), "out_proj.weight": w(inner, d)}.items()}
        t |= {"layers.1/moe/router/router": w(d, experts), "layers.1/moe/experts/w1": w(experts, d, 3 * d), "layers.1/moe/experts/w2": w(experts, 3 * d, d)}
    else:
        t |= {f"layers.0/attention/{k}_proj.weight": w(d, d) for k in "qkvo"}
        t |= {"layers.1/ff/w1": w(d, 4 * d), "layers.1/ff/w2": w(4 * d, d)}
    return t


if not os.path.exists(path):
    save_file(draw(), path)
t = load_file(path)
for p in t.values():
    p.requires_grad_()


def norm(x, gain):
    return F.rms_norm(x, (d,), gain, 1e-5)


def mamba(x, p):
    xz = x @ p("in_proj.weight")
    u, z = xz.chunk(2, -1)
    u = F.conv1d(u.transpose(1, 2), p("conv1d.weight")[:, None], p("conv1d.bias"), padding=3, groups=inner)[..., :length].transpose(1, 2)
    u = F.silu(u)
    s, b, c = (u @ p("x_proj.weight")).split([rank, state, state], -1)
    dt = F.softplus(s @ p("dt_proj.weight") + p("dt_proj.bias"))
    decay = torch.exp(dt[..., None] * -torch.exp(p("A_log")))
    bu = (dt * u)[..., None] * b[:, :, None]
    h, ys = torch.zeros(batch, inner, state), []
    for a_t, b_t, c_t in zip(decay.unbind(1), bu.unbind(1), c.unbind(1)):
        h = a_t * h + b_t
        ys.append((h @ c_t[..., None])[..., 0])
    y = torch.stack(ys, 1) + u * p("D")
    return (y * F.silu(z)) @ p("out_proj.weight")


def transformers_mixer(prefix):
    """transformers' own layer, with our tensors (transposed where it keeps [out, in]) for weights."""
    from transformers import MambaConfig
    from transformers.models.mamba.modeling_mamba import MambaMixer
    config = MambaConfig(hidden_size=d, intermediate_size=inner, state_size=state, conv_kernel=4, time_step_rank=rank, num_hidden_layers=1,
                         use_mambapy=variant == "mambapy", use_associative_scan=variant == "associative")
    mixer = MambaMixer(config, 0)
    layouts = {"conv1d.weight": lambda w: w[:, None], "in_proj.weight": torch.t, "x_proj.weight": torch.t, "dt_proj.weight": torch.t, "out_proj.weight": torch.t}
    for name, parameter in mixer.named_parameters():
        tensor = t[prefix + name].detach()
        parameter.data = layouts.get(name, lambda w: w)(tensor).contiguous()
    return mixer, layouts


mixer, layouts = None, {}
if kind == "moe-mamba" and variant in ("transformers", "mambapy", "associative"):
    mixer, layouts = transformers_mixer("layers.0/mamba/")


def moe(x, p):
    flat = x.reshape(-1, d)
    weight, expert = F.softmax(flat @ p("router/router"), -1).max(-1)
    out = torch.zeros_like(flat)
    for e in range(experts):
        rows = (expert == e).nonzero()[:, 0]
        y = F.relu(flat[rows] @ p("experts/w1")[e]) @ p("experts/w2")[e]
        out = out.index_add(0, rows, y * weight[rows, None])
    return out.view_as(x)


def attention(x, p):
    heads = lambda k: (x @ p(k + "_proj.weight")).view(batch, length, d // 64, 64).transpose(1, 2)
    y = F.scaled_dot_product_attention(heads("q"), heads("k"), heads("v"), is_causal=True)
    return y.transpose(1, 2).reshape(batch, length, d) @ p("o_proj.weight")


def block(x):
    at = lambda prefix: lambda name: t[prefix + name]
    normed = norm(x, t["layers.0/norm/weight"])
    if mixer is not None:
        x = x + mixer(normed)
    elif kind == "moe-mamba":
        x = x + mamba(normed, at("layers.0/mamba/"))
    else:
        x = x + attention(normed, at("layers.0/attention/"))
    normed = norm(x, t["layers.1/norm/weight"])
    if kind == "moe-mamba":
        return x + moe(normed, at("layers.1/moe/"))
    ff = at("layers.1/ff/")
    return x + F.relu(normed @ ff("w1")) @ ff("w2")


run = torch.compile(block) if variant in ("compiled", "associative") else block


def step():
    for p in t.values():
        p.grad = None
    if mixer is not None:
        mixer.zero_grad()
    y = run(t["x"])
    y.sum().backward()
    return y


def gradients():
    out = {name: p.grad for name, p in t.items()}
    if mixer is not None:
        back = lambda name, g: g[:, 0] if name == "conv1d.weight" else layouts.get(name, lambda w: w)(g)
        out |= {"layers.0/mamba/" + name: back(name, p.grad) for name, p in mixer.named_parameters()}
    return {"d/" + name: g.contiguous() for name, g in out.items()}


def used():
    u = resource.getrusage(resource.RUSAGE_SELF)
    return u.ru_utime + u.ru_stime


start = time.perf_counter()
y = step().detach()
first = time.perf_counter() - start  # with torch.compile, mostly compilation
save_file({"y": y.contiguous()} | gradients(), path + "." + variant)
print(json.dumps({"ready": "PyTorch " + torch.__version__, "first_s": round(first, 1)}), flush=True)
for _ in sys.stdin:
    cpu, start = used(), time.perf_counter()
    step()
    print(json.dumps({"wall_ms": (time.perf_counter() - start) * 1e3, "cpu_ms": (used() - cpu) * 1e3}), flush=True)
