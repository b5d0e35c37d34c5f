#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Times the three products of every linear layer of a training step in Apus and in PyTorch (oneDNN), in turn, on this machine.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install torch numpy
    /tmp/venv/bin/python Benchmarks/matmul/compare.py .build/release/apus [--dtype bfloat16] [--n-embd 384] [--rounds 3]

Rows are 4096 (micro-batch 4 of 1024 tokens). Apus's figures come from `apus bench --json`; PyTorch's are torch.nn.functional.linear
and the two products its backward makes, each alone, fastest of ten, same threads. Rounds alternate; the best of all rounds
counts for both, since other programs can only take away.
"""
import argparse, json, os, subprocess, sys

PEER = r"""
import json, sys, time
import torch
rows, n_embd, dtype, threads = int(sys.argv[1]), int(sys.argv[2]), getattr(torch, sys.argv[3]), int(sys.argv[4])
torch.set_num_threads(threads)
def best(body):
    times = []
    for _ in range(10):
        t = time.perf_counter(); body(); times.append(time.perf_counter() - t)
    return min(times)
c, result = n_embd, {}
for name, n, k in (("qkv", 3 * c, c), ("attention projection", c, c), ("fc", 4 * c, c), ("mlp projection", c, 4 * c)):
    x, w, dy = torch.randn(rows, k).to(dtype), torch.randn(n, k).to(dtype), torch.randn(rows, n).to(dtype)
    flops = 2 * rows * n * k / 1e9
    with torch.no_grad():
        result[f"{name}/forward"] = flops / best(lambda: torch.nn.functional.linear(x, w))
        result[f"{name}/input gradient"] = flops / best(lambda: dy @ w)
        result[f"{name}/weight gradient"] = flops / best(lambda: dy.t() @ x)
print(json.dumps(result))
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("apus")
    parser.add_argument("--dtype", default="bfloat16", choices=("bfloat16", "float32"))
    parser.add_argument("--n-embd", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    args = parser.parse_args()
    ours, theirs, register = {}, {}, 0
    for _ in range(args.rounds):
        command = [args.apus, "bench", "--json", "--steps", "1", "--tokens", "1", "--n-layer", "1", "--n-head",
                   str(args.n_embd // 64), "--vocab-size", "512", "--batch-size", "4", "--n-embd", str(args.n_embd), "--dtype",
                   args.dtype, "--threads", str(args.threads)]
        run = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        register = max(register, run["ceilings"].get("register_flops", 0) / 1e9)
        for row in run["matmul"]:
            key = f"{row['name']}/{row['kind']}"
            ours[key] = max(ours.get(key, 0), row["gflops"])
        peer = subprocess.run([sys.executable, "-c", PEER, "4096", str(args.n_embd), args.dtype, str(args.threads)],
                              check=True, capture_output=True, text=True).stdout
        for key, value in json.loads(peer).items():
            theirs[key] = max(theirs.get(key, 0), value)
    print(f"registers only: {register:.0f} GFLOP/s; {args.dtype}, {args.n_embd} wide, 4096 rows, {args.threads} threads")
    for key, value in ours.items():
        name, kind = key.split("/")
        print(f"{name:22}{kind:17}Apus {value:7.0f}  PyTorch {theirs[key]:7.0f} GFLOP/s  ratio {value / theirs[key]:5.2f}  "
              f"{100 * value / register if register else 0:4.0f} % of registers")


if __name__ == "__main__":
    main()
