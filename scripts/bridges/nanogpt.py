#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves the bridge to nanoGPT with nanoGPT's own code, in both directions, and prints the figures.

    python scripts/bridges/nanogpt.py PATH/TO/nanoGPT [--apus .build/release/apus] [--work DIR]

Needs torch, numpy and tiktoken (nanoGPT's sample.py imports it). Takes about a minute.
"""
import argparse
import contextlib
import io
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
import torch
from safetensors.torch import load_file

from common import FIXTURES, Apus, Checks, train_losses

LOSS = 2e-5
HALF, ALL = 15, 30  # updates of the golden run


class Golden:
    """nanoGPT's own training of the fixture, in nanoGPT's code: model.py, configure_optimizers, the loop of train.py."""

    def __init__(self, nanogpt, name):
        sys.path.insert(0, str(nanogpt))
        import model as nano
        self.nano = nano
        self.folder = FIXTURES / name
        self.facts = json.loads((self.folder / "golden.json").read_text())
        self.arguments, self.hyper = self.facts["model_args"], self.facts["hyper"]
        self.tokens = numpy.fromfile(self.folder / "tokens.bin", dtype=numpy.uint16).astype(numpy.int64)
        self.losses = self.facts["loss"]

    def start(self, checkpoint=None):
        """A model and its optimizer, fresh or as train.py resumes them."""
        with contextlib.redirect_stdout(io.StringIO()):  # nanoGPT counts parameters aloud
            return self._start(checkpoint)

    def _start(self, checkpoint):
        model = self.nano.GPT(self.nano.GPTConfig(**(checkpoint["model_args"] if checkpoint else self.arguments)))
        state = checkpoint["model"] if checkpoint else load_file(self.folder / "init.safetensors")
        state.setdefault("lm_head.weight", state["transformer.wte.weight"])
        model.load_state_dict(state)
        h = self.hyper
        optimizer = model.configure_optimizers(h["weight_decay"], h["learning_rate"], (h["beta1"], h["beta2"]), "cpu")
        if checkpoint:
            optimizer.load_state_dict(checkpoint["optimizer"])
        return model.train(), optimizer

    def rate(self, it):
        """train.py's get_lr."""
        h = self.hyper
        if it < h["warmup_iters"]:
            return h["learning_rate"] * (it + 1) / (h["warmup_iters"] + 1)
        ratio = (it - h["warmup_iters"]) / (h["lr_decay_iters"] - h["warmup_iters"])
        return h["min_lr"] + 0.5 * (1 + math.cos(math.pi * ratio)) * (h["learning_rate"] - h["min_lr"])

    def train(self, model, optimizer, updates):
        """The updates of a range on the golden batches, as train.py's loop makes them; their losses."""
        batch, length, steps = self.hyper["batch_size"], self.arguments["block_size"], self.hyper["gradient_accumulation_steps"]
        size, losses = batch * length, []
        for it in updates:
            for group in optimizer.param_groups:
                group["lr"] = self.rate(it)
            total = 0.0
            for micro in range(steps):
                at = (it * steps + micro) * size
                x = torch.tensor(self.tokens[at:at + size]).view(batch, length)
                y = torch.tensor(self.tokens[at + 1:at + size + 1]).view(batch, length)
                loss = model(x, y)[1] / steps
                total += loss.item()
                loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), self.hyper["grad_clip"])
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            losses.append(total)
        return losses

    def save(self, path, model, optimizer, it):
        """What train.py saves."""
        path.parent.mkdir(parents=True, exist_ok=True)
        config = {**self.hyper, "max_iters": ALL, "dataset": "golden", "block_size": self.arguments["block_size"]}
        torch.save({
            "model": model.state_dict(), "optimizer": optimizer.state_dict(), "model_args": self.arguments, "iter_num": it,
            "best_val_loss": torch.tensor(9.5), "config": config}, path)


def load(path):
    """As nanoGPT loads it, but saying that no code may run: torch's own restricted reader must take the file."""
    return torch.load(path, map_location="cpu", weights_only=True)


