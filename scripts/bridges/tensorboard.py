#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks Apus' event files with TensorBoard itself (pip install tensorboard).

  scripts/bridges/tensorboard.py RUN            compare a run folder's event files with its metrics.jsonl
  scripts/bridges/tensorboard.py --apus BINARY  make runs that are killed, torn and resumed, and compare those

Two readers of the tensorboard package are asked: the Python one (EventAccumulator) and a started `tensorboard` server, which reads
with its Rust data server where the package has one. Every value of metrics.jsonl that stands must be there under its tag, as the
float32 of what was logged, at its step and time; and nothing else may be.
"""
import argparse, collections, datetime, json, math, os, shutil, signal, socket, struct, subprocess, sys, tempfile, time
import urllib.parse, urllib.request

sys.path.pop(0)  # this file has the name of the package that it imports

UPDATE = {
    "tokens": "train/tokens", "loss": "train/loss", "grad_norm": "train/grad_norm", "lr": "train/lr", "step_ms": "speed/step_ms",
    "data_ms": "speed/data_ms", "tokens_per_second": "speed/tokens_per_second", "flops_per_token": "speed/flops_per_token",
    "mfu": "speed/mfu", "ceiling_fraction": "speed/ceiling_fraction", "memory_bytes": "memory/bytes",
}
EVALUATION = {
    "train_loss": "train/eval_loss", "train_stderr": "train/eval_stderr", "val_loss": "val/loss", "val_stderr": "val/stderr",
    "val_bits_per_byte": "val/bpb", "eval_tokens": "val/tokens", "eval_ms": "speed/eval_ms",
}
TAGS = {"step": UPDATE, "skip": UPDATE, "eval": EVALUATION}


def single(value):
    return struct.unpack("f", struct.pack("f", float(value)))[0]


def expected(run):
    """tag -> [(step, value)], read from metrics.jsonl by the rule of docs/architecture.md and nothing of Apus' own code."""
    standing = []
    for line in open(run + "/metrics.jsonl"):
        try:
            event = json.loads(line)
        except ValueError:
            continue  # torn by a kill
        if event["event"] in ("resume", "rollback"):
            standing = [e for e in standing if e["step"] <= event["step"]]
        standing.append(event)
    tags = collections.defaultdict(list)
    for event in standing:
        for key, tag in TAGS.get(event["event"], {}).items():
            if key in event:
                when = datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00")).timestamp()
                tags[tag].append((event["step"], single(event[key]), when))
    return tags


def python_reader(folder):
    from tensorboard.backend.event_processing import plugin_event_accumulator as accumulator

    reader = accumulator.EventAccumulator(folder, size_guidance={accumulator.TENSORS: 0})
    reader.Reload()
    from tensorboard.util import tensor_util

    found, texts = {}, []
    for tag in reader.Tags()["tensors"]:
        plugin = reader.SummaryMetadata(tag).plugin_data.plugin_name
        values = [(e.step, tensor_util.make_ndarray(e.tensor_proto).item(), e.wall_time) for e in reader.Tensors(tag)]
        if plugin == "text":
            texts += [value[1] for value in values]
        else:
            assert plugin == "scalars", (tag, plugin)
            assert reader.SummaryMetadata(tag).summary_description, tag
            found[tag] = values
    assert texts and all(b"| n_layer |" in text for text in texts), "no configuration"
    return found


