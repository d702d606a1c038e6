"""Makes huggingface/*.json, small tokenizers of the kinds in use, and huggingface_cases.json:
texts with the ids and the decoded text that Hugging Face's tokenizers 0.23.3 gives for them.

    python make_huggingface.py TEXT     # in a virtual environment that has tokenizers

The tokenizers are trained here, on a text in the public domain (the project's own: Moby Dick); their stages,
patterns and added tokens are those of the models that they are named after.
"""

import json
import pathlib
import random
import sys
import unicodedata

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

here = pathlib.Path(__file__).parent
corpus = pathlib.Path(sys.argv[1]).read_text()[:300_000]

LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace("{1,3}", "")
GPT4O = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
level = lambda regex: pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=regex)
split = lambda p, behavior="isolated", invert=False: pre_tokenizers.Split(Regex(p), behavior, invert)
special = lambda text, **more: AddedToken(text, special=True, normalized=False, **more)


def byte_level(normalizer, pre, added, post=None, **model):
    t = Tokenizer(models.BPE(**model))
    if normalizer:
        t.normalizer = normalizer
    t.pre_tokenizer, t.decoder = pre, decoders.ByteLevel()
    t.train_from_iterator([corpus], trainers.BpeTrainer(vocab_size=600, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    t.add_tokens(added)
    if post:
        t.post_processor = post(t)
    return t


def sentencepiece(normalizer, pre, decoder):
    t = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    t.pre_tokenizer = metaspace("always")  # no token crosses a blank
    first = ["<unk>", "<s>", "</s>"]
    t.train_from_iterator([corpus], trainers.BpeTrainer(vocab_size=700, special_tokens=first + [f"<0x{b:02X}>" for b in range(256)], show_progress=False))
    raw = json.loads(t.to_str())
    raw["added_tokens"] = [a for a in raw["added_tokens"] if a["content"] in first]
    raw["pre_tokenizer"] = None
    t = Tokenizer.from_str(json.dumps(raw))
    if normalizer:
        t.normalizer = normalizer
    if pre:
        t.pre_tokenizer = pre
    t.decoder = decoder
    t.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return t


def metaspace(scheme, split=True):
    return pre_tokenizers.Metaspace(prepend_scheme=scheme, split=split)


made = {
    "gpt_neox": byte_level(
        normalizers.NFC(), level(True),
        [special("<|endoftext|>"), *[AddedToken(" " * n, normalized=True) for n in range(24, 1, -1)]],
    ),
    "llama3": byte_level(
        None, pre_tokenizers.Sequence([split(LLAMA3), level(False)]), [special("<|begin_of_text|>"), special("<|end_of_text|>"), special("<|eot_id|>")],
        lambda t: processors.Sequence([
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", t.token_to_id("<|begin_of_text|>"))]),
        ]),
        ignore_merges=True,
    ),
    "qwen2": byte_level(normalizers.NFC(), pre_tokenizers.Sequence([split(QWEN2), level(False)]), [special("<|endoftext|>"), special("<|im_start|>"), special("<|im_end|>")]),
    "gpt4o": byte_level(None, pre_tokenizers.Sequence([split(GPT4O, "removed", True), level(False)]), [special("<s>"), special("</s>")]),
    "falcon": byte_level(
        None,
        pre_tokenizers.Sequence([pre_tokenizers.Punctuation("contiguous"), level(True), pre_tokenizers.Digits(False), split("[0-9][0-9][0-9]")]),
        [special("<|endoftext|>"), special(">>TITLE<<")],
    ),
    "starcoder": byte_level(None, pre_tokenizers.Sequence([pre_tokenizers.Digits(True), level(True)]), [special("<|endoftext|>"), special("<fim_prefix>")]),
    "roberta": byte_level(
        None, pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=True),
        [special("<s>"), special("<mask>", lstrip=True), special("<end>", rstrip=True), AddedToken("whale", single_word=True, normalized=True)],
    ),
    "merged": byte_level(
        normalizers.NFKC(),
        pre_tokenizers.Sequence([split("[.!?]", "merged_with_previous"), split(" ", "merged_with_next"), pre_tokenizers.Split("e", "removed"), level(False)]),
        [special("<|endoftext|>")],
    ),
    "llama": sentencepiece(
        normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]), None,
        decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]),
    ),
    "mistral": sentencepiece(
        None, metaspace("first", False),
        decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]),
    ),
    "metaspace": sentencepiece(None, metaspace("always"), decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])),
    "gemma": sentencepiece(
        normalizers.Replace(" ", "▁"), None,
        decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]),
    ),
}

# Assigned characters of old standing, so that nobody's Unicode version matters.
alphabets = [
    "abcdefghij klmnop  qrstuvwxyz",
    "ABCdef 'sS'tT'reRE'veVE'mM'llLL'dD ſ",
    " \t\n\r\v\f\u00a0\u2003\u3000\u0085\u2028",
    "0123456789 ²½٣७Ⅻ",
    ".,!?;:-_()[]{}<>|@#$%^&*~`\"'/\\+=",
    "éèüñçßøåæ naïve café ÀÉÎ e\u0301 a\u0308\u0323",
    "日本語のテキスト中文한국어각",
    "\u1112\u1161\u11ab \u0301\u0302 \u200d\u200b\u00ad\ufeff",
    "Привет мир Ελληνικά שלום नमस्ते สวัสดี",
    "\U0001f469\u200d\U0001f680\U0001f600\U0001f1e6 ﬁ ① Å K",
    "▁▁ ▁a <0x0A> <s></s> <unk> whale",
    "\x00\x01\x1c\x1d\x1f\x7f",
]
assigned = [chr(c) for c in range(0x20000) if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")]
random.seed(7)


def texts(contents):
    for case in json.loads((here / "gpt2_cases.json").read_text()):
        text = case.get("Text", case.get("text"))
        if len(text) < 300:
            yield text
    at = 1000
    for n in (40, 200, 500):
        yield corpus[at : at + n]
        at += 5000
    for _ in range(45):
        parts = []
        for _ in range(random.randint(1, 6)):
            kind = random.random()
            if kind < 0.1:
                parts.append(random.choice(contents))
            elif kind < 0.2:
                parts.append(" " * random.randint(1, 40))
            elif kind < 0.3:
                parts.append("".join(random.choice(assigned) for _ in range(random.randint(1, 8))))
            else:
                parts.append("".join(random.choice(random.choice(alphabets)) if random.random() < 0.2 else c for c in random.choices(random.choice(alphabets), k=random.randint(1, 12))))
        yield "".join(parts)


(here / "huggingface").mkdir(exist_ok=True)
lines = []
for name, t in made.items():
    raw = json.loads(t.to_str())
    if name in ("qwen2", "llama"):  # the older spelling of merges
        raw["model"]["merges"] = [" ".join(m) for m in raw["model"]["merges"]]
    (here / "huggingface" / f"{name}.json").write_text(json.dumps(raw, ensure_ascii=False, separators=(",", ":")) + "\n")
    t = Tokenizer.from_str(json.dumps(raw))
    cases = []
    for text in texts([a["content"] for a in raw["added_tokens"]]):
        ids = t.encode(text, add_special_tokens=False).ids
        cases.append([text, ids, t.decode(ids, skip_special_tokens=False)])
    framed = t.encode("", add_special_tokens=True).ids
    lines.append(json.dumps(name) + ": " + json.dumps({"size": t.get_vocab_size(), "frame": framed, "cases": cases}, separators=(",", ":")))
(here / "huggingface_cases.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
