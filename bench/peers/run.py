#!/usr/bin/env python3
"""Compares the zoo with other programs on this machine: the same blocks with the same weights, forward
and backward; whole training steps; the same model, exported, in prefill and decoding; products of matrices;
and the zoo beside the machine's own peaks. run.sh installs the peers and starts this.

    bench/peers/run.sh --out docs/benchmarks.md

The programs of a comparison take turns, so that all meet the same load. What was measured lies in --state:
a run that is stopped goes on with the comparisons that are not there yet; --only takes some of them, and
--list says which those are and how long each took when it was last measured.
"""
import argparse
import json
import os
import re
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
from safetensors.numpy import load_file

import report

calm = 1.35  # worst over best, of the peers' median one; a comparison that spreads more is tried again
allowed = 0.1  # of the machine to other programs; what was measured beside more is measured again

here = os.path.dirname(os.path.abspath(__file__))
root = os.path.join(here, "..", "..")


class Peer:
    """A process that answers a line for a line, and what it answered."""

    def __init__(self, name, command, limit=300, repeats=None, env=None):
        self.name, self.samples, self.repeats = name, {}, repeats
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True, cwd=root,
                                        env=dict(os.environ, **(env or {})))
        self.ready = json.loads(self.line(limit))

    def line(self, limit):
        if not select.select([self.process.stdout], [], [], limit)[0]:
            self.process.kill()
            raise TimeoutError(f"no answer within {limit} s")
        text = self.process.stdout.readline()
        if not text:
            self.errors.seek(0)
            raise RuntimeError("ended: " + (self.errors.read().strip().splitlines() or ["without a word"])[-1][:300])
        return text

    def measure(self, request="again"):
        time.sleep(0.1)  # threads of the one before may still be spinning
        before = self.used()
        self.process.stdin.write(request + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.line(600))
        return {**answer, "used_s": self.used() - before}

    def used(self):
        """Processor time of the process so far, in seconds, as /proc/stat counts it."""
        try:
            fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        except OSError:
            return 0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self):
        self.process.stdin.close()
        self.process.terminate()
        self.process.wait()