def server_reader(folder):
    """What the web page is given."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    link = tempfile.mkdtemp()
    os.symlink(os.path.abspath(folder), link + "/run")
    server = subprocess.Popen(
        [sys.executable, "-m", "tensorboard.main", "--logdir", link, "--port", str(port), "--samples_per_plugin", "scalars=1000000"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def get(path):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/data/plugin/scalars/{path}", timeout=10) as answer:
            return json.loads(answer.read().decode().replace("NaN", "null"))

    try:
        for attempt in range(120):
            try:
                tags = get("tags")
                if tags.get("run"):
                    break
            except OSError:
                pass
            time.sleep(0.5)
        else:
            sys.exit("tensorboard did not start")
        time.sleep(2)  # the data server may still be reading
        found = {}
        for tag in get("tags")["run"]:
            points = get("scalars?" + urllib.parse.urlencode({"tag": tag, "run": "run"}))
            found[tag] = [(step, math.nan if value is None else value, wall) for wall, step, value in points]
        return found
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(link)


def compare(name, found, wanted):
    assert set(found) == set(wanted), (name, sorted(set(found) ^ set(wanted)))
    for tag, values in wanted.items():
        assert [v[0] for v in found[tag]] == [v[0] for v in values], (name, tag, [v[0] for v in found[tag]][-5:], [v[0] for v in values][-5:])
        for got, want in zip(found[tag], values):
            same = got[1] == want[1] or (math.isnan(got[1]) and math.isnan(want[1]))
            assert same and abs(got[2] - want[2]) < 2e-3, (name, tag, got, want)
    print(f"{name}: {len(wanted)} tags, {sum(map(len, wanted.values()))} values equal")


def check(run, folder=None):
    wanted = expected(run)
    assert wanted["train/loss"] and wanted["val/loss"]
    compare("EventAccumulator", python_reader(folder or run), wanted)
    compare("tensorboard server", server_reader(folder or run), wanted)


def event_files(run):
    return sorted(name for name in os.listdir(run) if name.startswith("events.out.tfevents."))


def made_runs(apus):
    """Runs that were stopped in every way, each compared."""
    folder = tempfile.mkdtemp(prefix="apus-tensorboard-")
    os.chdir(folder)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([apus, "prepare", "stories:600", "--out", "data", "--tokenizer", "bpe:400", "--val-fraction", "0.1"], check=True, **quiet)
    model = "--n-layer 2 --n-head 2 --n-embd 32 --block-size 32 --batch-size 4 --eval-interval 100 --eval-iters 5 --quiet".split()

    def train(run, *more):
        return [apus, "train", "--data", "data", "--out", run, *model, *more]

    print("-- killed, torn, resumed twice")
    process = subprocess.Popen(train("killed", "--max-iters", "100000", "--tensorboard", "--checkpoint-interval", "150"))
    while len(open("killed/metrics.jsonl").readlines() if os.path.exists("killed/metrics.jsonl") else []) < 700:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    first = f"killed/{event_files('killed')[0]}"
    logged = open("killed/metrics.jsonl").read().split("\n")
    # What metrics.jsonl has, the event file has: at most the one event between the two writes is missing. It comes after the last checkpoint, so that
    # the resume undoes it; so does it with the record that is torn here.
    os.truncate(first, os.path.getsize(first) - 7)
    last = json.loads(logged[-2])["step"]
    subprocess.run([apus, "train", "--resume", "--out", "killed", "--max-iters", str(last + 50), "--quiet"], check=True)
    subprocess.run([apus, "train", "--resume", "--out", "killed", "--max-iters", str(last + 90), "--quiet"], check=True)
    assert len(event_files("killed")) == 3, event_files("killed")
    check("killed")

    print("-- event files wanted only when resumed")
    subprocess.run(train("late", "--max-iters", "50"), check=True)
    assert not event_files("late")
    subprocess.run([apus, "train", "--resume", "--out", "late", "--max-iters", "80", "--quiet", "--tensorboard"], check=True)
    check("late")

    print("-- exported")
    subprocess.run([apus, "export", "killed", "--to", "tensorboard", "--out", "logs/killed"], check=True, **quiet)
    check("killed", "logs/killed")
    os.chdir("/")
    shutil.rmtree(folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?")
    parser.add_argument("--apus")
    given = parser.parse_args()
    if given.apus:
        made_runs(os.path.abspath(given.apus))
    elif given.run:
        check(given.run)
    else:
        parser.error("give a run folder, or --apus BINARY")
