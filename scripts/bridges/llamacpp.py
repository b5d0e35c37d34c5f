#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks Apus's GGUF files with the programs at the other end: the gguf package and llama.cpp.

    python3 -m venv venv && venv/bin/pip install gguf xllamacpp     (xllamacpp's wheel holds a build of llama.cpp)
    venv/bin/python scripts/bridges/llamacpp.py --apus .build/release/apus [--model RUN] [--characters RUN] [--work DIR]

Without --model a small model with the tanh GELU is trained on the built-in stories first (about a minute on two free cores).
Every check prints a line; the exit status is 1 when one of them fails.
"""
import argparse, json, os, subprocess, sys, tempfile, urllib.request

import gguf
import numpy as np
from gguf.quants import dequantize, quantize

KINDS = {
    "float32": gguf.GGMLQuantizationType.F32, "float16": gguf.GGMLQuantizationType.F16,
    "bfloat16": gguf.GGMLQuantizationType.BF16, "q8_0": gguf.GGMLQuantizationType.Q8_0,
}
FILE_TYPES = {"float32": 0, "float16": 1, "bfloat16": 32, "q8_0": 7}
TEXTS = [
    "Once upon a time, there was a dog.", " two  blanks\n\nand lines\tand tabs", "don't we'll 12345 it's 3.14!?",
    "Grüße aus Köln, naïve café, жизнь 日本語 🙂", "<|endoftext|> as text", "",
]
PROMPTS = ["One day", "Once upon a time", "The little dog wanted to", "\"Come with me,\" said"]
failures = 0


def check(ok, what):
    """Prints a check's result and remembers a failure."""
    global failures
    failures += not ok
    print(("ok    " if ok else "FAILED ") + what, flush=True)


def apus(*arguments, stdin=None):
    """Runs Apus in the work folder, where `stories` can only be the built-in ones, and gives its standard output."""
    done = subprocess.run([options.apus, *arguments], cwd=work, input=stdin, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"apus {' '.join(arguments)}\n{done.stderr}")
    return done.stdout


def train():
    """A model whose greedy text is not degenerate."""
    data, run = work + "/stories", work + "/run"
    apus("prepare", "stories", "--tokenizer", "bpe:2000", "--out", data, "--quiet")
    apus("train", "--data", data, "--out", run, "--activation", "gelu_tanh", "--n-layer", "4", "--n-head", "4", "--n-embd", "128",
         "--block-size", "256", "--batch-size", "8", "--gradient-accumulation-steps", "1", "--max-iters", "600",
         "--lr-decay-iters", "600", "--learning-rate", "2e-3", "--min-lr", "2e-4", "--warmup-iters", "50", "--bias", "true",
         "--eval-interval", "600", "--eval-iters", "10", "--dtype", "float32", "--quiet")
    return run


def safetensors(path):
    """A float32 safetensors file, read by hand so that the script needs no more packages."""
    data = open(path, "rb").read()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    facts = header.pop("__metadata__")
    return facts, {
        name: np.frombuffer(data, np.float32, offset=8 + length + t["data_offsets"][0],
                            count=int(np.prod(t["shape"]))).reshape(t["shape"])
        for name, t in header.items()
    }


def gguf_name(name):
    parts = name.split(".")
    if parts[1] != "h":
        return {"wte": "token_embd", "wpe": "position_embd", "ln_f": "output_norm"}[parts[1]] + "." + parts[-1]
    inner = {"ln_1": "attn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "ln_2": "ffn_norm",
             "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}[".".join(parts[3:-1])]
    return f"blk.{parts[2]}.{inner}.{parts[-1]}"


# ---- The gguf package ------------------------------------------------------------------------------------------------

def check_file(path, dtype, facts, weights, rows):
    """Compares every tensor bit for bit with the package's own rounding, and the metadata with the model's sizes."""
    reader = gguf.GGUFReader(path)
    found = {t.name: t for t in reader.tensors}
    wanted = {}
    for name, values in weights.items():
        wanted[gguf_name(name)] = values[:rows] if name == "transformer.wte.weight" else values
    for name in list(wanted):
        if name.endswith(".weight") and (missing := name[:-6] + "bias") not in wanted \
                and name not in ("token_embd.weight", "position_embd.weight"):
            wanted[missing] = np.zeros(wanted[name].shape[0], np.float32)
    expected = {t for i in gguf.MODEL_TENSORS[gguf.MODEL_ARCH.GPT2] for t in [gguf.TENSOR_NAMES[i]]}
    known = all(n.rsplit(".", 1)[0].replace(n.split(".")[1], "{bid}", 1) in expected if n.startswith("blk")
                else n.rsplit(".", 1)[0] in expected for n in found)
    check(set(found) == set(wanted) and known, f"{dtype}: {len(found)} tensors, all of gguf's names for gpt2")
    wrong = []
    for name, values in wanted.items():
        kind = KINDS[dtype] if values.ndim == 2 and name != "position_embd.weight" else gguf.GGMLQuantizationType.F32
        tensor = found[name]
        bits = np.ascontiguousarray(quantize(values, kind)).tobytes()
        if tensor.tensor_type != kind or list(tensor.shape) != list(values.shape[::-1]) or tensor.data.tobytes() != bits:
            wrong.append(name)
    check(not wrong, f"{dtype}: every tensor is bit for bit what gguf's quantize makes {wrong[:3]}")
    value = lambda key: reader.fields[key].contents()
    sizes = {"block_count": "n_layer", "context_length": "block_size", "embedding_length": "n_embd"}
    ok = all(value("gpt2." + key) == int(facts[ours]) for key, ours in sizes.items())
    ok &= value("gpt2.feed_forward_length") == 4 * int(facts["n_embd"])
    ok &= value("gpt2.attention.head_count") == int(facts["n_head"])
    ok &= abs(value("gpt2.attention.layer_norm_epsilon") - 1e-5) < 1e-9
    ok &= value("general.architecture") == "gpt2" and value("general.file_type") == FILE_TYPES[dtype]
    check(ok, f"{dtype}: metadata")
    return reader


def check_tokenizer(reader, path):
    ours = json.load(open(path))
    vocabulary, added = ours["model"]["vocab"], {t["id"] for t in ours["added_tokens"]}
    value = lambda key: reader.fields[key].contents()
    tokens, kinds = value("tokenizer.ggml.tokens"), value("tokenizer.ggml.token_type")
    ok = all(tokens[i] == text and kinds[i] == (3 if i in added else 1) for text, i in vocabulary.items())
    ok &= value("tokenizer.ggml.merges") == ours["model"]["merges"] and value("tokenizer.ggml.model") == "gpt2"
    ok &= tokens[value("tokenizer.ggml.eos_token_id")] == "<|endoftext|>"
    check(ok, f"tokenizer: {len(tokens)} tokens and {len(ours['model']['merges'])} merges are those of tokenizer.json")


def write_like_llama_cpp(path, facts, weights, rows, kind):
    """A file laid out as llama.cpp's convert_hf_to_gguf.py writes GPT-2, with the head repeated as older versions of it did."""
    writer = gguf.GGUFWriter(path, "gpt2")
    writer.add_block_count(int(facts["n_layer"]))
    writer.add_context_length(int(facts["block_size"]))
    writer.add_embedding_length(int(facts["n_embd"]))
    writer.add_feed_forward_length(4 * int(facts["n_embd"]))
    writer.add_head_count(int(facts["n_head"]))
    writer.add_layer_norm_eps(1e-5)
    writer.add_tokenizer_model("no_vocab")
    for name, values in weights.items():
        values = values[:rows] if name == "transformer.wte.weight" else values
        type_ = kind if values.ndim == 2 and "wpe" not in name else gguf.GGMLQuantizationType.F32
        names = [gguf_name(name)] + (["output.weight"] if name == "transformer.wte.weight" else [])
        for one in names:
            writer.add_tensor(one, quantize(values, type_), raw_dtype=type_)
            if one.endswith("weight") and one not in ("token_embd.weight", "position_embd.weight", "output.weight") \
                    and name[:-6] + "bias" not in weights:
                writer.add_tensor(one[:-6] + "bias", np.zeros(values.shape[0], np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


# ---- The model in float64 --------------------------------------------------------------------------------------------

def erf(x):
    """Within 2e-7 of erf, by Abramowitz and Stegun 7.1.26; what is compared with it is far larger."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    poly = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t
    return np.sign(x) * (1 - poly * np.exp(-x * x))


def logits(facts, weights, rows, ids, activation):
    """[T, rows], in float64."""
    w = {name: values.astype(np.float64) for name, values in weights.items()}
    c, heads, t = int(facts["n_embd"]), int(facts["n_head"]), len(ids)

    def norm(x, name):
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        return x * w[name + ".weight"] + w.get(name + ".bias", 0)

    def linear(x, name):
        return x @ w[name + ".weight"].T + w.get(name + ".bias", 0)

    def gelu(x):
        if activation == "gelu":
            return 0.5 * x * (1 + erf(x / np.sqrt(2)))
        return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x ** 3)))

    x = w["transformer.wte.weight"][ids] + w["transformer.wpe.weight"][:t]
    for layer in range(int(facts["n_layer"])):
        h = f"transformer.h.{layer}."
        q, k, v = np.split(linear(norm(x, h + "ln_1"), h + "attn.c_attn").reshape(t, 3 * heads, c // heads).transpose(1, 0, 2), 3)
        scores = q @ k.transpose(0, 2, 1) / np.sqrt(c // heads) + np.triu(np.full((t, t), -np.inf), 1)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        y = (scores / scores.sum(-1, keepdims=True)) @ v
        x = x + linear(y.transpose(1, 0, 2).reshape(t, c), h + "attn.c_proj")
        x = x + linear(gelu(linear(norm(x, h + "ln_2"), h + "mlp.c_fc")), h + "mlp.c_proj")
    return norm(x, "transformer.ln_f") @ w["transformer.wte.weight"][:rows].T


# ---- llama.cpp -------------------------------------------------------------------------------------------------------

class Llama:
    """llama.cpp's server, on a port of its own, with one thread."""

    def __init__(self, path, context):
        import xllamacpp
        params = xllamacpp.CommonParams()
        params.model.path, params.n_ctx, params.n_parallel, params.warmup = path, context, 1, False
        params.cpuparams.n_threads, params.port, params.verbosity = 1, 0, 0
        # Keys and values in float32; llama.cpp's default rounds them to float16.
        params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        import socket
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            params.port = free.getsockname()[1]
        self.server = xllamacpp.Server(params)

    def post(self, path, body):
        request = urllib.request.Request(
            self.server.listening_address + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        return json.load(urllib.request.urlopen(request))

    def greedy(self, prompt, count):
        """Ids, and the log-probability of each."""
        body = {"prompt": prompt, "n_predict": count, "temperature": 0, "top_k": 1, "return_tokens": True, "n_probs": 1,
                "cache_prompt": False}
        answer = self.post("/completion", body)
        return answer["tokens"], [p["logprob"] for p in answer["completion_probabilities"]]

    def tokenize(self, text):
        return self.post("/tokenize", {"content": text, "parse_special": False})["tokens"]


def sample(path, prompt, count):
    out = apus("sample", path, "--start", prompt, "--temperature", "0", "--dtype", "float32", "--max-new-tokens", str(count),
               "--json", "--quiet")
    return json.loads(out)["ids"]


def common(a, b):
    return next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))


def check_llama(files, tokenizer, facts, weights, rows, end):
    context = int(facts["block_size"])
    for dtype, path in files.items():
        llama = Llama(path, context)
        if dtype == "float32":
            for text in TEXTS:
                ours = [int(i) for i in apus("tokenizer", "encode", "--tokenizer", tokenizer, stdin=text).split()]
                check(llama.tokenize(text) == ours, f"llama.cpp's tokens of {text[:30]!r} are ours ({len(ours)})")
        whole = 0
        for prompt in PROMPTS:
            ids = [int(i) for i in apus("tokenizer", "encode", "--tokenizer", tokenizer, stdin=prompt).split()]
            count = context - len(ids)
            theirs, probabilities = llama.greedy(ids, count)
            theirs = theirs[:theirs.index(end)] if end in theirs else theirs
            ours = sample(path, prompt, count)
            same = common(ours, theirs)
            note = f"{dtype}: llama.cpp's greedy text after {prompt!r}: {same} of {len(ours)} tokens are the same"
            if dtype == "float32":
                exact = logits(facts, weights, rows, ids + theirs[:-1], "gelu_tanh")[len(ids) - 1:]
                exact = exact - np.log(np.exp(exact).sum(-1, keepdims=True))
                distance = np.abs(exact[np.arange(len(theirs)), theirs] - probabilities[:len(theirs)]).max()
                # llama.cpp reads GELU from a table in float16 on a CPU: steps of 2^-11, not our arithmetic, are what is seen.
                check(distance < 0.005, f"float32: its log-probabilities are within {distance:.5f} of the model in float64")
                if same < min(len(ours), len(theirs)):
                    # Another choice is right only where its error is larger than what lies between the two tokens.
                    gap = exact[same, ours[same]] - exact[same, theirs[same]]
                    check(0 <= gap < distance, note + f"; in float64 ours is likelier by {gap:.5f}, less than its error")
                else:
                    check(ours == theirs, note)
                    whole = max(whole, len(ours))
            else:
                # llama.cpp rounds activations too for these types, so a tie can fall another way; it is only reported.
                print("      " + note)
        if dtype == "float32":
            check(whole >= 64, f"the longest of those that are the same to the end has {whole} tokens")
        del llama


def report_gelu(facts, weights, rows, ids):
    exact, tanh = (logits(facts, weights, rows, ids, a) for a in ("gelu", "gelu_tanh"))
    print(f"      erf and tanh GELU, same weights, {len(ids)} tokens: logits differ by at most {np.abs(exact - tanh).max():.5f}, "
          f"{np.sqrt(np.mean((exact - tanh) ** 2)):.6f} root mean square; the likeliest token is another at "
          f"{int((exact.argmax(-1) != tanh.argmax(-1)).sum())} places")


def check_characters(run):
    """A character-level model: its tokens go to llama.cpp as an 'rwkv' vocabulary."""
    path = work + "/characters.gguf"
    apus("convert", run, "--to", "gguf", "--out", path, "--quiet")
    llama = Llama(path, 128)
    text = "The cat\nand, so: it!"
    ours = [int(i) for i in apus("tokenizer", "encode", "--tokenizer", run + "/tokenizer.json", stdin=text).split()]
    check(llama.tokenize(text) == ours, "characters: llama.cpp's tokens are ours")
    theirs, _ = llama.greedy(ours, 64)
    mine = sample(path, text, 64)
    note = f"characters: {common(mine, theirs)} of {len(mine)} greedy tokens are the same"
    exact = json.load(open(run + "/run.json"))["config"]["activation"] == "gelu"
    if exact:
        print("      " + note + " (the model has the exact GELU, llama.cpp the tanh form)")
    else:
        check(theirs == mine, note)


def main():
    run = options.model or train()
    apus("convert", run, "--to", "safetensors", "--out", work + "/model.safetensors", "--quiet")
    facts, weights = safetensors(work + "/model.safetensors")
    tokenizer = run + "/tokenizer.json"
    described = json.load(open(tokenizer))
    rows = 1 + max(described["model"]["vocab"].values())
    end = described["model"]["vocab"]["<|endoftext|>"]
    files = {}
    for dtype in KINDS:
        files[dtype] = f"{work}/{dtype}.gguf"
        apus("convert", run, "--to", "gguf", "--dtype", dtype, "--out", files[dtype], "--quiet")
        reader = check_file(files[dtype], dtype, facts, weights, rows)
    check_tokenizer(reader, tokenizer)
    # Back again: what the package wrote must be read with the values that it means.
    for dtype, kind in KINDS.items():
        path = f"{work}/theirs-{dtype}.gguf"
        write_like_llama_cpp(path, facts, weights, rows, kind)
        apus("convert", path, "--to", "safetensors", "--out", path + ".safetensors", "--tokenizer", "none", "--quiet")
        _, back = safetensors(path + ".safetensors")
        wrong = [name for name, values in weights.items() if not np.array_equal(
            back[name], dequantize(quantize(values[:rows] if "wte" in name else values, kind), kind)
            if values.ndim == 2 and "wpe" not in name else values)]
        check(not wrong, f"{dtype}: Apus reads a file of the package as gguf's dequantize does {wrong[:3]}")
    text = apus("sample", run, "--temperature", "0", "--dtype", "float32", "--json", "--quiet", "--ignore-end",
                "--max-new-tokens", str(int(facts["block_size"]) - 1))
    report_gelu(facts, weights, rows, [end] + json.loads(text)["ids"])
    check_llama(files, tokenizer, facts, weights, rows, end)
    if options.characters:
        check_characters(options.characters)
    print("all checks passed" if failures == 0 else f"{failures} checks failed")
    sys.stdout.flush()
    # llama.cpp's server threads do not always end with the interpreter.
    os._exit(1 if failures else 0)


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--apus", default=".build/release/apus")
parser.add_argument("--model", help="a run folder of a model with the tanh GELU and a byte-level BPE")
parser.add_argument("--characters", help="a run folder of a character-level model")
parser.add_argument("--work", help="a folder for files, kept [a temporary one]")
options = parser.parse_args()
options.apus = os.path.abspath(options.apus)
options.model, options.characters = (path and os.path.abspath(path) for path in (options.model, options.characters))
if options.work:
    os.makedirs(options.work, exist_ok=True)
with tempfile.TemporaryDirectory() as temporary:
    work = os.path.abspath(options.work or temporary)
    main()