class Alone:
    """Holds the machine, where a command is given that does while it runs (flock, say). It lets go at
    times, for others to have theirs."""

    longest = 100  # seconds

    def __init__(self, command):
        self.command, self.process, self.since = command, None, 0

    def turn(self):
        if self.process and time.time() - self.since > self.longest:
            self.release()
        if self.command and not self.process:
            self.process = subprocess.Popen(self.command.split() + ["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self.process.stdin.write("mine\n")
            self.process.stdin.flush()
            self.process.stdout.readline()
            self.since = time.time()

    def release(self):
        if self.process:
            self.process.stdin.close()
            self.process.wait()
            self.process = None


class Different(RuntimeError):
    """Programs that do not compute the same."""


class Comparison:
    """Programs that do the same, on one or several requests. start(peers, failed) adds those that run to
    peers, and to failed why others do not."""

    def __init__(self, title, start, tokens=0, requests=("again",)):
        self.title, self.start, self.tokens, self.requests = title, start, tokens, requests

    def run(self, args):
        """The calmer of at most two tries: other programs are not all that disturbs a machine that is
        a guest on another."""
        tries = []
        while len(tries) < 2 and (not tries or tries[-1]["spread"] > calm):
            tries.append(self.attempt(args))
        return min(tries, key=lambda t: t["spread"])

    def attempt(self, args):
        peers, failed, alone = [], {}, args.machine
        alone.turn()
        try:
            self.start(peers, failed)
            samples = {p.name: {r: [] for r in self.requests} for p in peers}
            disturbed = 0
            for request in self.requests:
                self.turn(peers, request, alone, -1)  # to warm up
                taken, spare = 0, args.repeats
                while taken < args.repeats:
                    answers, others = self.turn(peers, request, alone, taken)
                    if others > allowed and spare > 0:  # somebody else's work: once more
                        spare -= 1
                        continue
                    taken += 1
                    disturbed = max(disturbed, others)
                    for name, s in answers.items():
                        samples[name][request].append(s)
        finally:
            for p in peers:
                p.close()
        wall = [[s["wall_ms"] for s in request] for p in samples.values() for request in p.values()]
        return {"tokens": self.tokens, "others": disturbed, "spread": statistics.median(max(w) / min(w) for w in wall), "failed": failed, "peers": {p.name: {**p.ready, "samples": samples[p.name]} for p in peers}}


    def turn(self, peers, request, alone, number):
        """What each peer answers, and the part of the machine that other programs took meanwhile."""
        alone.turn()
        start, busy, answers = time.time(), busy_seconds(), {}
        for p in peers:
            if p.repeats is None or number < p.repeats:
                answers[p.name] = p.measure(request)
        busy = busy_seconds() - busy - sum(s["used_s"] for s in answers.values())
        return answers, busy / (time.time() - start) / os.cpu_count()


def busy_seconds():
    """Processor time of all programs since the start of the machine; 0 where that is not told."""
    try:
        fields = open("/proc/stat").readline().split()
    except OSError:
        return 0
    user, nice, system, _, _, irq, softirq = map(int, fields[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def equal(title, name, want, got, bound=1e-3):
    """By norm: of a million hidden units one may stand so close to the kink of relu that rounding decides
    its gradient. Answers the largest difference."""
    worst = 0
    for key in want:
        off = np.linalg.norm(got[key].astype("f8") - want[key]) / max(np.linalg.norm(want[key].astype("f8")), 1e-30)
        if not off < bound:
            raise Different(f"{title}: {key} of {name} differs by {off:.2g} of its norm: there is nothing to compare")
        worst = max(worst, off)
    return worst


# How far results may be off in each precision: outputs and gradients of a block, of their norms; losses of
# steps, of the loss; norms of the gradients of a model, of that norm. In bfloat16 a token in a hundred
# goes to another expert.
bounds = {"fp32": {"block": 1e-3, "losses": 5e-4, "norms": 1e-3}, "bf16": {"block": 0.1, "losses": 1e-2, "norms": 5e-2}}


def blocks(args, zoo):
    """One block, forward and backward, by the eager programs; by compiled ones, which take minutes to
    start; in bfloat16; and by transformers' own loop, which takes half a minute a step."""
    for kind, d in [(k, d) for k in ("moe-mamba", "transformer") for d in (256, 512)]:
        yield block(f"{kind} d={d}", kind, d, ["loop", "mambapy", "candle"] if kind == "moe-mamba" else ["loop", "candle"], args, zoo)
        yield block(f"{kind} d={d}, compiled", kind, d, ["compiled", "associative"] if kind == "moe-mamba" else ["compiled"], args, zoo)
        yield block(f"{kind} d={d}, bf16", kind, d, ["loop"], args, zoo, "bf16")
    yield block("moe-mamba d=256, transformers", "moe-mamba", 256, ["transformers"], args, zoo)


names = {"moezoo": "moezoo", "loop": "PyTorch", "mambapy": "PyTorch, mamba.py's scan", "transformers": "PyTorch, transformers' loop", "candle": "candle",
         "compiled": "PyTorch, compiled", "associative": "PyTorch, compiled associative scan"}


def longest(path, seconds):
    """The largest of all numbers that it was called with for the path."""
    if os.path.exists(path):
        seconds = max(seconds, float(open(path).read()))
    with open(path, "w") as f:
        f.write(str(seconds))
    return seconds


def inductor(args):
    """How a program with torch.compile is started."""
    return {"limit": args.compile_limit, "env": {"TORCHINDUCTOR_CACHE_DIR": os.path.join(args.state, "inductor")}}


def started(title, variant, command, options, peers, failed):
    """The program, which is one of peers then; None where it does not start in time, as failed tells."""
    try:
        peers.append(Peer(names[variant], command, **options))
        return peers[-1]
    except (TimeoutError, RuntimeError) as e:
        failed[names[variant]] = str(e)
        print(f"{title}: {names[variant]}: {e}", file=sys.stderr)
        return None


def block(title, kind, d, variants, args, zoo, precision="fp32"):
    shape = ["8", str(args.batch), str(args.length)]
    weights = os.path.join(args.state, f"{kind}-{d}-{args.batch}x{args.length}")

    def program(variant, precision):
        if variant == "moezoo":
            return [zoo, "-kind", kind, "-d", str(d), "-experts", shape[0], "-batch", shape[1], "-length", shape[2], "-threads", str(args.threads), "-precision", precision, "-weights", weights], {}
        if variant == "candle":
            return [os.path.join(args.peers, "candle", "release", "peer-candle"), kind, str(d), shape[0], weights], {"env": {"RAYON_NUM_THREADS": str(args.threads)}}
        options = inductor(args) if variant in ("compiled", "associative") else {"repeats": 3} if variant == "transformers" else {}
        return [sys.executable, os.path.join(here, "peer_torch.py"), kind, str(d), *shape, str(args.threads), variant, precision, weights], options

    def start(peers, failed):
        if not os.path.exists(weights + ".loop"):  # PyTorch's eager loop draws the weights and is what all are compared with
            Peer("PyTorch", program("loop", "fp32")[0]).close()
        want = load_file(weights + ".loop")
        for variant in ["moezoo"] + variants:
            p = started(title, variant, *program(variant, precision), peers, failed)
            if p is None:
                continue
            results = weights + "." + variant + (".bf16" if precision == "bf16" else "")
            p.ready["off"] = equal(title, p.name, want, load_file(results), bounds[precision]["block"])
            if variant in ("compiled", "associative"):  # the longest so far: later ones find what the first compiled
                p.ready["first_s"] = longest(results + ".seconds", p.ready["first_s"])

    return Comparison(title, start, args.batch * args.length)


def steps(args, zoo):
    """Whole training steps of a model of four blocks."""
    for kind in ("moe-mamba", "transformer"):
        yield step(f"step, {kind} d=256", kind, 256, ["loop"], args, zoo)
        yield step(f"step, {kind} d=256, compiled", kind, 256, ["compiled"], args, zoo)
        yield step(f"step, {kind} d=256, bf16", kind, 256, ["loop"] if kind == "moe-mamba" else ["loop", "compiled"], args, zoo, "bf16")


def step(title, kind, d, variants, args, zoo, precision="fp32"):
    batch = 2 * args.batch
    weights = os.path.join(args.state, f"step-{kind}-{d}-{batch}x{args.length}")

    def program(variant):
        if variant == "moezoo":
            settings = [f"d_model={d}", f"train.batch={batch}", f"train.context={args.length}", f"train.precision={precision}"]
            return [zoo, "-step", kind + "-tiny", "-threads", str(args.threads), "-weights", weights, *settings], {}
        return [sys.executable, os.path.join(here, "peer_torch_step.py"), str(args.threads), variant, precision, weights], inductor(args) if variant == "compiled" else {}

    def start(peers, failed):
        for variant in ["moezoo"] + variants:
            p = started(title, variant, *program(variant), peers, failed)
            if p is None:
                continue
            for what in ("losses", "norms"):
                want, got = np.array(peers[0].ready[what]), np.array(p.ready[what])
                off = np.max(np.abs(got - want) / np.abs(want))
                if not off < bounds[precision][what]:
                    raise Different(f"{title}: {what} of {p.name} are {got}, want {want}: there is nothing to compare")
                p.ready[what + "_off"] = off
            if variant == "compiled":
                p.ready["first_s"] = longest(f"{weights}.{variant}.{precision}.seconds", p.ready["first_s"])

    return Comparison(title, start, batch * args.length)


kinds = {"fp32": 1e-3, "bf16": 3e-2, "int8": 1e-1}  # of weights, and how far logits may be off


def generation(name, d, tokens, args, zoo):
    """A model of four blocks, exported, in ONNX Runtime, and here with weights of several kinds."""
    title = f"{name} d={d}"
    run, model = os.path.join(args.state, f"run-{d}"), os.path.join(args.state, f"model-{d}", "model.onnx")

    def start(peers, failed):
        if not os.path.exists(model):
            tool = os.path.join(args.state, "zoo")
            os.makedirs(os.path.dirname(model), exist_ok=True)
            shutil.rmtree(run, ignore_errors=True)
            settings = [f"d_model={d}", "train.steps=1", "train.batch=1", "train.context=64"]
            subprocess.run([tool, "train", "moe-mamba-tiny", "--out", run] + [a for s in settings for a in ("--set", s)], check=True, capture_output=True)
            # what ONNX Runtime answers is compared below
            subprocess.run([tool, "export", run, "-o", model, "--no-verify"], check=True, capture_output=True)
        logits = os.path.join(args.state, f"logits-{d}-{tokens}")
        peers.append(Peer("ONNX Runtime", [sys.executable, os.path.join(here, "peer_ort.py"), model, str(tokens), str(args.threads), logits + ".ort"]))
        for kind, bound in kinds.items():
            ours = logits + "." + kind
            peers.append(Peer("moezoo" if kind == "fp32" else "moezoo, " + kind, [zoo, "-run", run, "-kept", kind, "-tokens", str(tokens), "-threads", str(args.threads), "-weights", ours]))
            equal(title, peers[-1].name, load_file(logits + ".ort"), load_file(ours), bound)

    return Comparison(title, start, tokens)


def products(threads, args, zoo):
    shapes = [(1, 512, 512, 512), (1, 1024, 1024, 1024), (1, 4096, 1024, 256), (1, 4096, 256, 512), (1, 256, 1536, 512), (1, 256, 512, 1536), (1, 64, 1536, 512), (1, 64, 768, 256),
              (8, 8, 768, 256), (8, 16, 768, 256), (8, 32, 768, 256), (8, 64, 768, 256), (8, 8, 1536, 512), (8, 16, 1536, 512), (8, 32, 1536, 512), (8, 64, 1536, 512)]

    def start(peers, failed):
        python = lambda library: [sys.executable, os.path.join(here, "peer_gemm.py"), library, str(threads)]
        for name, command in (("OpenBLAS", python("openblas")), ("oneMKL", python("mkl")), ("moezoo", [zoo, "-products", "-threads", str(threads)])):
            peers.append(Peer(name, command))

    return Comparison(f"products, threads={threads}", start, 0, [" ".join(map(str, s)) for s in shapes])


class Ourselves:
    """zoo bench, beside the machine's peaks."""

    def __init__(self, title, arguments):
        self.title, self.arguments = title, arguments

    def run(self, args):
        for attempt in range(2):
            args.machine.turn()
            start, busy, used = time.time(), busy_seconds(), os.times()
            command = [os.path.join(args.state, "zoo"), "bench", *self.arguments, "--repeats", str(args.repeats), "--threads", str(args.threads), "--json"]
            out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            now = os.times()
            own = now.children_user + now.children_system - used.children_user - used.children_system
            others = (busy_seconds() - busy - own) / (time.time() - start) / os.cpu_count()
            rows = json.loads(out)["rows"]
            if others < allowed and statistics.median(r["median_ms"] / r["best_ms"] for r in rows) < 1.15:
                break
        return {"command": "zoo bench " + " ".join(self.arguments), "others": others, "report": json.loads(out)}


def plan(args):
    zoo = os.path.join(args.state, "moezoo")
    wide = ["moe-mamba-tiny", "--set", "d_model=256"]
    jobs = [Ourselves("beside the peaks", wide), Ourselves("transformer beside the peaks", ["transformer-tiny", "--set", "d_model=256", "--what", "block,step"]),
            Ourselves("a large model's decoding", ["moe-mamba-tiny", "--set", "d_model=1024", "--what", "decode"])]
    jobs += steps(args, zoo)
    jobs += blocks(args, zoo)
    jobs += [generation("prefill, 512 tokens,", d, 512, args, zoo) for d in (256, 512)]
    jobs += [generation("decode, 1 token,", d, 1, args, zoo) for d in (256, 512, 1024)]
    jobs += [products(n, args, zoo) for n in sorted({1, args.threads})]
    jobs += [Ourselves("growth: " + what, ["moe-mamba-tiny", "--what", what]) for what in ("tokens", "layers", "experts", "context")]
    return jobs


def tell(jobs, results):
    """The comparisons, and how long they took."""
    took = [results.get(j.title, {}).get("seconds") for j in jobs]
    for j, seconds in zip(jobs, took):
        repeats = results.get(j.title, {}).get("repeats")
        print(f"{j.title}: " + ("no time is known" if seconds is None else f"{seconds} s for {repeats} repeats"))
    print(f"{len(jobs)} comparisons, {sum(s or 0 for s in took)} s; {took.count(None)} of unknown time")


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--peers", required=True, help="where run.sh installed them")
    a.add_argument("--state", help="where weights, models and what was measured lie (default: in --peers)")
    a.add_argument("--repeats", type=int, default=7)
    a.add_argument("--threads", type=int, default=2)
    a.add_argument("--batch", type=int, default=8, help="rows of a block; a training step has twice as many")
    a.add_argument("--length", type=int, default=256, help="tokens of a row")
    a.add_argument("--compile-limit", type=int, default=600, help="seconds that torch.compile may take")
    a.add_argument("--only", default="", help="the comparisons whose title this regular expression finds, or one of several with commas between them")
    a.add_argument("--list", action="store_true", help="tell these and how long each took when last measured, and measure nothing")
    a.add_argument("--again", action="store_true", help="measure them even if they are there")
    a.add_argument("--alone", default="", help="a command that holds the machine while the command after it runs, as in 'flock /tmp/machine'")
    a.add_argument("--out", help="write the tables into this Markdown file, behind its introduction")
    args = a.parse_args()
    args.state = args.state or os.path.join(args.peers, "state")
    os.makedirs(args.state, exist_ok=True)
    path = os.path.join(args.state, "results.json")
    results = json.load(open(path)) if os.path.exists(path) else {}
    jobs, chosen = plan(args), re.compile(re.sub(r",(?! )", "|", args.only))
    wanted = [j for j in jobs if chosen.search(j.title) and (args.again or args.list or j.title not in results)]
    if args.list:
        return tell(wanted, results)
    for name, package in (("moezoo", "./bench/peers/moezoo"), ("zoo", "./cmd/zoo")):
        subprocess.run(["go", "build", "-o", os.path.join(args.state, name), package], check=True, cwd=root)
    args.machine = Alone(args.alone)
    failures = 0
    for job in wanted:
        print(job.title, flush=True)
        start = time.time()
        try:
            result = job.run(args)
        except (subprocess.CalledProcessError, RuntimeError, TimeoutError) as e:
            print(f"{job.title}: {e}\n{getattr(e, 'stderr', '')}", file=sys.stderr)
            failures += 1
            continue
        results[job.title] = {"date": time.strftime("%Y-%m-%d"), "seconds": round(time.time() - start), "repeats": args.repeats, **result}
        with open(path + ".new", "w") as f:
            json.dump(results, f)
        os.replace(path + ".new", path)
        print(report.section(job.title, results[job.title]), flush=True)
    args.machine.release()
    if args.out:
        report.write(args.out, [j.title for j in jobs], results, args)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
