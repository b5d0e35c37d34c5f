#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Trains the same model on the same data in float32 and in bfloat16 and compares the losses.

    .build/release/apus prepare TEXT --out DATA --tokenizer gpt2 --vocab VOCABULARY-FOLDER
    python3 Benchmarks/precision/compare.py .build/release/apus DATA [--steps 300] [--n-layer 6] [--n-embd 384] [--batch-size 16]
        [--threads 0]

Context 256, heads of 64, learning rate 1e-3; only the dtype differs. 6 layers of 384 and GPT-2's vocabulary are 30M parameters.
"""
import argparse, json, subprocess, tempfile


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("apus")
    parser.add_argument("data")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--n-layer", type=int, default=6)
    parser.add_argument("--n-embd", type=int, default=384)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--threads", type=int, default=0, help="0: one a core")
    args = parser.parse_args()
    losses = {}
    for dtype in ("float32", "bfloat16"):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(
                [args.apus, "train", "--data", args.data, "--out", f"{folder}/run", "--dtype", dtype, "--n-layer",
                 str(args.n_layer), "--n-head", str(args.n_embd // 64), "--n-embd", str(args.n_embd), "--block-size", "256",
                 "--batch-size", str(args.batch_size), "--max-iters", str(args.steps),
                 "--learning-rate", "1e-3", "--warmup-iters", "30", "--eval-interval", "100", "--eval-iters", "10",
                 "--checkpoint-interval", "1000000", "--threads", str(args.threads), "--quiet"], check=True)
            events = [json.loads(line) for line in open(f"{folder}/run/metrics.jsonl")]
        losses[dtype] = {e["step"]: e["val_loss"] for e in events if e["event"] == "eval"}
        steps = [e["loss"] for e in events if e["event"] == "step"]
        losses[dtype]["mean of the last 20 updates"] = sum(steps[-20:]) / len(steps[-20:])
    for key, value in losses["float32"].items():
        other = losses["bfloat16"][key]
        print(f"{'step ' if isinstance(key, int) else ''}{key}: float32 {value:.4f}  bfloat16 {other:.4f}  difference {other - value:+.4f}")


if __name__ == "__main__":
    main()