def greatest(a, b):
    return max(abs(x - y) for x, y in zip(a, b, strict=True))


def same_checkpoint(a, b):
    """Whether two checkpoints hold the same weights and the same optimizer state, bit for bit."""
    if a["model"].keys() != b["model"].keys() or a["optimizer"]["state"].keys() != b["optimizer"]["state"].keys():
        return False
    same = all(torch.equal(a["model"][key], b["model"][key]) for key in a["model"])
    for number, state in a["optimizer"]["state"].items():
        same = same and all(torch.equal(state[key].float(), b["optimizer"]["state"][number][key].float()) for key in state)
    return same


def golden_checks(apus, nanogpt, name, work, checks):
    golden = Golden(nanogpt, name)
    model, optimizer = golden.start()
    golden.save(work / "start" / "ckpt.pt", model, optimizer, 0)
    losses = golden.train(model, optimizer, range(HALF))
    checks.add(f"{name}: this nanoGPT gives the golden losses", greatest(losses, golden.losses[:HALF]), LOSS)
    golden.save(work / "half" / "ckpt.pt", model, optimizer, HALF)

    # nanoGPT -> Apus -> nanoGPT, nothing trained in between.
    out = work / "again"
    apus.run("convert", work / "half" / "ckpt.pt", "--to", "nanogpt", "--out", out)
    saved = load(out / "ckpt.pt")
    checks.add(f"{name}: re-exported weights and optimizer state, bit for bit", same_checkpoint(load(work / "half/ckpt.pt"), saved))
    checks.add(f"{name}: iter_num, best_val_loss and model_args are kept", saved["iter_num"] == HALF
               and saved["best_val_loss"] == 9.5 and saved["model_args"] == golden.arguments)
    losses = golden.train(*golden.start(saved), range(HALF, ALL))
    checks.add(f"{name}: nanoGPT goes on from it, next 15 losses", greatest(losses, golden.losses[HALF:]), LOSS)

    # nanoGPT's start -> trained here -> nanoGPT goes on; and Apus goes on as well.
    data = work / "golden"
    data.mkdir(exist_ok=True)
    shutil.copy(golden.folder / "tokens.bin", data / "train.bin")
    h, a = golden.hyper, golden.arguments
    settings = [f"--{key}={h[key]}" for key in h] + [f"--{key}={a[key]}" for key in a]
    run = work / "run"
    apus.run("train", "--init-from", work / "start" / "ckpt.pt", "--data", data, "--out", run, *settings, "--max_iters", HALF,
             "--data_order=sequential", "--dtype=float32", "--eval_iters=1", "--quiet")
    apus.run("convert", run, "--checkpoint", "latest", "--to", "nanogpt", "--out", work / "mine")
    losses = golden.train(*golden.start(load(work / "mine" / "ckpt.pt")), range(HALF, ALL))
    apus.run("train", "--resume", "--out", run, "--max_iters", ALL, "--quiet")
    ours = [loss for step, loss in sorted(train_losses(run).items()) if step > HALF]
    checks.add(f"{name}: a run of Apus, exported: nanoGPT's next 15 losses against ours", greatest(losses, ours), LOSS)
    checks.add(f"{name}: and against the golden ones", greatest(losses, golden.losses[HALF:]), LOSS)

    # nanoGPT's half -> resumed here -> exported -> nanoGPT goes on.
    shutil.copytree(work / "half", work / "resumed")
    apus.run("train", "--init_from=resume", f"--out_dir={work / 'resumed'}", "--data", data, "--data_order=sequential",
             "--dtype=float32", "--eval_iters=1", f"--max_iters={HALF + 8}", f"--lr_decay_iters={ALL}", "--quiet")
    apus.run("convert", work / "resumed", "--checkpoint", "latest", "--to", "nanogpt", "--out", work / "resumed-out")
    saved = load(work / "resumed-out" / "ckpt.pt")
    losses = golden.train(*golden.start(saved), range(HALF + 8, ALL))
    checks.add(f"{name}: resumed here for 8 updates, exported, nanoGPT's next 7 losses",
               greatest(losses, golden.losses[HALF + 8:]), LOSS)
    checks.add(f"{name}: its iter_num", saved["iter_num"] == HALF + 8)


