#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks Apus's llm.c files with llm.c itself: its train_gpt2.c, compiled for the CPU, reads model, shards and tokenizer.

    git clone https://github.com/karpathy/llm.c
    scripts/bridges/llmc.py llm.c --apus .build/release/apus [--work DIR]      (needs a C compiler; nothing else)

A small model is trained on the built-in stories and written as model.bin. llm.c's program evaluates it, then trains it for 41
updates on one batch; Apus evaluates the same tokens, and trains the model from the same file with the same constants. The losses
of both are compared. The exit status is 1 when a check fails.
"""
import argparse, json, os, re, struct, subprocess, sys, tempfile

failures = 0
B, T = 4, 64  # of llm.c's main()
VAL_BATCHES = 5
UPDATES = 41


def check(ok, what):
    """Prints a check's result and remembers a failure."""
    global failures
    failures += not ok
    print(("ok    " if ok else "FAILED ") + what, flush=True)


def apus(*arguments):
    # In the work folder, where `stories` can only be the built-in ones.
    done = subprocess.run([options.apus, *arguments], cwd=work, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"apus {' '.join(arguments)}\n{done.stderr}")
    return done.stdout


def loss(model, data, split, tokens):
    out = apus("eval", model, "--data", data, "--split", split, "--max-tokens", str(tokens), "--json", "--quiet")
    result = json.loads(out)
    assert result["tokens"] == tokens, result
    return result["loss"]


def compile_llmc(folder):
    """llm.c's reference program; one thread, so that its sums have one order."""
    binary = work + "/train_gpt2"
    # The flags of llm.c's Makefile, without OpenMP.
    command = [os.environ.get("CC", "cc"), "-Ofast", "-Wno-unused-result", "-Wno-ignored-pragmas", "-Wno-unknown-pragmas",
               "-fno-finite-math-only", "-march=native", "train_gpt2.c", "-lm", "-o", binary]
    subprocess.run(command, cwd=folder, check=True)
    return binary


