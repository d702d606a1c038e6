#!/usr/bin/env python3
"""Measures the CPU kernels at every level of the machine, and OpenBLAS beside them where numpy has it.

    python3 bench/kernels/run.py --out docs/kernels.md

Kernels on one thread, the programs in turns, the fastest call of all rounds: what else the machine
does can only make a number worse. --keep FILE gathers the rounds of several calls. Whole training steps, their growth and
decoding on all threads, by zoo bench. Needs Go;
numpy (its wheels carry OpenBLAS) for the comparison.
"""
import argparse, datetime, json, os, pathlib, platform, re, subprocess, sys, tempfile, time

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
os.environ.pop("OPENBLAS_CORETYPE", None)
try:
    import numpy
except ImportError:
    numpy = None

ROOT = pathlib.Path(__file__).resolve().parents[2]
LARGE = ["512,512,512", "1024,1024,1024", "2048,1024,256", "256,1536,512", "256,512,1536", "256,256,256", "128,1536,512"]
EXPERTS = ["64,1536,512", "32,1536,512", "16,1536,512", "8,1536,512", "64,768,256", "8,768,256"]


class Kernels:
    """The Go benchmarks, and the best value each has reached."""

    def __init__(self, folder, best):
        self.binary = pathlib.Path(folder) / "kernel.test"
        subprocess.run(["go", "test", "-c", "-o", self.binary, "./backend/cpu/kernel"], cwd=ROOT, check=True)
        self.best = best

    def run(self, pattern, seconds=0.05):
        out = subprocess.run([self.binary, "-test.run", "^$", "-test.bench", pattern, "-test.benchtime", f"{seconds}s"],
                             cwd=ROOT / "backend/cpu/kernel", check=True, capture_output=True, text=True).stdout
        for name, value, unit in re.findall(r"^Benchmark(\S+?)(?:-\d+)?\s+\d+\s+([\d.]+) (\S+)", out, re.M):
            name = name.replace("#01", "")
            pick = min if unit.startswith("ns/") else max
            self.best[name] = pick(self.best.get(name, float(value)), float(value))

    def get(self, *names):
        return self.best.get("/".join(names), float("nan"))


def openblas(shape, seconds=0.05):
    """GFLOP/s of the fastest product numpy makes in some time."""
    m, n, k = (int(v) for v in shape.split(","))
    rng = numpy.random.default_rng(0)
    a, b, c = (rng.random(s, dtype=numpy.float32) for s in ((m, k), (k, n), (m, n)))
    least, end = 1e9, time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        numpy.matmul(a, b, out=c)
        least = min(least, time.perf_counter() - start)
    return 2e-9 * m * n * k / least


def steps(folder, levels, repeats):
    """Reports of zoo bench by level: the block and the training step of moe-mamba-tiny at d = 256."""
    zoo = pathlib.Path(folder) / "zoo"
    subprocess.run(["go", "build", "-o", zoo, "./cmd/zoo"], cwd=ROOT, check=True)
    found = {}
    for level in levels:
        out = subprocess.run([zoo, "bench", "moe-mamba-tiny", "--set", "d_model=256", "--what", "block,step", "--repeats", str(repeats), "--json"],
                             check=True, capture_output=True, text=True, env={**os.environ, "MOEZOO_CPU": level}).stdout
        found[level] = json.loads(out)
    return found


GROWTH = ["moe-mamba-tiny", "--set", "d_model=256", "--what", "tokens,experts,context", "--repeats", "3"]
LARGE_MODEL = ["mamba-100m", "--what", "decode", "--repeats", "7"]


def growth(folder):
    """Reports of zoo bench: how cost grows, and decoding a model larger than the caches."""
    zoo = pathlib.Path(folder) / "zoo"
    return [json.loads(subprocess.run([zoo, "bench", *command, "--json"], check=True, capture_output=True, text=True).stdout)
            for command in (GROWTH, LARGE_MODEL)]


def total(report):
    return sum(row["median_ms"] for row in report["rows"])


