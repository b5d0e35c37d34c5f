#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Generates text from one checkpoint with nanoGPT and with Apus in turn on this machine and prints medians and ratios.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install torch numpy
    /tmp/venv/bin/python Benchmarks/nanogpt/generate.py NANOGPT_CHECKOUT .build/release/apus VOCABULARY-FOLDER [--tokens 256]

The checkpoint is a 40M model with random weights, written by nanoGPT's own code (what is generated does not change the work).
nanoGPT's time is that of model.generate as sample.py calls it on a CPU, one token of prompt, temperature 0.8, top_k 200: in
float32, and with all weights in bfloat16, which is its faster way. Loading is left out for both. Apus generates one text, then 16
side by side. VOCABULARY-FOLDER holds GPT-2's vocab.bpe and encoder.json.
"""
import argparse, json, os, pathlib, re, statistics, subprocess, sys, tempfile

SHAPE = dict(n_layer=12, n_head=12, n_embd=384, block_size=1024, vocab_size=50304, bias=False)

PEER = r"""
import json, sys, time
import torch
a = json.loads(sys.argv[1]); sys.path.insert(0, a["nanogpt"])
from model import GPT, GPTConfig
torch.set_num_threads(a["threads"]); torch.manual_seed(1)
if a["mode"] == "write":
    model = GPT(GPTConfig(dropout=0.0, **a["shape"]))
    torch.save({"model": model.state_dict(), "model_args": dict(a["shape"], dropout=0.0), "iter_num": 0,
                "best_val_loss": torch.tensor(10.0), "config": {}}, a["path"])
    sys.exit()
checkpoint = torch.load(a["path"])
model = GPT(GPTConfig(**checkpoint["model_args"])); model.load_state_dict(checkpoint["model"]); model.eval()
if a["mode"] == "bf16": model = model.to(torch.bfloat16)
x = torch.tensor([[50256]])
with torch.no_grad():
    model.generate(x, 4, temperature=0.8, top_k=200)
    t = time.perf_counter()
    model.generate(x, a["tokens"], temperature=0.8, top_k=200)
print(a["tokens"] / (time.perf_counter() - t))
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nanogpt", type=pathlib.Path)
    parser.add_argument("apus")
    parser.add_argument("vocabulary")
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/ckpt.pt"

        def peer(mode):
            request = dict(nanogpt=str(args.nanogpt), shape=SHAPE, mode=mode, threads=args.threads, tokens=args.tokens, path=path)
            run = subprocess.run([sys.executable, "-c", PEER, json.dumps(request)], capture_output=True, text=True)
            if run.returncode != 0:
                raise SystemExit(run.stderr)
            return run.stdout.strip().splitlines()[-1] if run.stdout.strip() else "0"

        def apus(dtype, streams):
            run = subprocess.run(
                [args.apus, "sample", path, "--tokenizer", "gpt2", "--vocab", args.vocabulary, "--num-samples", str(streams),
                 "--max-new-tokens", str(args.tokens), "--ignore-end", "--dtype", dtype, "--threads", str(args.threads)],
                capture_output=True, text=True)
            if run.returncode != 0:
                raise SystemExit(run.stderr)
            return float(re.search(r"([\d.]+) tokens/s", run.stderr).group(1))

        peer("write")
        rates = {}
        for _ in range(args.rounds):
            for name, measure in (("nanoGPT float32", lambda: float(peer("fp32"))), ("Apus float32", lambda: apus("float32", 1)),
                                  ("nanoGPT bfloat16", lambda: float(peer("bf16"))), ("Apus bfloat16", lambda: apus("bfloat16", 1)),
                                  ("Apus bfloat16, 16 texts", lambda: apus("bfloat16", 16))):
                rates.setdefault(name, []).append(measure())
                print(f"{name:24} {rates[name][-1]:9.1f} tokens/s", flush=True)
    median = {name: statistics.median(values) for name, values in rates.items()}
    print()
    for name, value in median.items():
        print(f"median  {name:24} {value:9.1f} tokens/s")
    better = max(median["nanoGPT float32"], median["nanoGPT bfloat16"])
    print(f"ratio   Apus bfloat16 / nanoGPT's better dtype: {median['Apus bfloat16'] / better:.1f}")
    print(f"ratio   16 texts / one text: {median['Apus bfloat16, 16 texts'] / median['Apus bfloat16']:.1f}")


if __name__ == "__main__":
    main()
