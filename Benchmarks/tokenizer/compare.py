#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Times Apus, tiktoken and Hugging Face tokenizers on one text, one after another, and compares their ids.

    pip install tiktoken tokenizers
    swift build -c release --product tokenizer-benchmark
    python3 Benchmarks/tokenizer/compare.py .build/release/tokenizer-benchmark VOCABULARY-FOLDER TEXT

VOCABULARY-FOLDER holds GPT-2's vocab.bpe and encoder.json. Every number is the best of several runs, a thread each
unless said; tiktoken gets the whole text as one string, Apus as bytes;
tokenizers, which is slow on long strings, gets pieces of about 64 KB, cut where that changes no token.
"""
import hashlib, json, os, re, struct, subprocess, sys, time


def best(runs, body):
    shortest, result = float("inf"), None
    for _ in range(runs):
        start = time.perf_counter()
        result = body()
        shortest = min(shortest, time.perf_counter() - start)
    return shortest, result


def digest(ids):
    return hashlib.sha256(struct.pack(f"<{len(ids)}I", *ids)).hexdigest()


def byte_characters():
    printable = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or b >= 174]
    others = [b for b in range(256) if b not in printable]
    return {chr(b): b for b in printable} | {chr(256 + i): b for i, b in enumerate(others)}


def tiktoken_encoding(folder):
    import tiktoken

    characters = byte_characters()
    encoder = json.load(open(f"{folder}/encoder.json", encoding="utf-8"))
    ranks = {bytes(characters[c] for c in token): i for token, i in encoder.items() if token != "<|endoftext|>"}
    pattern = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"
    return tiktoken.Encoding("gpt2", pat_str=pattern, mergeable_ranks=ranks, special_tokens={"<|endoftext|>": 50256})


def hugging_face(folder):
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary = json.load(open(f"{folder}/encoder.json", encoding="utf-8"))
    lines = open(f"{folder}/vocab.bpe", encoding="utf-8").read().split("\n")[1:]
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[tuple(line.split()) for line in lines if line]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer


def main():
    program, folder, path = sys.argv[1:4]
    size = os.path.getsize(path)
    lines = subprocess.run([program, "gpt2", folder, path, "2"], check=True, capture_output=True, text=True).stdout.splitlines()
    apus = [json.loads(line) for line in lines]
    for row in apus:
        what = f"{row['what']:20} threads {row.get('threads', 1)}"
        print(f"apus        {what}  {row['seconds']:8.4f} s  {row['mb_per_s']:8.1f} MB/s")
    mine = next(row for row in apus if row["what"] == "encode")
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    text = open(path, encoding="utf-8", newline="").read()
    peers = {"tiktoken": tiktoken_encoding(folder).encode_ordinary, "tokenizers": None}
    tokenizer = hugging_face(folder)
    # A line end between two characters that are not white space is a word of its own, in pieces as in the whole.
    pieces, start = [], 0
    for cut in re.finditer(r"(?<=\S)\n(?=\S)", text):
        if cut.end() - start >= 65536:
            pieces.append(text[start : cut.end()])
            start = cut.end()
    pieces.append(text[start:])
    peers["tokenizers"] = lambda text: [i for piece in tokenizer.encode_batch_fast(pieces) for i in piece.ids]
    for name, encode in peers.items():
        seconds, ids = best(3, lambda: encode(text))
        same = digest(ids) == mine["ids_sha256"]
        print(f"{name:11} encode               threads 1  {seconds:8.4f} s  {size / 1e6 / seconds:8.1f} MB/s  "
              f"Apus is {seconds / mine['seconds']:.1f} times as fast  ids {'equal' if same else 'DIFFER'}")
        if not same:
            sys.exit(1)


if __name__ == "__main__":
    main()
