#!/usr/bin/env python3
"""Compares the zoo with PyTorch and ONNX Runtime on this machine: the same blocks with the same
weights, forward and backward, and the same trained model, exported, in prefill and decoding. The
programs take turns, so that all meet the same load.

    python3 bench/peers/run.py [--repeats 5] [--out docs/benchmarks.md]

PyTorch, onnxruntime and numpy must be installed for the Python that runs this (without onnxruntime its rows
are left out); Go must be there. Where PyTorch can
compile, that is a row, too, unless it takes more than --compile-limit seconds.
"""
import argparse
import importlib.util
import datetime
import json
import os
import platform
import statistics
import struct
import subprocess
import sys
import tempfile
import time

import numpy as np

here = os.path.dirname(os.path.abspath(__file__))


def read(path):
    raw = open(path, "rb").read()
    (n,) = struct.unpack("<Q", raw[:8])
    return {k: np.frombuffer(raw, "<f4", (e["data_offsets"][1] - e["data_offsets"][0]) // 4, 8 + n + e["data_offsets"][0])
            for k, e in json.loads(raw[8 : 8 + n]).items()}


class Peer:
    """A process that answers a line for a line."""

    def __init__(self, name, command, limit):
        self.name, self.samples = name, []
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=os.path.join(here, "..", ".."))
        self.version = json.loads(self.line(limit))["ready"]

    def line(self, limit):
        import select
        if not select.select([self.process.stdout], [], [], limit)[0]:
            self.process.kill()
            raise TimeoutError(f"{self.name}: no answer within {limit} s")
        text = self.process.stdout.readline()
        if not text:
            raise RuntimeError(f"{self.name} ended")
        return text

    def measure(self):
        time.sleep(0.2)  # threads of the one before may still be spinning
        self.process.stdin.write("again\n")
        self.process.stdin.flush()
        self.samples.append(json.loads(self.line(600)))

    def column(self, key):
        return [s[key] for s in self.samples]


def compare(kind, d, args, folder, zoo):
    shape = [str(v) for v in (8, args.batch, args.length)]
    weights = os.path.join(folder, f"{kind}-{d}")
    torch = lambda scan: [sys.executable, os.path.join(here, "peer_torch.py"), kind, str(d), *shape, str(args.threads), scan, weights]
    peers = [Peer("PyTorch", torch("sequential"), 600)]
    want = read(weights + ".torch")
    peers.append(Peer("moezoo", [zoo, "-kind", kind, "-d", str(d), "-experts", shape[0], "-batch", shape[1], "-length", shape[2], "-threads", str(args.threads), "-weights", weights], 600))
    got = read(weights + ".out")
    for name in want:
        # By norm: of a million hidden units one may stand so close to the kink of relu that
        # rounding decides its gradient.
        off = np.linalg.norm(got[name] - want[name]) / np.linalg.norm(want[name])
        if not off < 1e-3:
            raise SystemExit(f"{kind}, d={d}: {name} differs by {off:.2g} of its norm: there is nothing to compare")
    import torch as t
    if hasattr(t, "compile") and args.compile_limit > 0:
        try:
            peers.append(Peer("PyTorch, compiled", torch("compiled"), args.compile_limit))
        except (TimeoutError, RuntimeError) as e:
            print(e, file=sys.stderr)
    return take_turns(peers, args.repeats)


def take_turns(peers, repeats):
    for p in peers:
        p.measure()  # to warm up
        p.samples.clear()
    for _ in range(repeats):
        for p in peers:
            p.measure()
    for p in peers:
        p.process.stdin.close()
        p.process.wait()
    return peers