def growth_tables(grown, large):
    out = ["## Growth and decoding", "", f"`zoo bench {' '.join(GROWTH)}`, {grown['machine']}, {grown['threads']} threads:", ""]
    rows = []
    for c in grown["curves"]:
        rows.append([c["what"], f"{c['extents'][0]} to {c['extents'][-1]}", f"{number(c['median_ms'][0], 2)} to {number(c['median_ms'][-1], 2)} ms",
                     f"{number(c['last_over_first'], 2)} ×",
                     f"{number(100 * c['largest_relative_error'])} %" if c["what"] == "tokens" else "–"])
    out += table(["what grows", "from, to", "median time", "last beside first", "farthest from the line through 4 k tokens and more"], rows)
    out += [f"`zoo bench {' '.join(LARGE_MODEL)}`, beside {number(large['peak']['ReadGBPS'], 1)} GB/s of reading:", ""]
    rows = []
    for r in large["rows"]:
        best = r["gb_per_s"] * r["median_ms"] / r["best_ms"]
        rows.append([r["name"], number(r["best_ms"], 1), number(r["median_ms"], 1), number(r["worst_ms"], 1), number(r["gb_per_s"], 1),
                     f"{number(100 * r['share_of_peak'])} %", f"{number(100 * best / large['peak']['ReadGBPS'])} %"])
    return out + table(["what", "best ms", "median ms", "worst ms", "GB/s", "of the peak, median", "of the peak, best"], rows)


def blas_name():
    if numpy is None:
        return "not measured: no numpy"
    try:
        info = numpy.show_config(mode="dicts")["Build Dependencies"]["blas"]
        return f"{info['name']} {info['version']} of numpy {numpy.__version__}"
    except (TypeError, KeyError):
        return f"numpy {numpy.__version__}"


def measure(kernels, blas, rounds):
    """Runs everything; blas holds the best of OpenBLAS by shape."""
    for _ in range(rounds):
        kernels.run("^BenchmarkPeak$")
        for shape in LARGE + EXPERTS:
            kernels.run(f"^BenchmarkGemm$/^{shape}$/./^avx/^threads=1$")
            if numpy is not None:
                blas[shape] = max(blas.get(shape, 0), openblas(shape))
        kernels.run("^BenchmarkPanels$/^[0-9]/^avx/^threads=1$")
        kernels.run("^BenchmarkPanels$/^pack$/./^avx/^threads=1$")
        kernels.run("^BenchmarkGemmBF16$/././^avx512$/^threads=1$")
        kernels.run("^BenchmarkScan$/^avx/^threads=1/^D=512$", 0.4)
        kernels.run("^Benchmark(Conv|Attention)$/^avx/^threads=1", 0.2)
        kernels.run("^BenchmarkElementwise$/./^avx/^threads=1$")


def table(header, rows):
    return ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)] + ["| " + " | ".join(r) + " |" for r in rows] + [""]


def number(v, digits=0):
    return "–" if v != v else f"{v:.{digits}f}"


MICRO_BATCHES = 8


def panel_table(kernels, blas, levels):
    """Products of weights in panels, alone and with an eighth of their cutting."""
    rows = []
    for shape in [s for s in EXPERTS if s.endswith(",1536,512")]:
        m, n, k = (int(v) for v in shape.split(","))
        row, best = [shape], 0
        for l in levels:
            alone = kernels.get("Panels", shape, l, "threads=1")
            row.append(number(alone))
            for trans in ("false", "true"):
                cut = n * k / kernels.get("Panels", "pack", f"transposed={trans}", l, "threads=1")  # ns
                operations = 2 * m * n * k
                v = operations / (operations / alone + cut / MICRO_BATCHES)
                row.append(number(v))
                best = max(best, v if trans == "false" else 0)
        b = blas.get(shape, float("nan"))
        rows.append(row + [f"{number(best / b, 2)} ×"])
    header = ["m, n, k"] + [f"{l} {what}" for l in levels for what in ("panels", "with cutting, b as it lies", "b transposed")] + ["beside OpenBLAS"]
    return [f"b in panels, cut once in a step of {MICRO_BATCHES} micro-batches, GFLOP/s without and with that:", ""] + table(header, rows)


def step_table(found):
    rows = []
    peak = max(r["peak"]["GFLOPS"] for r in found.values())  # a disturbed measurement can only be too low
    for level, r in found.items():
        for row in r["rows"]:
            flop = row["gflop_per_s"] * row["median_ms"]  # 10^6 operations
            best = flop / row["best_ms"]
            rows.append([level, row["name"], number(row["best_ms"]), number(row["median_ms"]), number(row["worst_ms"]), number(row["cpu_ms"]),
                         number(row["tokens"] / row["best_ms"] * 1e3), number(best), f"{number(100 * best / peak)} %"])
    return table(["level", "what", "best ms", "median ms", "worst ms", "cpu ms", "tokens/s", "GFLOP/s", "of the peak"], rows)


