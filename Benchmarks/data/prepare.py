#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Times whole preparations (Parquet with zstd, JSON lines, text -> GPT-2 tokens) beside gigatoken's encoder on the same text.

    pip install pyarrow gigatoken
    swift build -c release --package-path Benchmarks
    python3 Benchmarks/data/prepare.py .build/release/apus VOCABULARY-FOLDER TEXT [--megabytes 200] [--dir DIR]
        [--encoder Benchmarks/.build/release/tokenizer-benchmark] [--only-parquet]

TEXT is any English text (plain or .gz). It is cut into paragraphs, which are shuffled anew for each copy until there are enough, and joined to
documents of about 3 KB, so that no document is there twice. Every number is the best of three runs of the whole
program, start and audit included; MB are 10^6 bytes of text. With --encoder the last lines compare Parquet to train.bin with the encoder
alone on the same text at as many threads, in turn: their ratio is what reading, splitting, auditing and writing leave.
gigatoken encodes the same documents, read into memory before, and only that
is timed. Look at the load before believing a number: it is printed beside each.
"""
import argparse, gzip, json, os, random, shutil, subprocess, sys, time

arguments = argparse.ArgumentParser()
arguments.add_argument("apus")
arguments.add_argument("vocabulary")
arguments.add_argument("text")
arguments.add_argument("--megabytes", type=int, default=200)
arguments.add_argument("--dir", default="prepare-benchmark")
arguments.add_argument("--runs", type=int, default=3)
arguments.add_argument("--encoder", help="the program tokenizer-benchmark")
arguments.add_argument("--only-parquet", action="store_true", help="only Parquet, and the encoder beside it")
options = arguments.parse_args()
os.makedirs(options.dir, exist_ok=True)
parquet, lines, text = (f"{options.dir}/text.{ending}" for ending in ("parquet", "jsonl", "txt"))
SEPARATOR = "<|endoftext|>"


def make():
    import pyarrow, pyarrow.parquet

    opened = gzip.open if options.text.endswith(".gz") else open
    with opened(options.text, "rt", encoding="utf-8", errors="replace") as file:
        paragraphs = [p for p in file.read().replace(SEPARATOR, "\n\n").split("\n") if p.strip()]
    chance, documents, size = random.Random(1), [], 0
    while size < options.megabytes * 1_000_000:
        chance.shuffle(paragraphs)
        document, length = [], 0
        for paragraph in paragraphs:
            document.append(paragraph)
            length += len(paragraph) + 1
            if length > 3000:
                documents.append("\n".join(document))
                size += len(documents[-1].encode())
                document, length = [], 0
            if size >= options.megabytes * 1_000_000:
                break
    with open(lines, "w", encoding="utf-8") as file:
        file.writelines(json.dumps({"text": d}, ensure_ascii=False) + "\n" for d in documents)
    with open(text, "w", encoding="utf-8") as file:
        file.write(SEPARATOR.join(documents))
    pyarrow.parquet.write_table(pyarrow.table({"text": documents}), parquet, compression="zstd", row_group_size=1000)


def prepare(source, workers, runs):
    """Prints and returns the best speed."""
    best, peak = float("inf"), 0
    for _ in range(runs):
        out = f"{options.dir}/out"
        shutil.rmtree(out, ignore_errors=True)
        command = [options.apus, "prepare", source, "--out", out, "--vocab", options.vocabulary, "--quiet", "--workers", str(workers)]
        if source == text:
            command += ["--separator", SEPARATOR]
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        best = min(best, time.perf_counter() - start)
        peak = max(peak, usage.ru_maxrss * 1024)
        if status:
            sys.exit("apus prepare failed")
    manifest = json.load(open(f"{options.dir}/out/dataset.json"))
    size = manifest["train"]["bytes"] + manifest["val"]["bytes"]
    row = {"source": os.path.basename(source), "workers": workers, "mb_per_s": round(size / 1e6 / best, 1)}
    print(json.dumps(row | {"peak_mb": round(peak / 1e6), "load": os.getloadavg()[0]}), flush=True)
    return row["mb_per_s"]


def encoder_alone(threads):
    command = [options.encoder, "gpt2", options.vocabulary, text, str(threads), "encode"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    speed = json.loads(lines[-1])["mb_per_s"]
    print(json.dumps({"encoder alone, threads": threads, "mb_per_s": speed, "load": os.getloadavg()[0]}), flush=True)
    return speed


def against_encoder():
    """Parquet to train.bin and the encoder alone in turn, so that both see the same machine."""
    for workers in (1, 2):
        whole, alone = [], []
        for _ in range(options.runs):
            alone.append(encoder_alone(workers))
            whole.append(prepare(parquet, workers, 1))
        row = {"workers": workers, "end_to_end": max(whole), "encoder_alone": max(alone)}
        print(json.dumps(row | {"ratio": round(max(whole) / max(alone), 3)}), flush=True)


def gigatoken_on(documents, size):
    try:
        import gigatoken
    except ImportError:
        return print("gigatoken is not installed; left out")
    tokenizer = gigatoken.Tokenizer(f"{options.dir}/out/tokenizer.json")
    for parallel in (False, True):
        best = float("inf")
        for _ in range(options.runs):
            start = time.perf_counter()
            tokenizer.encode_batch(documents, parallel=parallel)
            best = min(best, time.perf_counter() - start)
        row = {"gigatoken": "all cores" if parallel else "one thread", "mb_per_s": round(size / 1e6 / best, 1)}
        print(json.dumps(row | {"load": os.getloadavg()[0]}), flush=True)


if not os.path.exists(parquet):
    # In a process of its own: a child's peak memory is at least what its parent had when it was started.
    if os.fork() == 0:
        make()
        os._exit(0)
    os.wait()
if options.encoder:
    against_encoder()
for source in () if options.only_parquet else (parquet, lines, text):
    for workers in (1, 2):
        prepare(source, workers, options.runs)
if options.only_parquet:
    sys.exit()
documents = [document.encode() for document in open(text, encoding="utf-8").read().split(SEPARATOR)]
gigatoken_on(documents, sum(map(len, documents)))
