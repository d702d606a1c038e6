"""PyTorch's side of the comparison: one block, forward and backward.

Usage: peer_torch.py KIND D EXPERTS BATCH LENGTH THREADS SCAN FILE
Draws the weights, writes them with the input to FILE (safetensors, in the zoo's names and
layout) unless it exists, and reads them otherwise. Writes y and dx to FILE.torch. Then computes the
block again for every line on standard input and answers the milliseconds.
SCAN is sequential (the loop of transformers' slow path) or compiled (the same through
torch.compile).
"""
import json
import os
import resource
import struct
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

kind, d, experts, batch, length, threads, scan, path = sys.argv[1:]
d, experts, batch, length = int(d), int(experts), int(batch), int(length)
torch.set_num_threads(int(threads))
torch.manual_seed(1)


def write(path, tensors):
    header, at, blobs = {}, 0, []
    for name, t in sorted(tensors.items()):
        raw = t.detach().contiguous().numpy().astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [at, at + len(raw)]}
        at += len(raw)
        blobs.append(raw)
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(head)) + head + b"".join(blobs))


def read(path):
    raw = open(path, "rb").read()
    (n,) = struct.unpack("<Q", raw[:8])
    out = {}
    for name, e in json.loads(raw[8 : 8 + n]).items():
        a, b = e["data_offsets"]
        out[name] = torch.from_numpy(np.frombuffer(raw, "<f4", (b - a) // 4, 8 + n + a).reshape(e["shape"]).copy())
    return out


def draw():
    di, n, r = 2 * d, 16, (d + 15) // 16
    w = lambda *shape: torch.randn(*shape) * shape[-2] ** -0.5
    t = {"x": torch.randn(batch, length, d), "layers.0/norm/weight": torch.ones(d), "layers.1/norm/weight": torch.ones(d)}
    if kind == "moe-mamba":
        t |= {"layers.0/mamba/" + k: v for k, v in {
            "in_proj.weight": w(d, 2 * di), "conv1d.weight": torch.randn(di, 4) * 0.5, "conv1d.bias": torch.randn(di) * 0.1,
            "x_proj.weight": w(di, r + 2 * n), "dt_proj.weight": w(r, di), "dt_proj.bias": torch.full((di,), -4.0),
            "A_log": torch.log(torch.arange(1, n + 1).float()).repeat(di, 1), "D": torch.ones(di), "out_proj.weight": w(di, d)}.items()}
        t |= {"layers.1/moe/router/router": w(d, experts), "layers.1/moe/experts/w1": w(experts, d, 3 * d), "layers.1/moe/experts/w2": w(experts, 3 * d, d)}
    else:
        t |= {f"layers.0/attention/{k}_proj.weight": w(d, d) for k in "qkvo"}
        t |= {"layers.1/ff/w1": w(d, 4 * d), "layers.1/ff/w2": w(4 * d, d)}
    return t


if not os.path.exists(path):
    write(path, draw())
t = read(path)
for p in t.values():
    p.requires_grad_()


def norm(x, gain):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * gain


def mamba(x, p):
    di, n = 2 * d, 16
    xz = x @ p("in_proj.weight")
    u, z = xz.chunk(2, -1)
    u = F.conv1d(u.transpose(1, 2), p("conv1d.weight")[:, None], p("conv1d.bias"), padding=3, groups=di)[..., :length].transpose(1, 2)
    u = F.silu(u)
    s, b, c = (u @ p("x_proj.weight")).split([(d + 15) // 16, n, n], -1)
    dt = F.softplus(s @ p("dt_proj.weight") + p("dt_proj.bias"))
    decay = torch.exp(dt[..., None] * -torch.exp(p("A_log")))
    bu = (dt * u)[..., None] * b[:, :, None]
    h, ys = torch.zeros(batch, di, n), []
    for a_t, b_t, c_t in zip(decay.unbind(1), bu.unbind(1), c.unbind(1)):
        h = a_t * h + b_t
        ys.append((h @ c_t[..., None])[..., 0])
    y = torch.stack(ys, 1) + u * p("D")
    return (y * F.silu(z)) @ p("out_proj.weight")


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
    if hasattr(F, "scaled_dot_product_attention"):
        y = F.scaled_dot_product_attention(heads("q"), heads("k"), heads("v"), is_causal=True)
    else:
        s = heads("q") @ heads("k").transpose(-1, -2) / 8
        y = s.masked_fill(torch.ones(length, length, dtype=torch.bool).triu(1), float("-inf")).softmax(-1) @ heads("v")
    return y.transpose(1, 2).reshape(batch, length, d) @ p("o_proj.weight")


def block(x):
    at = lambda prefix: lambda name: t[prefix + name]
    first, second = (mamba, moe) if kind == "moe-mamba" else (attention, lambda x, p: F.relu(x @ p("w1")) @ p("w2"))
    names = ("mamba/", "moe/") if kind == "moe-mamba" else ("attention/", "ff/")
    x = x + first(norm(x, t["layers.0/norm/weight"]), at("layers.0/" + names[0]))
    return x + second(norm(x, t["layers.1/norm/weight"]), at("layers.1/" + names[1]))


run = torch.compile(block) if scan == "compiled" else block


def step():
    for p in t.values():
        p.grad = None
    y = run(t["x"])
    y.sum().backward()
    return y


y = step()
write(path + ".torch", {"y": y, "d/x": t["x"].grad})
print(json.dumps({"ready": "PyTorch " + torch.__version__}), flush=True)
for _ in sys.stdin:
    used, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    step()
    wall, now = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"wall_ms": wall * 1e3, "cpu_ms": (now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime) * 1e3}), flush=True)
