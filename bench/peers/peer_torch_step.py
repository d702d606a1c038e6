"""PyTorch's side of the comparison of whole optimiser steps: embedding, layers, head, loss, backward,
clipping and AdamW.

Usage: peer_torch_step.py THREADS VARIANT PRECISION FILE
FILE is safetensors as the zoo's side writes it: weights, a batch, and the rules of the training. Makes the
first steps, tells their losses and the norms of their gradients, and then makes another for every line on
standard input, answering the milliseconds. VARIANT is loop, or compiled: the layers and the head go through
torch.compile, a kind of layer once for all that are alike. PRECISION is fp32, or bf16 for autocast.
"""
import json
import resource
import sys
import time

import torch
import torch.nn.functional as F
from safetensors import safe_open

import torch_layers

threads, variant, precision, path = sys.argv[1:]
torch.set_num_threads(int(threads))
with safe_open(path, "pt") as f:
    rules, t = json.loads(f.metadata()["rules"]), {name: f.get_tensor(name) for name in f.keys()}
ids, targets = t.pop("input_ids"), t.pop("targets")
for p in t.values():
    p.requires_grad_()
decayed = set(rules["decayed"])
groups = [{"params": [p for name, p in t.items() if (name in decayed) == decay], "weight_decay": rules["decay"] if decay else 0} for decay in (True, False)]
optimizer = torch.optim.AdamW(groups, lr=rules["lr"], betas=rules["betas"], eps=rules["eps"], fused=True)


def layer_weights():
    """Of each layer: its kind, the gain of its norm, and its weights by their names in it."""
    for i in range(len({name.split("/")[0] for name in t if name.startswith("layers.")})):
        prefix = f"layers.{i}/"
        kind = next(name.split("/")[1] for name in t if name.startswith(prefix) and not name.startswith(prefix + "norm/"))
        yield kind, t[prefix + "norm/weight"], {name.removeprefix(prefix + kind + "/"): w for name, w in t.items() if name.startswith(prefix + kind + "/")}


def layer(kind, x, gain, p):
    y = getattr(torch_layers, kind)(torch_layers.norm(x, gain), p)
    y, balance = y if kind == "moe" else (y, None)
    return x + y, balance


def entropy(x, gain, head):
    logits = torch_layers.norm(x, gain) @ head
    return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten())


if variant == "compiled":
    torch_layers.compile_scan()
    layer, entropy = torch.compile(layer, dynamic=False), torch.compile(entropy, dynamic=False)
layers = list(layer_weights())
if rules["rope"]:
    angles = torch.arange(ids.shape[1])[:, None] * rules["rope"] ** (-torch.arange(32) / 32)
    for kind, _, p in layers:
        if kind == "attention":
            p |= {"cos": angles.cos(), "sin": angles.sin()}


def step():
    optimizer.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        x, auxiliary = F.embedding(ids, t["embedding/weight"]), 0
        for kind, gain, p in layers:
            x, balance = layer(kind, x, gain, p)
            if balance is not None:
                auxiliary = auxiliary + rules["balance"] * balance
        loss = entropy(x, t["final_norm/weight"], t["head/weight"]) + auxiliary
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(list(t.values()), rules["clip"], foreach=True)
    optimizer.step()
    return loss.item(), norm.item()


def used():
    u = resource.getrusage(resource.RUSAGE_SELF)
    return u.ru_utime + u.ru_stime


start, first, losses, norms = time.perf_counter(), None, [], []
for _ in range(rules["checked"]):
    loss, norm = step()
    losses, norms = losses + [loss], norms + [norm]
    first = first or time.perf_counter() - start  # with torch.compile, mostly compilation
print(json.dumps({"ready": "PyTorch " + torch.__version__, "first_s": round(first, 1), "losses": losses, "norms": norms}), flush=True)
for _ in sys.stdin:
    cpu, start = used(), time.perf_counter()
    step()
    print(json.dumps({"wall_ms": (time.perf_counter() - start) * 1e3, "cpu_ms": (used() - cpu) * 1e3}), flush=True)
