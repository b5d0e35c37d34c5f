#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Trains the same shapes with nanoGPT, llm.c and Apus in turn on this machine's NVIDIA card and prints medians and ratios.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install torch numpy
    /tmp/venv/bin/python Benchmarks/gpu/compare.py --apus .build/release/apus --nanogpt NANOGPT_CHECKOUT [--llmc LLMC_CHECKOUT]
        [--shapes 40m-16,40m-64,124m-16] [--rounds 3] [--json FILE]

Everything in bfloat16 on random tokens (the work does not depend on the text): the same micro-batch and accumulation, no evaluation.
nanoGPT runs with torch.compile and flash SDPA, as its train.py does by default; its time is taken inside its process around the
micro-steps, clipping and fused AdamW, synchronised once an update. llm.c's train_gpt2cu is built when nvcc is found, and its own
"ms" of every step are read; it needs its tokenised data, so a shard of random tokens is written for it. Apus's are the step_ms of
metrics.jsonl. First steps are left out of all three. A round is one process of each; rounds alternate, so that a warm card is as
warm for one as for the others.
"""
import argparse, json, pathlib, re, shutil, statistics, struct, subprocess, sys, tempfile, time

SIZES = {
    "40m": dict(n_layer=12, n_head=12, n_embd=384, block_size=1024, vocab_size=50304),
    "124m": dict(n_layer=12, n_head=12, n_embd=768, block_size=1024, vocab_size=50304),
    "350m": dict(n_layer=24, n_head=16, n_embd=1024, block_size=1024, vocab_size=50304),
}
# llm.c's names of its own initialisations; it has none of 40M parameters.
LLMC_SIZES = {"124m": "d12", "350m": "d24"}

PEER = r"""
import json, sys, time
import torch
a = json.loads(sys.argv[1]); sys.path.insert(0, a["nanogpt"])
from model import GPT, GPTConfig
torch.manual_seed(1)
torch.backends.cuda.matmul.allow_tf32 = True
torch.backends.cudnn.allow_tf32 = True
s = a["shape"]
model = GPT(GPTConfig(dropout=0.0, bias=False, **{k: s[k] for k in ("n_layer", "n_head", "n_embd", "block_size", "vocab_size")}))
model.to("cuda")
optimizer = model.configure_optimizers(0.1, 6e-4, (0.9, 0.95), "cuda")
if a["compile"]: model = torch.compile(model)
batches = [torch.randint(0, s["vocab_size"], (s["batch_size"], s["block_size"] + 1)).pin_memory() for _ in range(4)]
times, start = [], time.perf_counter()
for step in range(a["steps"] + a["warmup"]):
    t = time.perf_counter()
    for micro in range(s["gradient_accumulation_steps"]):
        batch = batches[(step + micro) % 4].to("cuda", non_blocking=True)
        with torch.amp.autocast("cuda", dtype=torch.bfloat16):
            _, loss = model(batch[:, :-1].contiguous(), batch[:, 1:].contiguous())
            loss = loss / s["gradient_accumulation_steps"]
        loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step(); optimizer.zero_grad(set_to_none=True)
    loss.item()
    times.append(time.perf_counter() - t)
    if step == 0: first = time.perf_counter() - start
print(json.dumps({"times": times[a["warmup"]:], "peak": torch.cuda.max_memory_allocated(), "first": first}), file=sys.stderr)
"""


def parse_shape(text):
    """"124m-16" or "124m-16x4": size, micro-batch, accumulation."""
    match = re.fullmatch(r"([a-z0-9]+)-(\d+)(?:x(\d+))?", text)
    if not match or match[1] not in SIZES or int(match[2]) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no shape: SIZE-BATCH or SIZE-BATCHxACCUMULATION, SIZE one of {', '.join(SIZES)}")
    return text, match[1], dict(SIZES[match[1]], batch_size=int(match[2]), gradient_accumulation_steps=int(match[3] or 4))


def run(command, **options):
    """Runs a command; its output, or None and the end of what it said."""
    result = subprocess.run(command, capture_output=True, text=True, **options)
    if result.returncode != 0:
        sys.stderr.write(f"{command[0]} failed:\n{(result.stderr or result.stdout)[-2000:]}\n")
        return None
    return result


def nanogpt(args, shape):
    request = dict(nanogpt=str(args.nanogpt), shape=shape, compile=not args.eager, steps=args.steps, warmup=args.warmup)
    result = run([sys.executable, "-c", PEER, json.dumps(request)])
    if result is None:
        return None
    found = json.loads(result.stderr.strip().splitlines()[-1])
    return dict(seconds=statistics.median(found["times"]), peak=found["peak"], first=found["first"])


def apus(args, shape, data):
    out = pathlib.Path(tempfile.mkdtemp(prefix="apus-gpu-")) / "run"
    options = [f"--{key.replace('_', '-')}={value}" for key, value in shape.items()]
    start = time.perf_counter()
    result = run([str(args.apus), "train", f"--data={data}", f"--out={out}", "--device=cuda", "--dtype=bfloat16", "--quiet",
                  f"--max-iters={args.steps + args.warmup}", "--eval-interval=0", "--eval-iters=1", "--checkpoint-minutes=0",
                  "--checkpoint-interval=1000000"] + options + args.extra)
    wall = time.perf_counter() - start
    if result is None:
        return None
    events = [json.loads(line) for line in open(out / "metrics.jsonl")]
    steps = [event for event in events if event["event"] == "step"]
    planned = next(event.get("planned_bytes") for event in events if event["event"] in ("start", "resume"))
    shutil.rmtree(out.parent)
    times = [event["step_ms"] / 1e3 for event in steps]
    return dict(seconds=statistics.median(times[args.warmup:]), peak=planned, mfu=steps[-1].get("mfu"),
                ceiling=steps[-1].get("ceiling_fraction"), wall=wall)


def llmc_binary(args):
    """llm.c's trainer, built when it is not there; None without nvcc."""
    if args.llmc is None:
        return None
    binary = args.llmc / "train_gpt2cu"
    if not binary.exists():
        if shutil.which("nvcc") is None:
            sys.stderr.write("llm.c is left out: nvcc is not on PATH\n")
            return None
        if run(["make", "train_gpt2cu", "USE_CUDNN=0", "NO_MULTI_GPU=1"], cwd=args.llmc) is None:
            return None
    return binary