def programs(apus, nanogpt, work, checks):
    """train.py and sample.py themselves, on a character-level run of Apus."""
    home = work / "home"  # both read configurator.py and data/ from where they are started
    home.mkdir()
    for name in ["train.py", "sample.py", "model.py", "configurator.py"]:
        shutil.copy(nanogpt / name, home)
    data = home / "data" / "stories"
    apus.run("prepare", "stories:300", "--out", data, "--tokenizer", "char")
    run = home / "run"
    apus.run("train", "--data", data, "--out", run, "--n-layer", 2, "--n-head", 2, "--n-embd", 64, "--block-size", 64,
             "--batch-size", 8, "--max-iters", 200, "--eval-interval", 100, "--eval-iters", 4, "--learning-rate", 3e-3,
             "--dtype", "float32", "--quiet")
    apus.run("convert", run, "--to", "nanogpt", "--out", home / "out")
    shutil.move(home / "out" / "meta.pkl", data)
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}

    def python(*arguments):
        result = subprocess.run([sys.executable, *arguments], cwd=home, env=environment, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            sys.exit(f"{arguments[0]} ended with {result.returncode}: {result.stderr}")
        return result.stdout

    prompt, count = "Once upon", 50
    text = python("sample.py", "--out_dir=out", f"--start={prompt}", "--num_samples=1", f"--max_new_tokens={count}", "--top_k=1",
                  "--device=cpu", "--dtype=float32", "--compile=False")
    theirs = text.split("meta.pkl...\n")[1].split("\n---------------")[0]
    ours = apus.json("sample", run, "--start", prompt, "--temperature", 0, "--max-new-tokens", count, "--dtype", "float32",
                     "--json", "--quiet")["text"]
    checks.add("sample.py: the same greedy text", theirs == prompt + ours)
    text = python("train.py", "--init_from=resume", "--out_dir=out", "--dataset=stories", "--device=cpu", "--dtype=float32",
                  "--compile=False", "--eval_interval=5", "--eval_iters=40", "--log_interval=1", "--max_iters=210",
                  "--batch_size=8", "--block_size=64", "--gradient_accumulation_steps=1", "--learning_rate=1e-4",
                  "--min_lr=1e-4", "--warmup_iters=0", "--lr_decay_iters=210", "--always_save_checkpoint=True")
    step, value = re.search(r"step (\d+): train loss [\d.]+, val loss ([\d.]+)", text).groups()
    ours = apus.json("eval", run, "--data", data, "--json", "--quiet")["loss"]
    checks.add("train.py --init_from=resume: goes on at step 200", step == "200")
    checks.add("train.py: its validation loss (320 random blocks) against apus eval", abs(float(value) - ours), 5e-2)
    checks.add("train.py: saved its own checkpoint at step 210, which Apus reads",
               apus.json("convert", home / "out", "--to", "safetensors", "--out", home / "m.safetensors", "--json")["step"] == 210)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nanogpt", help="a checkout of nanoGPT")
    parser.add_argument("--apus", help="the program [.build/release/apus]")
    parser.add_argument("--work", help="folder to keep what is made [a temporary one]")
    options = parser.parse_args()
    work = Path(options.work or tempfile.mkdtemp(prefix="apus-nanogpt-")).resolve()
    nanogpt, apus, checks = Path(options.nanogpt).resolve(), Apus(options.apus), Checks()
    print(f"torch {torch.__version__}, every file loaded with weights_only=True\n")
    torch.set_num_threads(2)
    try:
        for name in ["nanogpt-tiny-nobias", "nanogpt-tiny-bias"]:
            (work / name).mkdir(parents=True)
            golden_checks(apus, nanogpt, name, work / name, checks)
        programs(apus, nanogpt, work, checks)
    finally:
        if not options.work:
            shutil.rmtree(work)
    checks.finish()


if __name__ == "__main__":
    main()
