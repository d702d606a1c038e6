"""ONNX Runtime's side of the comparison: an exported model is fed many tokens (prefill) or, behind all
others, one (decode), again for every line on standard input.

Usage: peer_ort.py MODEL.onnx TOKENS THREADS FILE
The logits behind the first feed go to FILE (safetensors).
"""
import json
import resource
import struct
import sys
import time

import numpy as np
import onnxruntime as ort

model, tokens, threads, path = sys.argv[1:]
tokens = int(tokens)
options = ort.SessionOptions()
options.intra_op_num_threads = int(threads)
session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
types = {"tensor(float)": np.float32, "tensor(int64)": np.int64}
ids = np.array([[(i * 7919 + 13) % 256 for i in range(tokens)]], np.int64)
outputs = [o.name for o in session.get_outputs()]


def present(past):
    if past.startswith("past_key_values."):
        return "present." + past.removeprefix("past_key_values.")
    return "present_" + past.removeprefix("past_")


def fresh():
    feeds = {}
    for i in session.get_inputs():
        if i.name in ("input_ids", "attention_mask"):
            continue
        feeds[i.name] = np.zeros([d if isinstance(d, int) else 1 if d == "batch_size" else 0 for d in i.shape], types[i.type])
    return feeds


def feed(states, seen):
    feeds = dict(states, input_ids=ids)
    if any(i.name == "attention_mask" for i in session.get_inputs()):
        feeds["attention_mask"] = np.ones((1, seen + tokens), np.int64)
    used, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    values = dict(zip(outputs, session.run(None, feeds)))
    wall, now = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    times = {"wall_ms": wall * 1e3, "cpu_ms": (now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime) * 1e3}
    return values["logits"], {name: values[present(name)] for name in states}, times


logits, states, _ = feed(fresh(), 0)
seen = tokens
raw = logits[0, -1].astype("<f4").tobytes()
head = json.dumps({"logits": {"dtype": "F32", "shape": [len(raw) // 4], "data_offsets": [0, len(raw)]}}).encode()
head += b" " * (-len(head) % 8)
with open(path, "wb") as f:
    f.write(struct.pack("<Q", len(head)) + head + raw)
print(json.dumps({"ready": "ONNX Runtime " + ort.__version__}), flush=True)
count = 1 if tokens > 1 else 32  # a mean over tokens in a row, as in writing
for _ in sys.stdin:
    if tokens > 1:
        states, seen = fresh(), 0
    total = {}
    for _ in range(count):
        _, states, times = feed(states, seen)
        seen += tokens
        total = {k: total.get(k, 0) + v / count for k, v in times.items()}
    print(json.dumps(total), flush=True)
