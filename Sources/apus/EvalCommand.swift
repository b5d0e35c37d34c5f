// SPDX-License-Identifier: MIT
import ArgumentParser
import Compute
import Corpus
import Foundation
import Modeling
import Training

/// `apus eval`: loss, perplexity and bits per byte of a model on a dataset.
struct EvalCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "eval",
        abstract: "Measure a model on a dataset: loss (nats per token), perplexity, bits per byte.",
        discussion: """
            The loss is the mean over consecutive blocks of the model's context length from the start of the split: inputs
            [i*T, i*T+T), targets shifted by one, a last partial block dropped. Anyone can compute the same number.
            """)

    @Argument(help: "Run folder, checkpoint folder, nanoGPT ckpt.pt, Hugging Face folder, GGUF or llm.c file, gpt2...")
    var model: String

    @Option(help: "Dataset folder.")
    var data: String

    @Option(help: "train or val.")
    var split = "val"

    @Option(help: "Which checkpoint of a run: best, latest or a step [the best, else the latest].")
    var checkpoint: String?

    @Option(name: .customLong("n-head"), help: "Heads, of a safetensors file without metadata; its shapes do not tell them.")
    var nHead: Int?

    @Option(help: "float32 or bfloat16.")
    var dtype = "float32"

    @Option(name: .customLong("batch-size"), help: "Blocks side by side; changes speed and memory only.")
    var batchSize = 8

    @Option(name: .customLong("max-tokens"), help: "Read about this many tokens; 0: the whole split.")
    var maxTokens = 0

    @Option(help: "cpu or cuda.")
    var device = "cpu"

    @OptionGroup
    var deviceOptions: DeviceOptions

    @Option(help: "CPU threads; 0: one a core.")
    var threads = 0

    @Option(help: "Kernels to use [the best this CPU has].")
    var isa: String?

    @Flag(help: "Print {\"loss\":..,\"perplexity\":..,\"bits_per_byte\":..,\"tokens\":..}.")
    var json = false

    @Flag(help: "Print no progress.")
    var quiet = false

    func run() throws {
        guard batchSize >= 1, maxTokens >= 0 else {
            throw UsageError("--batch-size must be at least 1 and --max-tokens at least 0")
        }
        let backend = try Backends.make(device: device, threads: threads, isa: isa, deviceOptions)
        let dataset = try TokenDataset.open(folder: data)
        guard split == "val" || split == "train" else { throw UsageError("unknown split '\(split)'; choose train or val") }
        guard let tokens = split == "train" ? dataset.train : dataset.val else {
            throw UsageError("'\(data)' has no validation split; use --split train, or prepare the data with --val-fraction")
        }
        let loaded = try LoadedModel.open(model, checkpoint: checkpoint, nHead: nHead, dtype: dtype, backend: backend)
        let tokenizer = try dataset.tokenizerPath.map { try LoadedModel.tokenizer(at: $0) }
        try TokenizerMatch.check(loaded.source, dataset, data: tokenizer) { Console.warning($0) }
        let length = loaded.weights.config.blockSize
        let samples = try TokenSamples(split: tokens, kind: .sequential, seed: 0, blockSize: length)
        let blocks = maxTokens == 0 ? samples.evaluationBlocks : min(samples.evaluationBlocks, max(1, maxTokens / length))
        // Only what is read, so that a little of a large split takes a little time.
        try tokens.validate(
            vocabularySize: loaded.weights.config.vocabSize, in: 0..<samples.evaluationTargets(blocks: blocks).upperBound)
        let gpt = try GPT(weights: loaded.weights, batch: min(batchSize, blocks), length: length, training: false)
        StopSignal.listen()
        var done = 0
        let result = try Evaluator(gpt).evaluate(samples, blocks: blocks) {
            if !quiet, Console.isTerminal { Console.progress("eval \(min(done, blocks)) of \(blocks) blocks") }
            done += gpt.sizes.batch
            return StopSignal.isSet
        }
        Console.clearProgress()
        if StopSignal.isSet { throw ExitCode(Failure.interrupted) }
        guard let result else { throw UsageError("the split has no complete block of \(length) tokens") }
        let bytes = tokenizer.map {
            TokenByteLengths($0).count(samples.evaluationTargets(blocks: result.blocks), of: tokens)
        }
        show(result, bitsPerByte: bytes.flatMap { result.bitsPerByte(bytes: $0) }, of: loaded)
    }

    private func show(_ result: Evaluation, bitsPerByte: Double?, of loaded: LoadedModel) {
        if json {
            var object: [String: Any] = [
                "loss": result.loss, "perplexity": exp(result.loss), "tokens": result.tokens, "blocks": result.blocks,
                "split": split,
                "model": loaded.description,
            ]
            object["bits_per_byte"] = bitsPerByte
            object["stderr"] = result.standardError
            let data = try? JSONSerialization.data(withJSONObject: object, options: [.sortedKeys, .withoutEscapingSlashes])
            Console.print(String(decoding: data ?? Data(), as: UTF8.self))
            return
        }
        Console.print("model          \(loaded.description)")
        Console.print("split          \(split), \(result.tokens) tokens in \(result.blocks) blocks")
        let error = result.standardError.map { " ± \(Format.decimals($0, 4))" } ?? ""
        Console.print("loss           \(Format.decimals(result.loss, 4))\(error) nats per token")
        Console.print("perplexity     \(Format.decimals(exp(result.loss), 2))")
        if let bitsPerByte { Console.print("bits per byte  \(Format.decimals(bitsPerByte, 4))") }
    }
}
