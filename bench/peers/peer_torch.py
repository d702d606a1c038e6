"""PyTorch's side of the comparison: one block, forward and backward.

Usage: peer_torch.py KIND D EXPERTS BATCH LENGTH THREADS VARIANT PRECISION FILE
Draws the weights, writes them with the input to FILE (safetensors, in the zoo's names and
layout) unless it exists, and reads them otherwise. Writes y and the gradients of all of them to
FILE.VARIANT, with .bf16 behind it where PRECISION is bf16, which is autocast, and not fp32. Then computes
the block again for every line on standard input and answers the milliseconds. VARIANT is how the scan is
computed:

loop            as torch_layers.py has it: the fastest eager loop we know
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
from safetensors.torch import load_file, save_file

import torch_layers as layers

kind, d, experts, batch, length, threads, variant, precision, path = sys.argv[1:]
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


def weights(prefix):
    return {name.removeprefix(prefix): w for name, w in t.items() if name.startswith(prefix)}


def block(x):
    normed = layers.norm(x, t["layers.0/norm/weight"])
    if mixer is not None:
        x = x + mixer(normed)
    elif kind == "moe-mamba":
        x = x + layers.mamba(normed, weights("layers.0/mamba/"))
    else:
        x = x + layers.attention(normed, weights("layers.0/attention/"))
    normed = layers.norm(x, t["layers.1/norm/weight"])
    if kind == "moe-mamba":
        return x + layers.moe(normed, weights("layers.1/moe/"))[0]
    return x + layers.ff(normed, weights("layers.1/ff/"))


if variant == "compiled":
    layers.compile_scan()
run = torch.compile(block) if variant in ("compiled", "associative") else block


def step():
    for p in t.values():
        p.grad = None
    if mixer is not None:
        mixer.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
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
save_file({"y": y.contiguous()} | gradients(), path + "." + variant + (".bf16" if precision == "bf16" else ""))
print(json.dumps({"ready": "PyTorch " + torch.__version__, "first_s": round(first, 1)}), flush=True)
for _ in sys.stdin:
    cpu, start = used(), time.perf_counter()
    step()
    print(json.dumps({"wall_ms": (time.perf_counter() - start) * 1e3, "cpu_ms": (used() - cpu) * 1e3}), flush=True)
