#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves the bridge to Hugging Face with the real transformers, in both directions, and prints the figures.

    python scripts/bridges/huggingface.py [--apus .build/release/apus] [--work DIR]

Needs torch, transformers and safetensors (pip install torch transformers safetensors). Takes about a minute.
"""
import argparse
import json
import os
import shutil
import tempfile
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import numpy
import torch
import transformers
from safetensors.torch import load_file

from common import FIXTURES, Apus, Checks, train_losses

LOGITS, LOSS = 1e-4, 2e-5
BLOCK = 64
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()


def load(folder, dtype=torch.float32):
    """The model as transformers loads it, and whether every tensor was found and used."""
    model, info = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, output_loading_info=True)
    complete = not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    return model.eval(), complete


@torch.no_grad()
def block_losses(model, tokens, count):
    """The mean loss of each of the first blocks, as `apus eval` lays them out."""
    losses = []
    for i in range(count):
        x = torch.tensor(tokens[i * BLOCK:(i + 1) * BLOCK].astype(numpy.int64))[None]
        y = torch.tensor(tokens[i * BLOCK + 1:(i + 1) * BLOCK + 1].astype(numpy.int64))
        losses.append(torch.nn.functional.cross_entropy(model(x).logits[0].float(), y).item())
    return losses


def apus_block_losses(apus, model, tokens, count, work):
    """The same from Apus, one block at a time."""
    losses = []
    for i in range(count):
        folder = work / "block"
        folder.mkdir(exist_ok=True)
        tokens[i * BLOCK:(i + 1) * BLOCK + 1].tofile(folder / "val.bin")
        tokens[i * BLOCK:(i + 1) * BLOCK + 1].tofile(folder / "train.bin")
        losses.append(apus.json("eval", model, "--data", folder, "--json", "--quiet")["loss"])
    return losses


def greatest(a, b):
    return max(abs(x - y) for x, y in zip(a, b, strict=True))


class Bridge:
    def __init__(self, apus, work):
        self.apus, self.work, self.checks = apus, work, Checks()

    def train(self, name, tokenizer, *settings):
        """A small run on made-up stories."""
        data = self.work / ("data-" + tokenizer.replace(":", "-"))
        if not data.exists():
            self.apus.run("prepare", "stories:300", "--out", data, "--tokenizer", tokenizer)
        run = self.work / name
        self.apus.run(
            "train", "--data", data, "--out", run, "--n-layer", 2, "--n-head", 2, "--n-embd", 64, "--block-size", BLOCK,
            "--batch-size", 8, "--max-iters", 300, "--eval-interval", 100, "--eval-iters", 4, "--learning-rate", 3e-3,
            "--dtype", "float32", "--quiet", *settings)
        return run, numpy.fromfile(data / "val.bin", dtype=numpy.uint16)

    def golden(self, name):
        """nanoGPT's weights -> Apus -> transformers: the logits are those that nanoGPT computed."""
        source = FIXTURES / name
        golden = json.loads((source / "golden.json").read_text())
        state, arguments = load_file(source / "init.safetensors"), golden["model_args"]
        state.setdefault("lm_head.weight", state["transformer.wte.weight"])
        saved = {
            "model": state, "optimizer": {}, "model_args": arguments, "iter_num": 0, "best_val_loss": 1e9, "config": {}}
        torch.save(saved, self.work / f"{name}.pt")
        out = self.work / f"hf-{name}"
        self.apus.run("convert", self.work / f"{name}.pt", "--to", "huggingface", "--out", out, "--tokenizer", "none")
        model, complete = load(out)
        wanted = load_file(source / "logits.safetensors")["logits"]
        tokens = numpy.fromfile(source / "tokens.bin", dtype=numpy.uint16)[:wanted.shape[0] * wanted.shape[1]]
        with torch.no_grad():
            logits = model(torch.tensor(tokens.astype(numpy.int64)).view(wanted.shape[:2])).logits
        scale = wanted.abs().max()
        self.checks.add(f"{name}: every tensor is found and used", complete)
        self.checks.add(
            f"{name}: transformers' logits against nanoGPT's, of the largest",
            ((logits - wanted).abs().max() / scale).item(), LOGITS)

    def run_out(self, name, tokenizer, *settings):
        """A run of Apus -> transformers: losses block by block, and greedy text."""
        run, tokens = self.train(name, tokenizer, *settings)
        out = self.work / f"hf-{name}"
        facts = self.apus.json("convert", run, "--to", "huggingface", "--out", out, "--json")
        model, complete = load(out)
        self.checks.add(f"{name}: every tensor is found and used", complete)
        # Rows without a token take a little probability in training, and nothing once they are cut off: the folder is compared.
        theirs, ours = block_losses(model, tokens, 6), apus_block_losses(self.apus, out, tokens, 6, self.work)
        self.checks.add(f"{name}: loss of 6 blocks, transformers against apus eval", greatest(theirs, ours), LOSS)
        if model.config.vocab_size == facts["vocab_size"]:
            own = apus_block_losses(self.apus, run, tokens, 2, self.work)
            self.checks.add(f"{name}: the folder against its run, loss of 2 blocks", greatest(ours[:2], own), LOSS)
        self.greedy(name, run, out, model)
        return facts, model, out, tokens

    def greedy(self, name, run, folder, model):
        """Both continue the same prompt with the likeliest token each time."""
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        same = []
        for prompt in ["Once upon a time", "The wind", "She said"]:
            ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
            made = model.generate(
                ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=BLOCK - ids.shape[1])[0]
            theirs = tokenizer.decode(made[ids.shape[1]:], skip_special_tokens=True)
            ours = self.apus.json(
                "sample", run, "--start", prompt, "--temperature", 0, "--max-new-tokens", BLOCK - ids.shape[1],
                "--dtype", "float32", "--json", "--quiet")["text"]
            same.append(theirs == ours)
            if theirs != ours:
                print(f"      transformers: {theirs!r}\n      apus:         {ours!r}")
        self.checks.add(f"{name}: the same greedy text from 3 prompts", all(same))
        text = "It's a test, isn't it? 123  spaces\n\nand  lines. "
        text = "It was late. \"Come in,\" said Mia.\n" if name == "characters" else text + "Zürich, naïve, 東京 🙂 <|endoftext|"
        theirs = tokenizer(text)["input_ids"]
        ours = self.apus.run("tokenizer", "encode", "--tokenizer", folder / "tokenizer.json", text=text)
        ours = [int(id) for id in ours.split()]
        self.checks.add(f"{name}: the tokenizers agree", theirs == ours)
        self.checks.add(f"{name}: decoding gives the text back", tokenizer.decode(theirs) == text)

    def types(self, run):
        """bfloat16 and float16 are rounded exactly as torch rounds."""
        wide = load_file(self.work / "hf-padded" / "model.safetensors")
        for dtype in ["bfloat16", "float16"]:
            out = self.work / f"hf-{dtype}"
            self.apus.run("convert", run, "--to", "huggingface", "--dtype", dtype, "--out", out, "--quiet")
            narrow = load_file(out / "model.safetensors")
            kind = getattr(torch, dtype)
            self.checks.add(
                f"{dtype}: every weight is torch's rounding of the float32 one",
                all(torch.equal(narrow[key], wide[key].to(kind)) for key in wide) and narrow.keys() == wide.keys())
            self.checks.add(f"{dtype}: transformers loads it", load(out, kind)[1])

    def round_trip(self, activation, shards):
        """A random GPT2LMHeadModel of transformers -> Apus -> transformers: the same numbers."""
        torch.manual_seed(7)
        config = transformers.GPT2Config(
            vocab_size=600, n_positions=BLOCK, n_embd=48, n_layer=3, n_head=4, activation_function=activation, bos_token_id=None,
            eos_token_id=None)
        model = transformers.GPT2LMHeadModel(config).eval()
        with torch.no_grad():  # biases and norms start at 0 and 1, where a mix-up would not show
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.05)
        name = f"{activation}{' in shards' if shards else ''}"
        there, back = self.work / f"random-{name}", self.work / f"back-{name}"
        model.save_pretrained(there, max_shard_size="150KB" if shards else "5GB")
        if shards:
            self.checks.add(f"{name}: transformers wrote an index", (there / "model.safetensors.index.json").exists())
        tokens = numpy.random.default_rng(1).integers(0, 600, 10 * BLOCK).astype(numpy.uint16)
        self.checks.add(
            f"{name}: loss of 4 blocks, transformers against apus eval",
            greatest(block_losses(model, tokens, 4), apus_block_losses(self.apus, there, tokens, 4, self.work)), LOSS)
        self.apus.run("convert", there, "--to", "huggingface", "--out", back, "--tokenizer", "none")
        again, complete = load(back)
        ids = torch.tensor(tokens[:4 * BLOCK].astype(numpy.int64)).view(4, BLOCK)
        with torch.no_grad():
            difference = (model(ids).logits - again(ids).logits).abs().max().item()
        self.checks.add(f"{name}: there and back, every tensor found", complete)
        self.checks.add(f"{name}: there and back, greatest difference of logits", difference, LOGITS)
        self.checks.add(f"{name}: the activation is kept", again.config.activation_function == activation)

    def fine_tune(self, folder, tokens):
        """Some updates in transformers, then some here, on from what came back."""
        model, _ = load(folder)
        before = block_losses(model, tokens, 6)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        model.train()
        train = numpy.fromfile(self.work / "data-bpe-512" / "train.bin", dtype=numpy.uint16).astype(numpy.int64)
        for step in range(8):
            ids = torch.tensor(train[step * 8 * BLOCK:(step + 1) * 8 * BLOCK]).view(8, BLOCK)
            loss = model(ids, labels=ids).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        tuned = self.work / "tuned"
        model.save_pretrained(tuned)
        shutil.copy(folder / "tokenizer.json", tuned)
        theirs = block_losses(model, tokens, 6)
        self.checks.add("fine-tuned in transformers: it is another model now", greatest(theirs, before) > 100 * LOSS)
        ours = apus_block_losses(self.apus, tuned, tokens, 6, self.work)
        self.checks.add("fine-tuned in transformers: loss of 6 blocks, there against here", greatest(theirs, ours), LOSS)
        run = self.work / "tuned-run"
        self.apus.run(
            "train", "--init-from", tuned, "--data", self.work / "data-bpe-512", "--out", run, "--n-layer", 2, "--n-head", 2,
            "--n-embd", 64, "--block-size", BLOCK, "--vocab-size", 512, "--bias", "true", "--batch-size", 8, "--max-iters", 8,
            "--learning-rate", 1e-3, "--dtype", "float32", "--data-order", "sequential", "--warmup-iters", 0, "--quiet")
        with torch.no_grad():
            x = torch.tensor(train[:8 * BLOCK]).view(8, BLOCK)
            y = torch.tensor(train[1:8 * BLOCK + 1])
            first = torch.nn.functional.cross_entropy(model(x).logits.view(-1, 512), y).item()
        self.checks.add("trained on here: its first loss is transformers' own", abs(train_losses(run)[1] - first), LOSS)
        here = apus_block_losses(self.apus, run, tokens, 6, self.work)
        out = self.work / "tuned-back"
        self.apus.run("convert", run, "--to", "huggingface", "--out", out)
        again, complete = load(out)
        self.checks.add(
            "trained on here and back there: loss of 6 blocks", greatest(here, block_losses(again, tokens, 6)), LOSS)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--apus", help="the program [.build/release/apus]")
    parser.add_argument("--work", help="folder to keep what is made [a temporary one]")
    options = parser.parse_args()
    work = Path(options.work or tempfile.mkdtemp(prefix="apus-huggingface-"))
    work.mkdir(parents=True, exist_ok=True)
    print(f"transformers {transformers.__version__}, torch {torch.__version__}\n")
    torch.set_num_threads(1)
    try:
        bridge = Bridge(Apus(options.apus), work)
        bridge.golden("nanogpt-tiny-nobias")
        bridge.golden("nanogpt-tiny-bias")
        facts, _, folder, tokens = bridge.run_out("padded", "bpe:512", "--vocab-size", 576)
        bridge.checks.add("padded: the rows without a token were cut off", any("cut off" in note for note in facts["notes"]))
        bridge.run_out("tanh", "bpe:512", "--bias", "true", "--activation", "gelu_tanh", "--vocab-size", 512)
        bridge.run_out("characters", "char")
        bridge.types(work / "padded")
        for activation in ["gelu_new", "gelu"]:
            bridge.round_trip(activation, shards=activation == "gelu_new")
        bridge.fine_tune(folder, tokens)
    finally:
        if not options.work:
            shutil.rmtree(work)
    bridge.checks.finish()


if __name__ == "__main__":
    main()