def report(kernels, blas, found, grown, levels, command):
    peak = {l: kernels.get("Peak", l, "threads=1") for l in levels}
    ghz = kernels.get("Peak", "avx2", "threads=1") / 32  # two multiply-adds of 8 lanes a cycle
    cpu = platform.processor() or platform.machine()
    try:
        cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text()).group(1)
    except (OSError, AttributeError):
        pass
    out = ["# Kernels", "",
           f"Made on {datetime.date.today()} by `{command}` on {cpu}, one thread, {ghz:.2f} GHz by its multiply-adds. "
           f"OpenBLAS: {blas_name()}. Each number of a kernel is the fastest call of several rounds in which the programs take turns.", "",
           "Peaks of multiply-adds in registers: " + ", ".join(f"{l} {number(peak[l], 1)} GFLOP/s" for l in levels) + ".", "",
           "## Matrix products", "",
           "c[m,n] = a[m,k]·b[k,n], float32, packing included, GFLOP/s and share of the peak; NT takes b transposed (gradients of "
           "inputs), TN a (gradients of weights).", ""]
    header = ["m, n, k"] + [f"{l} {mode}" for l in levels for mode in ("NN", "NT", "TN")] + ["OpenBLAS NN", "best NN beside OpenBLAS"]
    rows = []
    for shape in LARGE + EXPERTS:
        row, nn = [shape], 0
        for l in levels:
            for mode in ("NN", "NT", "TN"):
                v = kernels.get("Gemm", shape, mode, l, "threads=1")
                row.append(f"{number(v)} ({number(100 * v / peak[l])} %)")
                nn = max(nn, v if mode == "NN" else 0)
        b = blas.get(shape, float("nan"))
        rows.append(row + [number(b), f"{number(nn / b, 2)} ×"])
    out += table(header, rows)
    if any(k.startswith("Panels") for k in kernels.best):
        out += panel_table(kernels, blas, levels)
    if any(k.startswith("GemmBF16") for k in kernels.best):
        out += ["bfloat16 operands with float32 sums, avx512 with pairs in hardware:", ""]
        shapes = list(dict.fromkeys(k.split("/")[1] for k in kernels.best if k.startswith("GemmBF16")))
        out += table(["m, n, k", "NN", "NT", "TN", "NN beside float32"], [
            [s] + [number(kernels.get("GemmBF16", s, mode, "avx512", "threads=1")) for mode in ("NN", "NT", "TN")]
            + [f"{number(kernels.get('GemmBF16', s, 'NN', 'avx512', 'threads=1') / kernels.get('Gemm', s, 'NN', 'avx512', 'threads=1'), 2)} ×"]
            for s in shapes])
    out += ["## Selective scan, convolution, attention", "",
            "Scan: N = 16, D = 512, a token and channel; backward recomputes states from checkpoints. Convolution: 4 taps, a value. "
            "Attention: heads of 64, 256 tokens, causal, the operations below the diagonal.", ""]
    rows = []
    for l in levels:
        scan = [kernels.get("Scan", l, "threads=1", "D=512", d) for d in ("forward", "backward")]
        conv = [kernels.get("Conv", l, "threads=1", d) for d in ("forward", "backward")]
        att = [kernels.get("Attention", l, "threads=1", d) for d in ("forward", "backward")]
        rows.append([l] + [f"{number(v, 2)} ns, {number(v * ghz, 1)} cycles" for v in scan] + [number(v, 2) + " ns" for v in conv] + [number(v) + " GFLOP/s" for v in att])
    out += table(["level", "scan forward", "scan backward", "convolution", "its gradient", "attention", "its gradient"], rows)
    names = sorted({k.split("/")[1] for k in kernels.best if k.startswith("Elementwise/")})
    out += ["## Elementwise functions", "", "Nanoseconds a value, in L1.", ""]
    out += table(["level"] + names, [[l] + [number(kernels.get("Elementwise", n, l, "threads=1"), 3) for n in names] for l in levels])
    if found:
        threads = next(iter(found.values()))["threads"]
        out += ["## Training step", "",
                f"`zoo bench moe-mamba-tiny --set d_model=256 --what block,step`: four blocks, 8 experts, {threads} threads; operations of matrix products in the "
                "best time, beside the peak of multiply-adds of all threads.", ""]
        out += step_table(found)
    if grown:
        out += growth_tables(*grown)
    out += [NOTES]
    return "\n".join(out)


