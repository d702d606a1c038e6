"""Writes learned.json: what Hugging Face's BpeTrainer learns from the beginning of the embedded
novel and a few lines of other scripts, for TestLearnedAsHuggingFaceDoes.

    pip install tokenizers==0.23.3 && python make_learned.py
"""

import gzip
import json
import pathlib

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

here = pathlib.Path(__file__).parent
novel = gzip.open(here / "../../corpus/moby_dick.txt.gz").read()[:30_000].decode()
other = "naïve café, Çelik Ñandú; Привет, мир! Привет! 你好，世界。你好！ 🙂🙂🙂🙂 ====================== aaaaaaaaaaaaaaa  \n\n\t\tif x != y { return 12345 }\r\n" * 3

tokenizer = Tokenizer(models.BPE())
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.train_from_iterator([novel, other], trainers.BpeTrainer(
    vocab_size=900, min_frequency=2, special_tokens=["<|endoftext|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
model = json.loads(tokenizer.to_str())["model"]
vocab = sorted(model["vocab"], key=model["vocab"].get)
json.dump({"texts": ["", other], "vocab": vocab, "merges": [" ".join(m) for m in model["merges"]]},
          open(here / "learned.json", "w"), ensure_ascii=True, indent=0)
