#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Trains the same shape with nanoGPT and with Apus in turn on this machine and prints medians and ratios.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install torch numpy
    /tmp/venv/bin/python Benchmarks/nanogpt/compare.py NANOGPT_CHECKOUT .build/release/apus [--shape 40m] [--modes fp32,bf16,compile]

Both train on random tokens of the vocabulary (the work does not depend on the text), the same micro-batch, no accumulation, no
evaluation, the same number of threads. A round is one process of each; rounds alternate, so that a noisy machine is as noisy to one
as to the other. nanoGPT's time is taken inside its process around forward, backward, clipping and AdamW, its first steps left out;
Apus's from the step_ms of metrics.jsonl, its first steps left out.
"""
import argparse, json, os, pathlib, resource, shutil, statistics, subprocess, sys, tempfile

SHAPES = {
    "40m": dict(n_layer=12, n_head=12, n_embd=384, block_size=1024, batch_size=4, vocab_size=50304),
    "124m": dict(n_layer=12, n_head=12, n_embd=768, block_size=1024, batch_size=2, vocab_size=50304),
    "tiny": dict(n_layer=4, n_head=4, n_embd=128, block_size=64, batch_size=12, vocab_size=128),
}

PEER = r"""
import json, resource, sys, time
import torch
a = json.loads(sys.argv[1]); sys.path.insert(0, a["nanogpt"])
from model import GPT, GPTConfig
torch.set_num_threads(a["threads"]); torch.manual_seed(1)
s = a["shape"]
model = GPT(GPTConfig(dropout=0.0, bias=False, **{k: s[k] for k in ("n_layer", "n_head", "n_embd", "block_size", "vocab_size")}))
optimizer = model.configure_optimizers(0.1, 6e-4, (0.9, 0.95), "cpu")
if a["mode"].startswith("compile"): model = torch.compile(model)
x = torch.randint(0, s["vocab_size"], (s["batch_size"], s["block_size"])); y = torch.roll(x, -1, 1)
times = []
for i in range(a["steps"] + a["warmup"]):
    t = time.perf_counter()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=a["mode"] in ("bf16", "compile")):
        _, loss = model(x, y)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step(); optimizer.zero_grad(set_to_none=True)
    loss.item()
    times.append(time.perf_counter() - t)
print(json.dumps({"times": times[a["warmup"]:], "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}), file=sys.stderr)
"""


def nanogpt(args, shape, mode, warmup):
    request = dict(nanogpt=str(args.nanogpt), shape=shape, mode=mode, threads=args.threads, steps=args.steps, warmup=warmup)
    run = subprocess.run([sys.executable, "-c", PEER, json.dumps(request)], capture_output=True, text=True)
    if run.returncode != 0:
        raise SystemExit(run.stderr)
    result = json.loads(run.stderr.strip().splitlines()[-1])
    return statistics.median(result["times"]), result["peak"]


def apus(args, shape, dtype, data, warmup):
    out = pathlib.Path(tempfile.mkdtemp()) / "run"
    options = [f"--{key.replace('_', '-')}={value}" for key, value in shape.items()]
    command = [args.apus, "train", f"--data={data}", f"--out={out}", f"--dtype={dtype}", f"--threads={args.threads}", "--quiet",
               f"--max-iters={args.steps + warmup}", "--eval-interval=0", "--eval-iters=1", "--checkpoint-minutes=0",
               "--checkpoint-interval=1000000"] + options + args.extra
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode != 0:
        raise SystemExit(run.stderr)
    steps = [json.loads(line) for line in open(out / "metrics.jsonl")]
    steps = [e for e in steps if e["event"] == "step"][warmup:]
    shutil.rmtree(out.parent)
    return statistics.median(e["step_ms"] for e in steps) / 1e3, max(e["memory_bytes"] for e in steps)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nanogpt", type=pathlib.Path)
    parser.add_argument("apus")
    parser.add_argument("--shape", default="40m", choices=SHAPES)
    parser.add_argument("--modes", default="fp32,bf16",
                        help="of nanoGPT: fp32, bf16 (autocast), compile (bf16 with torch.compile), compile-fp32 (the best one "
                             "where the CPU has no bfloat16 instructions)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("extra", nargs="*", help="more options for apus train, after --")
    args = parser.parse_args()
    shape = SHAPES[args.shape]
    tokens = shape["batch_size"] * shape["block_size"]
    folder = pathlib.Path(tempfile.mkdtemp())
    import random
    random.seed(1)
    ids = b"".join(random.randrange(shape["vocab_size"]).to_bytes(2, "little") for _ in range(max(50_000, 4 * tokens)))
    (folder / "train.bin").write_bytes(ids)
    (folder / "val.bin").write_bytes(ids[: 4 * (shape["block_size"] + 1)])
    times, peaks = {}, {}
    for round_number in range(args.rounds):
        for mode in args.modes.split(","):
            dtype = "float32" if mode.endswith("fp32") else "bfloat16"
            warmup = 3 if mode.startswith("compile") else 1
            for name, measure in ((f"nanoGPT {mode}", lambda: nanogpt(args, shape, mode, warmup)),
                                  (f"Apus {dtype}", lambda: apus(args, shape, dtype, folder, 1))):
                seconds, peak = measure()
                times.setdefault(name, []).append(seconds)
                peaks[name] = max(peak, peaks.get(name, 0))
                print(f"round {round_number + 1}  {name:18} {seconds * 1e3:9.1f} ms  {tokens / seconds:9.1f} tokens/s  "
                      f"peak {peak / 1e9:.2f} GB", flush=True)
    shutil.rmtree(folder)
    print()
    for name, values in times.items():
        print(f"median   {name:18} {statistics.median(values) * 1e3:9.1f} ms  {tokens / statistics.median(values):9.1f} tokens/s  "
              f"peak {peaks[name] / 1e9:.2f} GB")
    for mode in args.modes.split(","):
        ours = "Apus float32" if mode.endswith("fp32") else "Apus bfloat16"
        ratio = statistics.median(n / a for n, a in zip(times[f"nanoGPT {mode}"], times[ours]))
        print(f"ratio    {ours} / nanoGPT {mode}: {ratio:.2f}")


if __name__ == "__main__":
    main()
