"""The layers that are compared, in PyTorch: functions of x [B, L, d] and of a dictionary of weights, in the
zoo's names and layout ([in, out]). Each is written as runs fastest in eager mode on a CPU, as far as we
know; README.md tells what was tried. Under autocast what the zoo keeps in float32 stays so: routers, the
convolution and the scan."""
import torch
import torch.nn.functional as F


chunk = None  # tokens of the scan that are computed by one call; None for all


def compile_scan():
    """For torch.compile: 16 steps of the scan at a time, compiled on their own. Hundreds of them unrolled
    take minutes to compile, anew for each length."""
    global chunk, scan, steps
    chunk = 16
    scan, steps = torch.compiler.disable(scan, recursive=False), torch.compile(steps, dynamic=False)


def norm(x, gain):
    return F.rms_norm(x, gain.shape, gain, 1e-5)


def mamba(x, p):
    u, z, dt, a, b, c = select(x, p)
    return gate(scan(u, dt, a, b, c), u, z, p)


def select(x, p):
    """What the scan reads, and the gate z."""
    state, rank = p["A_log"].shape[1], p["dt_proj.weight"].shape[0]
    u, z = (x @ p["in_proj.weight"]).chunk(2, -1)
    u = F.silu(convolution(u.float(), p["conv1d.weight"], p["conv1d.bias"]))
    s, b, c = (u @ p["x_proj.weight"]).split([rank, state, state], -1)
    dt = F.softplus(s @ p["dt_proj.weight"] + p["dt_proj.bias"])
    return u, z, dt, -torch.exp(p["A_log"]), b.float(), c.float()


def gate(y, u, z, p):
    return ((y + u * p["D"]) * F.silu(z)) @ p["out_proj.weight"]


def convolution(u, w, bias):
    """Each channel of u [B, L, d] alone, with the tokens before: a shifted sum takes half of conv1d's time."""
    length, width = u.shape[1], w.shape[1]
    padded, y = F.pad(u, (0, 0, width - 1, 0)), bias
    for k in range(width):
        y = torch.addcmul(y, padded[:, k:k + length], w[:, k])
    return y


def scan(u, dt, a, b, c):
    h, ys = u.new_zeros(u.shape[0], *a.shape), []
    with torch.autocast("cpu", enabled=False):
        for part in zip(*(v.split(chunk or u.shape[1], 1) for v in (dt, dt * u, b, c))):
            h, y = steps(h, a, *part)
            ys.append(y)
    return torch.cat(ys, 1)


def steps(h, a, dt, u, b, c):
    """A step for a token. Its operands are unbound first, and what it multiplies with is made in it: of the
    size [B, d, N] it stays in the caches."""
    ys = []
    for dt_t, u_t, b_t, c_t in zip(dt[..., None].unbind(1), u[..., None].unbind(1), b[:, :, None].unbind(1), c[..., None].unbind(1)):
        h = torch.addcmul(u_t * b_t, torch.exp(dt_t * a), h)
        ys.append(torch.bmm(h, c_t))
    return h, torch.cat(ys, 2).transpose(1, 2)


def moe(x, p):
    """A switch layer, and its balance: E times the sum over experts of their share of tokens and their mean
    probability."""
    flat, experts = x.reshape(-1, x.shape[-1]), p["router/router"].shape[1]
    with torch.autocast("cpu", enabled=False):
        probabilities = F.softmax(flat @ p["router/router"], -1)
        weight, expert = probabilities.max(-1)
    counts = (expert[:, None] == torch.arange(experts)).sum(0)
    order = expert.argsort()
    back = torch.empty_like(order).scatter_(0, order, torch.arange(len(order)))
    kind, ends = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype, counts.cumsum(0).int()
    rows = flat.index_select(0, order).to(kind)
    hidden = F.relu(F.grouped_mm(rows, p["experts/w1"].to(kind), offs=ends))
    y = F.grouped_mm(hidden, p["experts/w2"].to(kind), offs=ends).index_select(0, back) * weight[:, None]
    return y.view_as(x), experts * (counts / len(flat) * probabilities.mean(0)).sum()


def attention(x, p):
    """Heads of 64, rotated where p has angles' cosines and sines [L, 32]."""
    d = x.shape[-1]
    heads = lambda k: (x @ p[k + "_proj.weight"]).view(*x.shape[:2], d // 64, 64).transpose(1, 2)
    turned = lambda k: rotate(heads(k), p["cos"], p["sin"]) if "cos" in p else heads(k)
    y = F.scaled_dot_product_attention(turned("q"), turned("k"), heads("v"), is_causal=True)
    return y.transpose(1, 2).reshape(x.shape) @ p["o_proj.weight"]


def rotate(x, cos, sin):
    cos, sin, (a, b) = cos.to(x.dtype), sin.to(x.dtype), x.chunk(2, -1)
    return torch.cat([torch.addcmul(a * cos, b, sin, value=-1), torch.addcmul(b * cos, a, sin)], -1)


def ff(x, p):
    return linear(F.relu(linear(x, p["w1"], p.get("b1"))), p["w2"], p.get("b2"))


def linear(x, w, bias):
    return x @ w if bias is None else F.linear(x, w.t(), bias)