def run_llmc(binary, model, data):
    """Runs the program in a folder that has the files under the names that it opens."""
    place = work + "/run-llmc"
    shards = place + "/dev/data/tinyshakespeare"
    os.makedirs(shards)
    links = {
        place + "/gpt2_124M.bin": model + "/model.bin", place + "/gpt2_tokenizer.bin": model + "/gpt2_tokenizer.bin",
        shards + "/tiny_shakespeare_train.bin": data + "/one_train_000001.bin",
        shards + "/tiny_shakespeare_val.bin": data + "/one_val_000000.bin",
    }
    for link, target in links.items():
        os.symlink(os.path.abspath(target), link)
    done = subprocess.run([binary], cwd=place, capture_output=True, text=True, errors="replace")
    if done.returncode:
        sys.exit(f"llm.c's program ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def one_batch(folder, data):
    """A dataset whose training split is exactly one batch, so that llm.c's shuffling has nothing to shuffle."""
    os.makedirs(folder)
    ids = open(data + "/train.bin", "rb").read(2 * (B * T + 1))
    open(folder + "/train.bin", "wb").write(ids)
    open(folder + "/val.bin", "wb").write(open(data + "/val.bin", "rb").read())
    open(folder + "/tokenizer.json", "w").write(open(data + "/tokenizer.json").read())


def main():
    binary = compile_llmc(options.llmc)
    data, run = work + "/stories", work + "/run"
    apus("prepare", "stories", "--tokenizer", "bpe:2000", "--out", data, "--quiet")
    sizes = ["--n-layer", "3", "--n-head", "4", "--n-embd", "64", "--block-size", str(T), "--bias", "true",
             "--activation", "gelu_tanh", "--dtype", "float32", "--gradient-accumulation-steps", "1"]
    apus("train", "--data", data, "--out", run, *sizes, "--batch-size", "16", "--max-iters", "200", "--lr-decay-iters", "200",
         "--learning-rate", "2e-3", "--min-lr", "2e-4", "--warmup-iters", "20", "--eval-interval", "200", "--eval-iters", "2",
         "--quiet")
    one, shards, model = work + "/one", work + "/shards", work + "/model"
    one_batch(one, data)
    apus("convert", one, "--to", "llmc", "--out", shards, "--quiet")
    apus("convert", run, "--to", "llmc", "--out", model, "--quiet")
    check(sorted(os.listdir(shards)) == ["gpt2_tokenizer.bin", "one_train_000001.bin", "one_val_000000.bin", "tokenizer.json"],
          "the shards have llm.c's names")

    out = run_llmc(binary, model, shards)
    header = dict(re.findall(r"^(\w+): (\d+)$", out, re.M))
    wanted = {"max_seq_len": T, "vocab_size": 2000, "padded_vocab_size": 2048, "num_layers": 3, "num_heads": 4, "channels": 64}
    check(all(int(header.get(key, -1)) == value for key, value in wanted.items()), f"llm.c reads the header: {header}")
    counts = [int(n) for n in re.findall(r"dataset num_batches: (\d+)", out)]
    val_tokens = (os.path.getsize(shards + "/one_val_000000.bin") - 1024) // 2
    check(counts == [(B * T + 1) // (B * T), val_tokens // (B * T)], f"llm.c counts the shards' batches: {counts}")
    val = [float(x) for x in re.findall(r"^val loss ([\d.]+)", out, re.M)]
    train = [float(x) for x in re.findall(r"^step \d+: train loss ([\d.]+)", out, re.M)]

    # Both print or sum float32 in their own order; llm.c prints six decimals.
    ours = loss(model, shards, "val", VAL_BATCHES * B * T)
    check(abs(ours - val[0]) < 1e-5, f"loss of {VAL_BATCHES * B * T} tokens: llm.c {val[0]:.6f}, apus eval {ours:.6f}")
    ours = loss(model, shards, "train", B * T)
    check(abs(ours - train[0]) < 1e-5, f"loss of the training batch: llm.c {train[0]:.6f}, apus eval {ours:.6f}")
    for name, option in [("the run itself, whose softmax has the padding too", run), ("model.bin back from llm.c's form", model)]:
        print(f"      {name}: {loss(option, data, 'val', VAL_BATCHES * B * T):.6f}")

    # The same updates from the same file: llm.c's constants are fixed in its main().
    tuned = work + "/tuned"
    apus("train", "--data", shards, "--out", tuned, "--init-from", model + "/model.bin", "--vocab-size", "2000", *sizes,
         "--batch-size", str(B), "--max-iters", str(UPDATES), "--decay-lr", "false", "--warmup-iters", "0",
         "--learning-rate", "1e-4", "--beta1", "0.9", "--beta2", "0.999", "--weight-decay", "0", "--grad-clip", "0",
         "--eval-interval", "10", "--eval-iters", "1", "--log-interval", "1", "--data-order", "sequential", "--quiet")
    events = [json.loads(line) for line in open(tuned + "/metrics.jsonl")]
    ours = [e["loss"] for e in events if e["event"] == "step"]
    check(len(ours) == len(train) == UPDATES, f"{UPDATES} updates each")
    distance = max(abs(a - b) for a, b in zip(ours, train))
    # -Ofast lets the compiler reorder llm.c's sums; over the updates the two roundings drift apart.
    check(distance < 1e-4, f"the losses of {UPDATES} updates are within {distance:.6f}: llm.c {train[0]:.6f} to {train[-1]:.6f}, "
          f"apus {ours[0]:.6f} to {ours[-1]:.6f}")

    # Its tokenizer prints text, not numbers, when the table is right.
    text = re.search(r"generating:\n---\n(.*?)\n---", out, re.S).group(1)
    check(len(re.findall(r"[A-Za-z]{3,}", text)) > 20, f"llm.c's sample is text: {' '.join(text.split())[:100]!r}")

    # bfloat16: the header's version and the rounding; only llm.c's CUDA program reads it.
    apus("convert", run, "--to", "llmc", "--dtype", "bfloat16", "--out", work + "/model_bf16.bin", "--quiet")
    whole, half = (open(p, "rb").read() for p in (model + "/model.bin", work + "/model_bf16.bin"))
    words = struct.unpack("<8i", half[:32])
    same = len(half) - 1024 == (len(whole) - 1024) // 2
    same &= words[:2] == (20240326, 5) and words[2:] == struct.unpack("<8i", whole[:32])[2:]
    bits = struct.unpack(f"<{(len(whole) - 1024) // 4}I", whole[1024:])
    rounded = [((b + 0x7FFF + ((b >> 16) & 1)) >> 16) & 0xFFFF for b in bits]
    same &= struct.pack(f"<{len(rounded)}H", *rounded) == half[1024:]
    check(same, "the bfloat16 file has version 5 and the nearest numbers")
    print("all checks passed" if failures == 0 else f"{failures} checks failed")
    sys.exit(1 if failures else 0)


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("llmc", help="a checkout of llm.c")
parser.add_argument("--apus", default=".build/release/apus")
parser.add_argument("--work", help="a new folder for files, kept [a temporary one]")
options = parser.parse_args()
options.apus = os.path.abspath(options.apus)
if options.work:
    os.makedirs(options.work)
with tempfile.TemporaryDirectory() as temporary:
    work = os.path.abspath(options.work or temporary)
    main()
