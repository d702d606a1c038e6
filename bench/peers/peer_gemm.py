"""Products of matrices in OpenBLAS (numpy's) or oneMKL (PyTorch's), for each line "E M N K" on standard
input: E times [M, K] · [K, N], as often as makes some two billion operations.

Usage: peer_gemm.py LIBRARY THREADS
LIBRARY is openblas or mkl.
"""
import json
import os
import resource
import sys
import time

library, threads = sys.argv[1:]
os.environ["OPENBLAS_NUM_THREADS"] = threads
import numpy as np

if library == "mkl":
    import torch
    torch.set_num_threads(int(threads))
    torch.set_grad_enabled(False)
    version = "PyTorch " + torch.__version__
    multiply = torch.mm
else:
    from threadpoolctl import threadpool_info
    blas = next(i for i in threadpool_info() if i["internal_api"] == "openblas")
    version = f"OpenBLAS {blas['version']} ({blas['architecture']})"
    multiply = np.matmul


def used():
    u = resource.getrusage(resource.RUSAGE_SELF)
    return u.ru_utime + u.ru_stime


problems = {}
print(json.dumps({"ready": version}), flush=True)
for line in sys.stdin:
    e, m, n, k = map(int, line.split())
    if line not in problems:
        make = lambda *shape: np.random.default_rng(1).uniform(-1, 1, shape).astype("f4")
        triples = [[make(m, k), make(k, n), make(m, n)] for _ in range(e)]
        if library == "mkl":
            triples = [[torch.from_numpy(t) for t in triple] for triple in triples]
        problems[line] = triples
        for a, b, c in triples:
            multiply(a, b, out=c)
    count = max(1, 10**9 // (e * m * n * k))
    cpu, start = used(), time.perf_counter()
    for _ in range(count):
        for a, b, c in problems[line]:
            multiply(a, b, out=c)
    print(json.dumps({"wall_ms": (time.perf_counter() - start) * 1e3 / count, "cpu_ms": (used() - cpu) * 1e3 / count}), flush=True)
