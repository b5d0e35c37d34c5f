// SPDX-License-Identifier: MIT
import ArgumentParser
import Compute
import Foundation
import Generation
import Modeling
import Tokenization

/// `apus sample`: text from a model.
struct SampleCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sample",
        abstract: "Write text with a model: a run folder, a checkpoint, a nanoGPT ckpt.pt or a Hugging Face GPT-2 folder.",
        discussion: "The text goes to standard output as it is made; facts go to standard error.")

    @Argument(help: "Run folder, checkpoint folder, nanoGPT ckpt.pt, Hugging Face folder, GGUF or llm.c file, gpt2...")
    var model: String?

    @Option(name: .customLong("out-dir"), help: ArgumentHelp("nanoGPT's way to name the model.", visibility: .hidden))
    var outDir: String?

    @Option(
        name: .customLong("init-from"),
        help: ArgumentHelp("nanoGPT's way to name the model: resume, gpt2, gpt2-medium, ..., or a path.", visibility: .hidden))
    var initFrom: String?

    @Option(help: "Which checkpoint of a run: best, latest or a step [the best, else the latest].")
    var checkpoint: String?

    @Option(name: .customLong("n-head"), help: "Heads, of a safetensors file without metadata; its shapes do not tell them.")
    var nHead: Int?

    @Option(help: "The text to continue; FILE:path reads it from a file. The default is a new document.")
    var start: String?

    @Option(name: .customLong("num-samples"), help: "How many texts to write.")
    var numSamples = 1

    @Option(name: .customLong("max-new-tokens"), help: "Longest text, in tokens; may exceed the model's context.")
    var maxNewTokens = 256

    @Option(help: "Logits are divided by this; 0 always takes the likeliest token.")
    var temperature = 0.8

    @Option(name: .customLong("top-k"), help: "Choose among the k likeliest tokens; 0: all.")
    var topK = 200

    @Option(name: .customLong("top-p"), help: "Choose among the likeliest tokens that together have this probability; 1: all.")
    var topP = 1.0

    @Option(help: "Of the random numbers; the same seed gives the same texts.")
    var seed: UInt64 = 1337

    @Option(help: "gpt2, or a tokenizer file or folder [the one kept with the model].")
    var tokenizer: String?

    @Option(help: "Folder with GPT-2's vocab.bpe and encoder.json.")
    var vocab: String?

    @Option(help: "float32 or bfloat16.")
    var dtype = "bfloat16"

    @Option(help: "cpu or cuda.")
    var device = "cpu"

    @OptionGroup
    var deviceOptions: DeviceOptions

    @Option(help: "CPU threads; 0: one a core.")
    var threads = 0

    @Option(help: "Kernels to use [the best this CPU has].")
    var isa: String?

    @Option(help: ArgumentHelp("nanoGPT's; there is nothing to compile.", visibility: .hidden))
    var compile: String?

    @Flag(name: .customLong("ignore-end"), help: "Go on after end-of-text.")
    var ignoreEnd = false

    @Flag(help: "One JSON object a text on standard output: {\"text\":..,\"tokens\":..}.")
    var json = false

    @Flag(help: "Print only the text.")
    var quiet = false

    /// Texts, and tokens of one: nobody waits for more.
    private static let most = 1_000_000_000

    func run() throws {
        let sampling = SamplingOptions(temperature: temperature, topK: topK, topP: topP, seed: seed)
        if let problem = sampling.problem { throw UsageError(problem) }
        guard (1...Self.most).contains(numSamples), (1...Self.most).contains(maxNewTokens) else {
            throw UsageError("--num-samples and --max-new-tokens take 1 to \(Self.most)")
        }
        // As in nanoGPT, init_from decides, and only for "resume" out_dir is asked.
        guard let path = model ?? (initFrom == "resume" ? nil : initFrom) ?? outDir else {
            throw UsageError("no model given: apus sample RUN, where RUN is a folder that `apus train` made")
        }
        if compile != nil, !quiet {
            Console.note("note: --compile: 'compile' has no meaning here (there is nothing to compile); ignored")
        }
        let backend = try Backends.make(device: device, threads: threads, isa: isa, deviceOptions)
        let loaded = try LoadedModel.open(path, checkpoint: checkpoint, nHead: nHead, dtype: dtype, backend: backend)
        let tokenizer = try loaded.tokenizer(spec: tokenizer, vocab: vocab)
        let prompt = try startTokens(tokenizer)
        let stop = ignoreEnd ? nil : tokenizer.endOfText.map { Int32($0) }
        let capacity = min(loaded.weights.config.blockSize, prompt.count + maxNewTokens)
        let streams = sideBySide(loaded.weights, capacity: capacity, backend)
        let startText = json ? "" : try start.map(startText) ?? ""
        StopSignal.listen()
        let clock = ContinuousClock()
        var made = 0
        let started = clock.now
        var decoder: GPTDecoder?
        for first in stride(from: 0, to: numSamples, by: streams) {
            if StopSignal.isSet || Console.outputFailure != 0 { break }
            let samples = first..<min(first + streams, numSamples)
            if decoder?.batch != samples.count {
                decoder = nil  // its memory goes before the next one's comes
                decoder = try GPTDecoder(weights: loaded.weights, batch: samples.count, capacity: capacity)
            }
            guard let decoder else { break }
            let generator = TextGenerator(
                decoder, sampling: sampling, vocabularySize: tokenizer.vocabularySize, stopToken: stop)
            var output = SampleOutput(
                samples: samples, total: numSamples, tokenizer: tokenizer, start: startText, json: json)
            try generator.generate(
                prompt: prompt, maxNewTokens: maxNewTokens, firstSample: first,
                stop: { StopSignal.isSet || Console.outputFailure != 0 }
            ) { index, token in
                if token != stop { output.add(token, to: index) }
            }
            try output.finish()
            made += output.tokens
        }
        let seconds = (clock.now - started).seconds
        if !quiet {
            // A few tokens of a small model take milliseconds.
            let time =
                seconds < 1
                ? "\(max(1, Int((seconds * 1000).rounded()))) ms"
                : seconds < 10 ? Format.decimals(seconds, 1) + "s" : Format.duration(seconds)
            Console.note(
                "\(made) token\(made == 1 ? "" : "s") in \(time), \(Format.decimals(Double(made) / max(seconds, 1e-9), 1)) tokens/s "
                    + "(\(loaded.description), \(backend.kernelName), \(dtype), seed \(seed))")
        }
        if StopSignal.isSet { throw ExitCode(Failure.interrupted) }
    }

    /// Texts to make at a time: weights are read once for all of them, and up to 16 rows take the path that waits for memory.
    private func sideBySide(_ weights: GPTWeights, capacity: Int, _ backend: any Backend) -> Int {
        var streams = min(numSamples, 16)
        let room = backend.availableBytes ?? .max
        while streams > 1,
            GPTDecoder.byteCount(weights.config, dtype: weights.dtype, batch: streams, capacity: capacity) > room / 2
        {
            streams /= 2
        }
        return streams
    }

    private func startText(_ start: String) throws -> String {
        guard start.hasPrefix("FILE:") else { return start }
        let path = String(start.dropFirst(5))
        guard let data = FileManager.default.contents(atPath: path) else {
            throw UsageError("--start FILE:\(path): the file cannot be read; check the path")
        }
        return String(decoding: data, as: UTF8.self)
    }

    private func startTokens(_ tokenizer: any Tokenizer) throws -> [Int32] {
        var text = try start.map(startText) ?? ""
        // nanoGPT's prompts name the token; as a prompt of its own it is the token.
        if text == "<|endoftext|>" { text = "" }
        let ids = try tokenizer.encode(text)
        if !ids.isEmpty { return ids.map { Int32($0) } }
        if let end = tokenizer.endOfText { return [Int32(end)] }
        // Character level has no end-of-text; a new line is where texts begin, if it has one.
        guard let line = try? tokenizer.encode("\n"), !line.isEmpty else {
            throw UsageError("this model's tokenizer has neither end-of-text nor a new line to begin with; add --start TEXT")
        }
        return line.map { Int32($0) }
    }
}