NOTES = """## What bounds them

- **Levels.** Processors that split vectors of 16 lanes into halves (Zen 4 here) multiply float32 at AVX-512 no faster
  than at AVX2: products gain the few percent that wider panels save, the scan and the elementwise functions what
  masks, scaling by powers of two and twice the registers save. `MOEZOO_CPU` forces a level.
- **Products of many rows** lack what packing costs and, with a transposed, that rows of a are gathered: both shrink with the
  extents. **Products of few rows** (8 to 64, experts) read b in place up to 28 rows (AVX2: 12), so that nothing is packed
  that is not used again; above, packing b is what is missing to the peak, and OpenBLAS beside it is at most that far away. A
  transposed b of few rows (gradients of inputs) must be packed, and is read from the third-level cache no faster than it is
  multiplied by eight rows: half of the time.
- **Weights in panels** take that away. They are cut once in a step where a step has several micro-batches, and once for a model
  where prompts are long, for products of 5 to 256 rows a matrix that do not read it in place: those of experts, in both
  directions. With one micro-batch a step nothing is used twice, since forward and backward pass want different panels; with more
  than 256 rows packing takes less than a fiftieth of a product. `zoo build` counts their memory, and training under a limit
  of memory gives them up first. Products split into several results, and those of bfloat16, which are rounded once a step
  as well, still pack for themselves.
- **Epilogues** (bias, activation, gate, residual, and the gradient of an activation) are part of the product in front of
  them and find its block in the second-level cache; what they read besides is asked for while the block is computed. What is
  left of their time is the traffic of their results. `zoo build --print-plan` shows them as `zoo.Product + bias + relu`.
- **Products with a transposed** pack both operands, in whole runs of rows, and are cut into fewer tiles than others, because
  each tile packs both: tiles of 140 × 128 took a seventh longer than whole columns.
- **Attention** computes whole tiles of 64 × 64 scores, but half of one where it crosses the diagonal; beside its products the
  exponentials and the packing of four small operands a tile take about a third.
- **The scan** is bound by multiply-adds forward (polynomial, decay, state, output: nine a state and vector), and by the first-level
  cache backward, where decays and states of a chunk are kept.
- **Decoding** waits for memory. In pages of 4 KiB a core of the guest measured reads 16 to 21 GB/s, in large pages, which weights are
  asked for in, 31, and two cores 57 to 62. Products of one row read a matrix in the order in which it lies, as only that reaches
  it: short rows one after the other, others eight at a time and asked for ahead. One core then reaches
  84 to 95 % of reading alone in float32 and bfloat16; int8 is bound by widening, 27 GB/s a core in the caches: a shuffle, a conversion and a multiply-add for
  16 weights. Scan, convolution and small products take 10 % of a token of mamba-100m in float32 and 16 to 20 % in int8, while memory waits.
- **The step** reaches less of the peak than its products alone because activations come from memory, and because a tenth of it is
  the scan."""


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--rounds", type=int, default=3, help="of the kernels; 0 reports what --keep holds")
    p.add_argument("--repeats", type=int, default=5, help="of training steps; 0 leaves them out")
    p.add_argument("--keep", metavar="FILE", help="the best so far, read and written")
    p.add_argument("--out")
    a = p.parse_args()
    kept = {"kernels": {}, "blas": {}, "steps": {}, "growth": []}
    if a.keep and pathlib.Path(a.keep).exists():
        kept = json.loads(pathlib.Path(a.keep).read_text())
    with tempfile.TemporaryDirectory() as folder:
        kernels = Kernels(folder, kept["kernels"])
        measure(kernels, kept["blas"], a.rounds)
        levels = [l for l in ("avx2", "avx512") if f"Peak/{l}/threads=1" in kernels.best]
        if not levels:
            sys.exit("this machine has none of the levels with assembly")
        for level, r in (steps(folder, levels, a.repeats) if a.repeats else {}).items():
            if level not in kept["steps"] or r["rows"][-1]["best_ms"] < kept["steps"][level]["rows"][-1]["best_ms"]:
                kept["steps"][level] = r
        if a.repeats:
            new = growth(folder)
            kept["growth"] = [min(pair, key=total) for pair in zip(kept["growth"] or new, new)]
    if a.keep:
        pathlib.Path(a.keep).write_text(json.dumps(kept))
    text = report(kernels, kept["blas"], kept["steps"], kept["growth"], levels,
                  "python3 bench/kernels/run.py" + (" --keep FILE" if a.keep else "") + " --out docs/kernels.md")
    if a.out:
        pathlib.Path(a.out).write_text(text)
    else:
        print(text)


main()