def generation(d, tokens, args, folder, zoo):
    """A model of four blocks, exported, in ONNX Runtime and here."""
    run, root = os.path.join(folder, f"run-{d}"), os.path.join(here, "..", "..")
    model = os.path.join(folder, f"model-{d}.onnx")
    if not os.path.exists(model):
        for command in (["train", "moe-mamba-tiny", "--out", run, "--set", f"d_model={d}", "--set", "train.steps=2", "--set", "train.batch=2"], ["export", run, "-o", model]):
            subprocess.run(["go", "run", "./cmd/zoo", *command], check=True, cwd=root, capture_output=True)
    logits = os.path.join(folder, f"logits-{d}-{tokens}")
    peers = [Peer("ONNX Runtime", [sys.executable, os.path.join(here, "peer_ort.py"), model, str(tokens), str(args.threads), logits + ".ort"], 300),
             Peer("moezoo", [zoo, "-run", run, "-tokens", str(tokens), "-threads", str(args.threads), "-weights", logits + ".out"], 300)]
    off = np.abs(read(logits + ".ort")["logits"] - read(logits + ".out")["logits"]).max()
    if not off < 1e-3:
        raise SystemExit(f"generation, d={d}: a logit differs by {off:.2g}: there is nothing to compare")
    return take_turns(peers, args.repeats)


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--repeats", type=int, default=5)
    a.add_argument("--threads", type=int, default=2)
    a.add_argument("--batch", type=int, default=8)
    a.add_argument("--length", type=int, default=256)
    a.add_argument("--widths", default="256,512")
    a.add_argument("--compile-limit", type=int, default=300)
    a.add_argument("--out", help="write a table in Markdown")
    args = a.parse_args()
    lines = []
    versions = {}
    with tempfile.TemporaryDirectory() as folder:
        zoo = os.path.join(folder, "moezoo")
        subprocess.run(["go", "build", "-o", zoo, "./bench/peers/moezoo"], check=True, cwd=os.path.join(here, "..", ".."))
        widths = [int(d) for d in args.widths.split(",")]
        jobs = [(kind, d, args.batch * args.length, lambda k=kind, w=d: compare(k, w, args, folder, zoo)) for kind in ("moe-mamba", "transformer") for d in widths]
        if importlib.util.find_spec("onnxruntime"):
            jobs += [("prefill" if n > 1 else "decode", d, n, lambda w=d, t=n: generation(w, t, args, folder, zoo)) for n in (512, 1) for d in widths]
        for kind, d, tokens, job in jobs:
            peers = job()
            ours = next(p for p in peers if p.name == "moezoo")
            for p in peers:
                versions[p.name] = p.version
                wall, cpu = p.column("wall_ms"), p.column("cpu_ms")
                ratio = statistics.median(wall) / statistics.median(ours.column("wall_ms"))
                lines.append((kind, d, p.name, min(wall), statistics.median(wall), max(wall), statistics.median(cpu), tokens / statistics.median(wall) * 1e3, ratio))
                print("%-12s d=%d  %-18s best %8.2f  median %8.2f  worst %8.2f ms, cpu %8.2f ms, %7.0f tokens/s, %5.2f x moezoo's time" % lines[-1], flush=True)
    if args.out:
        write(args, lines, versions)


def write(args, lines, versions):
    cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), platform.processor())
    with open(args.out, "w") as f:
        f.write(f"""# Benchmarks

Made on {datetime.date.today()} by `python3 bench/peers/run.py --repeats {args.repeats} --out {args.out}` on {cpu}, {args.threads} threads;
load average at the end {os.getloadavg()[0]:.1f}. {"; ".join(f"{k}: {v}" for k, v in versions.items())}.

`moe-mamba` and `transformer`: one block, forward and backward, {args.batch} × {args.length} tokens, float32; the same weights, outputs and input gradients equal to 1e-3 of
their norm before anything is timed. The first is norm, Mamba (N = 16, expand 2), norm, 8 experts of width 3d,
top-1; the second norm, causal attention with heads of 64, norm, feed-forward of width 4d. PyTorch
computes the scan as a loop over time, as transformers does without its CUDA kernels. `prefill` and `decode`: `moe-mamba-tiny` of
that width (four blocks), 512 tokens from the beginning and one token behind others (the mean of 32 in a row), the exported file in ONNX Runtime and
the run here; logits equal to 1e-3. The programs take turns.

| block | d | program | best ms | median ms | worst ms | cpu ms | tokens/s | time beside moezoo |
|---|---|---|---|---|---|---|---|---|
""")
        for l in lines:
            f.write("| %s | %d | %s | %.2f | %.2f | %.2f | %.2f | %.0f | %.2f × |\n" % l)


if __name__ == "__main__":
    main()
