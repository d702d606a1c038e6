#!/usr/bin/env python3
"""Greedy generation from an exported model with ONNX Runtime and numpy, nothing else.

    python generate.py DIR_OR_FILE --prompt "Call me" --max-tokens 100

Everything that depends on the model is read from the file: which inputs it has, the shapes of its states, and which output
becomes which input of the next step (past_key_values.X <- present.X, any other past_X <- present_X).
"""

import argparse
import json
import pathlib
import sys

import numpy as np
import onnxruntime as ort

DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(int64)": np.int64}


def model_file(path):
    """The .onnx file itself, or the one in an exported folder."""
    p = pathlib.Path(path)
    for candidate in (p, p / "onnx" / "model.onnx", p / "model.onnx"):
        if candidate.is_file():
            return candidate
    sys.exit(f"{path}: neither an .onnx file nor a folder with onnx/model.onnx in it")


def present_name(past):
    """The output that holds the next step's value of this state input."""
    if past.startswith("past_key_values."):
        return "present." + past.removeprefix("past_key_values.")
    return "present_" + past.removeprefix("past_")


def empty_state(info, batch):
    """Zeros of the declared shape: batch_size is the batch, any other symbol counts tokens and starts at 0."""
    shape = [d if isinstance(d, int) else batch if d == "batch_size" else 0 for d in info.shape]
    return np.zeros(shape, DTYPES[info.type])


class Model:
    def __init__(self, path, threads=1):
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        # With one weight matrix an expert, prepacking makes loading slow and memory large at no gain in speed.
        options.add_session_config_entry("session.disable_prepacking", "1")
        self.session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.inputs = {i.name: i for i in self.session.get_inputs()}
        self.outputs = [o.name for o in self.session.get_outputs()]
        self.vocab = next(o for o in self.session.get_outputs() if o.name == "logits").shape[-1]
        self.states = {n: empty_state(i, 1) for n, i in self.inputs.items() if n.startswith("past_")}
        self.seen = 0

    def step(self, ids):
        """Feeds the next tokens of one sequence and returns the logits [V] after the last of them."""
        feeds = dict(self.states, input_ids=np.array([ids], np.int64))
        if "attention_mask" in self.inputs:
            feeds["attention_mask"] = np.ones((1, self.seen + len(ids)), np.int64)
        if "position_ids" in self.inputs:
            feeds["position_ids"] = np.arange(self.seen, self.seen + len(ids), dtype=np.int64)[None]
        if "num_logits_to_keep" in self.inputs:
            feeds["num_logits_to_keep"] = np.array(1, np.int64)
        results = dict(zip(self.outputs, self.session.run(self.outputs, feeds)))
        self.states = {n: results[present_name(n)] for n in self.states}
        self.seen += len(ids)
        return results["logits"][0, -1]


def id_list(text):
    return [int(i) for i in text.split(",")]


def parse_args():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("model", help="an exported folder, or an .onnx file")
    what = p.add_mutually_exclusive_group()
    what.add_argument("--prompt", default="Call me", help="text, fed as UTF-8 bytes (for models with the byte tokenizer)")
    what.add_argument("--ids", type=id_list, help="token ids instead of text, with commas between: 72,105")
    p.add_argument("--max-tokens", type=int, default=100)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--json", action="store_true", help='print {"prompt_ids": [...], "ids": [...]} instead of text')
    return p.parse_args()


def main():
    args = parse_args()
    model = Model(model_file(args.model), args.threads)
    if args.ids:
        prompt = args.ids
    else:
        prompt = list(args.prompt.encode())
        if isinstance(model.vocab, int) and not 256 <= model.vocab < 512:
            sys.exit(f"the model has {model.vocab} tokens, so its tokenizer is not the byte one: give --ids")
    if not prompt:
        sys.exit("the prompt is empty")
    ids, feed = [], prompt
    while len(ids) < args.max_tokens:
        ids.append(int(model.step(feed).argmax()))
        feed = ids[-1:]
        if not args.json and not args.ids and ids[-1] < 256:
            if len(ids) == 1:
                sys.stdout.buffer.write(bytes(prompt))
            sys.stdout.buffer.write(bytes(feed))
            sys.stdout.flush()
    if args.json:
        print(json.dumps({"prompt_ids": prompt, "ids": ids}))
    elif args.ids:
        print(*ids, sep=",")
    else:
        print()


if __name__ == "__main__":
    main()
