#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares Apus's ids with Hugging Face tokenizers' on random hard texts, for every pattern that Apus knows.

    pip install tokenizers
    python3 Benchmarks/tokenizer/parity.py APUS TEXT

Hugging Face trains a small vocabulary on TEXT for each pattern and writes its tokenizer.json; `APUS tokenizer encode
--tokenizer FILE --jsonl` and Hugging Face then encode the same texts. Ends with 1 when an id differs.
"""
import json, random, subprocess, sys, tempfile

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

HEAD = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
TAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|"
SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
PATTERNS = {
    "gpt2": None,
    "cl100k": HEAD + r"\p{N}{1,3}" + TAIL + SPACES,
    "cl100k-tiktoken": HEAD + r"\p{N}{1,3}" + TAIL + r"\s+\z|" + SPACES,
    "qwen2": HEAD + r"\p{N}" + TAIL + SPACES,
    "qwen2 with NFC": HEAD + r"\p{N}" + TAIL + SPACES,
}
POOL = list("aaabcst'''  \n\n\r\t019!?.-SLlrevdmDT") + list("\u00a0\u3000\u2003\u0085\u2028éſ中文яж½٣१😀\u0301\u200d’“—\0\x1c\x0b")


def random_text(generator):
    wild = generator.choice([0, 0.1, 0.5])
    text = ""
    for _ in range(generator.choice([3, 8, 20, 70, 150])):
        code = generator.randrange(0x110000)
        text += chr(code) if generator.random() < wild and not 0xD800 <= code < 0xE000 else generator.choice(POOL)
    return text


def train(name, pattern, text):
    tokenizer = Tokenizer(models.BPE(ignore_merges=name == "cl100k"))
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pattern is None)
    split = [pre_tokenizers.Split(Regex(pattern), "isolated")] if pattern else []
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(split + [byte_level]) if split else byte_level
    tokenizer.decoder = decoders.ByteLevel()
    if "NFC" in name:
        tokenizer.normalizer = normalizers.NFC()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        text.splitlines(keepends=True),
        trainers.BpeTrainer(vocab_size=4096, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False))
    return tokenizer


def main():
    program, path = sys.argv[1:3]
    generator = random.Random(7)
    corpus = open(path, encoding="utf-8").read()[:4_000_000]
    texts = [random_text(generator) for _ in range(6000)]
    for _ in range(500):
        start = generator.randrange(len(corpus))
        texts.append(corpus[start : start + generator.randint(1, 4000)])
    lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    failures = 0
    for name, pattern in PATTERNS.items():
        tokenizer = train(name, pattern, corpus)
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            file.write(tokenizer.to_str())
            file.flush()
            command = [program, "tokenizer", "encode", "--tokenizer", file.name, "--jsonl"]
            output = subprocess.run(command, input=lines, check=True, capture_output=True, text=True).stdout.splitlines()
        assert len(output) == len(texts), f"{len(output)} answers for {len(texts)} texts"
        wrong = [t for t, line in zip(texts, output) if json.loads(line)["ids"] != tokenizer.encode(t).ids]
        print(f"{name:16} {len(texts)} texts, {len(wrong)} differ", *[repr(t[:60]) for t in wrong[:3]])
        failures += len(wrong)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
