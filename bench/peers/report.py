"""Writes what run.py measured as Markdown."""
import os
import platform
from statistics import median

marker = "<!-- What follows is written by bench/peers/run.sh. -->"


def table(head, rows):
    return "\n".join("| " + " | ".join(r) + " |" for r in [head, ["---"] * len(head), *rows]) + "\n"


def times(rows, key):
    return [r[key] for r in rows]


def comparison(result):
    """Programs that did the same thing: one row each."""
    ours = times(result["peers"]["moezoo"]["samples"]["again"], "wall_ms")
    rows = []
    for name, peer in sorted(result["peers"].items(), key=lambda p: median(times(p[1]["samples"]["again"], "wall_ms"))):
        wall, cpu = (times(peer["samples"]["again"], k) for k in ("wall_ms", "cpu_ms"))
        rows.append([name, *(f"{v:.4g}" for v in (min(wall), median(wall), max(wall), median(cpu))), f"{result['tokens'] / median(wall) * 1e3:.0f}",
                     f"{median(wall) / median(ours):.2f} ×", f"{min(wall) / min(ours):.2f} ×", str(len(wall))])
    text = table(["program", "best ms", "median ms", "worst ms", "cpu ms", "tokens/s", "median beside moezoo's", "best beside moezoo's", "repeats"], rows)
    compiled = [f"{name}: the first step took {p['first_s']:.0f} s, with compilation" for name, p in result["peers"].items() if "compiled" in name and "first_s" in p]
    notes = compiled + agreement(result["peers"]) + [f"{name}: {why}" for name, why in result["failed"].items()]
    notes.append(f"Other programs took {100 * max(result['others'], 0):.0f} % of the machine at most")
    return text + "\n" + ". ".join(notes) + ".\n"


def agreement(peers):
    """How far the results of programs are apart, where that is known."""
    notes = []
    off = {name: p["off"] for name, p in peers.items() if "off" in p}
    if off:
        notes.append("Outputs and gradients beside those of PyTorch's eager loop in float32, largest difference of any by its norm: " + ", ".join(f"{name} {v:.2g}" for name, v in off.items()))
    losses = {name: p for name, p in peers.items() if "losses" in p}
    if losses:
        notes.append("Losses of the first steps: " + ", ".join(f"{name} " + " ".join(f"{x:.5f}" for x in p["losses"]) for name, p in losses.items())
                     + "; norms of their gradients at most " + f"{max(p['norms_off'] for p in losses.values()):.1g} apart")
    return notes


def products(result):
    """Products of matrices: one row a shape, in GFLOP/s."""
    rows = []
    for request in next(iter(result["peers"].values()))["samples"]:
        e, m, n, k = map(int, request.split())
        flops = 2e-6 * e * m * n * k
        wall = {name: times(p["samples"][request], "wall_ms") for name, p in result["peers"].items()}
        cell = lambda w: f"{flops / median(w):.0f} ({flops / max(w):.0f}–{flops / min(w):.0f})"
        against = lambda name: f"{median(wall[name]) / median(wall['moezoo']):.2f} ×"
        rows.append([f"{'' if e == 1 else f'{e} of '}{m} × {n} × {k}", cell(wall["OpenBLAS"]), cell(wall["oneMKL"]), cell(wall["moezoo"]), against("OpenBLAS"), against("oneMKL")])
    return table(["m × n × k", "OpenBLAS GFLOP/s", "oneMKL GFLOP/s", "moezoo GFLOP/s", "beside OpenBLAS", "beside oneMKL"], rows)


def peaks(result):
    """What zoo bench reports."""
    r = result["report"]
    text = f"`{result['command']}`: peaks {r['peak']['GFLOPS']:.0f} GFLOP/s and {r['peak']['ReadGBPS']:.1f} GB/s, {r['machine']}; other programs took {100 * max(result['others'], 0):.0f} % of the machine.\n\n"
    row = lambda x: [x["name"], *(f"{x[k]:.4g}" for k in ("best_ms", "median_ms", "worst_ms", "cpu_ms")), f"{x['tokens_per_s']:.0f}", f"{x.get('gflop_per_s', 0):.0f}",
                     f"{x.get('gb_per_s', 0):.1f}", f"{100 * x['share_of_peak']:.0f} % of {x['bound']}", f"{x.get('peak_memory_bytes', 0) / 1e6:.0f} MB"]
    text += table(["", "best ms", "median ms", "worst ms", "cpu ms", "tokens/s", "GFLOP/s", "GB/s", "of peak", "memory"], [row(x) for x in r["rows"]])
    for c in r.get("curves", []):
        text += f"\nFrom {c['extents'][0]} to {c['extents'][-1]}: {c['last_over_first']:.2f} times as long. {c['fixed_ms']:.3g} ms + {c['ms_per_unit']:.3g} ms for each, off by at most {100 * c['largest_relative_error']:.1f} %.\n"
        if "cpu" in c:
            cpu = c["cpu"]
            text += f"\nIn processor time: {cpu['last_over_first']:.2f} times; {cpu['fixed_ms']:.3g} ms + {cpu['ms_per_unit']:.3g} ms for each, off by at most {100 * cpu['largest_relative_error']:.1f} %.\n"
    operators = r.get("operators", [])[:14]
    if operators:
        text += "\n" + table(["operator of a step", "median ms", "core ns an element", "GFLOP/s", "GB/s", "of peak"],
                             [[x["name"], f"{x['median_ms']:.4g}", f"{x['core_ns_per_element']:.3g}", f"{x.get('gflop_per_s', 0):.0f}", f"{x.get('gb_per_s', 0):.1f}", f"{100 * x['share_of_peak']:.0f} % of {x['bound']}"] for x in operators])
    return text


def section(title, result):
    if "report" in result:
        body = peaks(result)
    elif title.startswith("products"):
        body = products(result)
    else:
        body = comparison(result)
    return f"### {title[0].upper()}{title[1:]}\n\n{body}"


def write(path, titles, results, args):
    intro = ""
    if os.path.exists(path):
        intro = open(path).read().split(marker)[0]
    cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), platform.processor())
    done = [results[t] for t in titles if t in results]
    versions = sorted({f"{name.split(',')[0]}: {p['ready']}" for r in done for name, p in r.get("peers", {}).items()})
    with open(path, "w") as f:
        f.write(intro + marker + f"\n\n## Measured\n\n{min(r['date'] for r in done)}, {cpu}, {os.cpu_count()} cores, {args.threads} threads, {platform.system()}; medians of each program's turns. {'; '.join(versions)}.\n")
        for t in titles:
            if t in results:
                f.write("\n" + section(t, results[t]))