def llmc(args, binary, size, shape, folder):
    tokens = shape["batch_size"] * shape["block_size"] * shape["gradient_accumulation_steps"]
    shard = folder / "llmc_train.bin"
    result = run([str(binary), "-i", str(shard), "-j", str(shard), "-e", LLMC_SIZES[size], "-b", str(shape["batch_size"]),
                  "-t", str(shape["block_size"]), "-d", str(tokens), "-x", str(args.steps + args.warmup), "-v", "0", "-s", "0",
                  "-h", "0", "-n", "0", "-r", "0"], cwd=args.llmc)
    if result is None:
        return None
    times = [float(ms) / 1e3 for ms in re.findall(r"([0-9.]+) ms", result.stdout)]
    return dict(seconds=statistics.median(times[args.warmup:])) if len(times) > args.warmup else None


def write_data(folder, tokens):
    """Random GPT-2 tokens as nanoGPT's train.bin and val.bin, and as a shard of llm.c."""
    import random
    generator = random.Random(1)
    ids = struct.pack(f"<{tokens}H", *(generator.randrange(50257) for _ in range(tokens)))
    (folder / "train.bin").write_bytes(ids)
    (folder / "val.bin").write_bytes(ids[: 2 * 20_000])
    header = struct.pack("<256i", 20240520, 1, tokens, *([0] * 253))
    (folder / "llmc_train.bin").write_bytes(header + ids)


def report(name, shape, results):
    tokens = shape["batch_size"] * shape["gradient_accumulation_steps"] * shape["block_size"]
    medians = {}
    for peer, rounds in results.items():
        if not rounds:
            continue
        seconds = statistics.median(r["seconds"] for r in rounds)
        medians[peer] = seconds
        spread = max(r["seconds"] for r in rounds) / min(r["seconds"] for r in rounds) - 1
        extra = "".join(f"  {key} {value:.3g}" for key, value in rounds[-1].items() if key != "seconds" and value is not None)
        print(f"{name:10s} {peer:8s} {seconds * 1e3:9.1f} ms  {tokens / seconds:10.0f} tokens/s  spread {spread:5.1%}{extra}")
    for peer, seconds in medians.items():
        if peer != "apus" and "apus" in medians:
            print(f"{name:10s} apus is {seconds / medians['apus']:.2f} x {peer}")
    return {peer: dict(seconds=s, tokens_per_second=tokens / s) for peer, s in medians.items()}


def arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--apus", type=pathlib.Path, default=pathlib.Path(".build/release/apus"))
    parser.add_argument("--nanogpt", type=pathlib.Path, help="a checkout of nanoGPT; left out without")
    parser.add_argument("--llmc", type=pathlib.Path, help="a checkout of llm.c; left out without")
    parser.add_argument("--shapes", type=lambda text: [parse_shape(part) for part in text.split(",")],
                        default="40m-16,40m-64,124m-16", help="SIZE-BATCH or SIZE-BATCHxACCUMULATION, comma-separated")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20, help="measured updates of a process")
    parser.add_argument("--warmup", type=int, default=5, help="updates left out at the start")
    parser.add_argument("--eager", action="store_true", help="nanoGPT without torch.compile")
    parser.add_argument("--json", type=pathlib.Path, help="also write the figures here")
    parser.add_argument("--extra", action="append", default=[], help="an option for apus train, such as --extra=--memory-limit=12")
    return parser.parse_args(argv)


def main(argv):
    args = arguments(argv)
    card = run(["nvidia-smi", "--query-gpu=name,driver_version,power.limit", "--format=csv,noheader"]) if shutil.which(
        "nvidia-smi") else None
    if card is None:
        raise SystemExit("no NVIDIA card: nvidia-smi is not there or failed")
    print(card.stdout.strip())
    binary = llmc_binary(args)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="apus-gpu-data-"))
    write_data(folder, 4_000_000)
    figures = {"card": card.stdout.strip(), "date": time.strftime("%Y-%m-%d")}
    for name, size, shape in args.shapes:
        results = {"nanogpt": [], "llm.c": [], "apus": []}
        for _ in range(args.rounds):
            peers = {"nanogpt": args.nanogpt and (lambda: nanogpt(args, shape)), "apus": lambda: apus(args, shape, folder),
                     "llm.c": binary and size in LLMC_SIZES and (lambda: llmc(args, binary, size, shape, folder))}
            for peer, measure in peers.items():
                found = measure() if measure else None
                if found:
                    results[peer].append(found)
        figures[name] = report(name, shape, results)
    shutil.rmtree(folder)
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
