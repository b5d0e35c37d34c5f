// SPDX-License-Identifier: MIT
import ArgumentParser
import Checkpoints
import Corpus
import Foundation
import RunLog
import Storage
import Tokenization

/// `apus convert`: a model from one program's form to another's.
struct ConvertCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert",
        abstract: "Write a model in another program's form: nanoGPT, Hugging Face, llm.c, GGUF, plain safetensors.",
        discussion: """
            Examples:
              apus convert runs/stories --to huggingface --out hub/stories
              apus convert runs/stories --to nanogpt --out out-stories
              apus convert out-x/ckpt.pt --to huggingface --out hub/x
              apus convert hub/x --to safetensors --out x.safetensors
              apus convert runs/stories --to gguf --out stories.gguf --dtype q8_0
              apus convert runs/stories --to llmc --out llmc/stories
              apus convert data/stories --to llmc --out llmc/data

            nanogpt: ckpt.pt with the optimizer's state, so that train.py goes on from it.
            huggingface: a folder that transformers loads, with tokenizer and model card.
            gguf: one file for llama.cpp. llmc: model.bin and gpt2_tokenizer.bin, or one .bin
            file; of a dataset, llm.c's token shards.
            huggingface, llmc and gguf leave out rows of the vocabulary without a token.
            Nothing that exists is overwritten.
            """)

    @Argument(
        help:
            "Run folder, checkpoint folder, nanoGPT ckpt.pt, Hugging Face folder, GGUF, llm.c or safetensors file; or a dataset.")
    var model: String

    @Option(help: "nanogpt, huggingface, safetensors, llmc or gguf.")
    var to: String

    @Option(help: "File or folder to write; it must not exist.")
    var out: String

    @Option(help: "float32, bfloat16, float16; gguf also q8_0 [float32]. Rounded to the nearest.")
    var dtype: String?

    @Option(help: "Which checkpoint of a run: best, latest or a step [the best, else the latest].")
    var checkpoint: String?

    @Option(name: .customLong("n-head"), help: "Heads, of a safetensors file without metadata; its shapes do not tell them.")
    var nHead: Int?

    @Option(help: "gpt2, a tokenizer file or folder, or none [the one kept with the model].")
    var tokenizer: String?

    @Option(help: "Folder with GPT-2's vocab.bpe and encoder.json.")
    var vocab: String?

    @Option(help: "What the model is called in its card and metadata [the source's name].")
    var name: String?

    @Option(name: .customLong("shard-tokens"), help: "A dataset's tokens in one of llm.c's shards, at most.")
    var shardTokens = LLMCShards.usualTokens

    @Flag(
        help:
            "Print {\"path\":..,\"format\":..,\"dtype\":..,\"parameters\":..,\"parameters_total\":..,\"bytes\":..,\"notes\":[..]}."
    )
    var json = false

    @Flag(help: "Print nothing.")
    var quiet = false

    func run() throws {
        let (format, exporter) = try formatAndExporter()
        guard !out.isEmpty else { throw UsageError("--out is empty; name the file or folder to write") }
        let type = try elementType(exporter, format)
        let destination = exporter.destination(out.count > 1 && out.hasSuffix("/") ? String(out.dropLast()) : out)
        var status = stat()
        guard lstat(destination, &status) != 0 else {
            throw UsageError("'\(destination)' exists already; nothing is overwritten: choose another --out, or move it away")
        }
        if isDataset { return try convertData(format, to: destination) }
        let source = try LoadedModel.source(model, checkpoint: checkpoint, nHead: nHead)
        var export = try ModelExport(source, name: name ?? defaultName, withOptimizer: format == .nanoGPT)
        try addRun(of: source, to: &export)
        let (found, note) = try findTokenizer(source, isWanted: exporter.wantsTokenizer)
        export.tokenizer = found
        try Folder.create(Paths.parent(of: destination))
        var result = try exporter.write(export, dtype: type, to: destination, calls: .system)
        if let note { result.notes.append(note) }
        show(result, export, format, type, destination)
    }

    private func formatAndExporter() throws -> (ExportFormat, any ModelExporter) {
        guard let format = ExportFormat(rawValue: to) else {
            let valid = ExportFormat.allCases.map(\.rawValue).joined(separator: ", ")
            throw UsageError("unknown form '\(to)'; --to takes one of \(valid)")
        }
        return (format, format.exporter)
    }

    private func elementType(_ exporter: any ModelExporter, _ format: ExportFormat) throws -> ExportDType {
        guard let dtype else { return exporter.dtypes.first ?? .float32 }
        guard let type = ExportDType(rawValue: dtype), exporter.dtypes.contains(type) else {
            let valid = exporter.dtypes.map(\.rawValue).joined(separator: ", ")
            throw UsageError("--dtype \(dtype) is not possible with --to \(format.rawValue); choose \(valid)")
        }
        return type
    }

    /// The last part of the source's path, or of the folder that holds a nanoGPT `ckpt.pt`.
    private var defaultName: String {
        let path = URL(fileURLWithPath: model).standardizedFileURL
        return path.lastPathComponent == "ckpt.pt" ? path.deletingLastPathComponent().lastPathComponent : path.lastPathComponent
    }

    /// What run.json and metrics.jsonl know, when the checkpoint lies in its run.
    private func addRun(of source: ModelSource, to export: inout ModelExport) throws {
        guard source.kind == .run || source.kind == .checkpoint else { return }
        let folder = RunFolder(source.path + "/../..")
        guard folder.exists else { return }
        let record = try folder.readRecord()
        export.training.program = "Apus " + record.version
        export.training.settings = record.config.values.map { ($0.key, PyTorchValue($0.value)) }
        if let data = record.data {
            let counts = [
                ("training tokens", data.trainTokens), ("validation tokens", data.valTokens),
                ("training documents", data.trainDocuments), ("validation documents", data.valDocuments),
            ]
            export.training.data = counts.compactMap { name, count in count.map { (name: name, value: String($0)) } }
            export.training.data.append((name: "tokenizer", value: data.tokenizer))
            if let sources = data.sources {
                export.training.data.append((name: "sources", value: sources.joined(separator: ", ")))
            }
        }
        let events = (try? folder.readMetrics().events) ?? []
        let evaluations = events.filter { $0.event == .eval && $0.step <= source.step ?? .max }
        guard let last = evaluations.last else { return }
        // A checkpoint's own state may have been written before the evaluation of its step.
        let losses = evaluations.filter { $0.step > 0 }.compactMap(\.valLoss) + [export.training.bestValLoss].compactMap { $0 }
        export.training.bestValLoss = losses.filter(\.isFinite).min()
        export.training.trainLoss = last.trainLoss
        export.training.valLoss = last.valLoss
        export.training.valBitsPerByte = last.valBitsPerByte
    }

    /// The tokenizer, or a note that says why there is none where one is wanted.
    private func findTokenizer(_ source: ModelSource, isWanted: Bool) throws -> (ExportTokenizer?, String?) {
        if tokenizer == "none" { return (nil, nil) }
        do {
            let found = try LoadedModel.tokenizer(of: source, spec: tokenizer, vocab: vocab, mayFetch: isWanted)
            return (try ExportTokenizer(json: found.tokenizerJSON(), name: found.name), nil)
        } catch  where tokenizer == nil && vocab == nil {
            return (nil, isWanted ? "written without a tokenizer: \(error)" : nil)
        }
    }

    private func show(
        _ result: ExportResult, _ export: ModelExport, _ format: ExportFormat, _ type: ExportDType, _ path: String
    ) {
        // nanoGPT's count, as `apus train` and `apus report` have it: everything but the position table.
        let total = export.facts.parameters.reduce(0) { $0 + $1.shape.reduce(1, *) }
        let parameters = total - export.facts.blockSize * export.facts.nEmbd
        if json {
            var object: [String: Any] = [
                "path": path, "format": format.rawValue, "dtype": type.rawValue, "parameters": parameters,
                "parameters_total": total, "bytes": result.bytes, "notes": result.notes, "vocab_size": export.facts.vocabSize,
            ]
            object["step"] = export.training.step
            object["tokenizer"] = export.tokenizer?.name
            let data = try? JSONSerialization.data(withJSONObject: object, options: [.sortedKeys, .withoutEscapingSlashes])
            Console.print(String(decoding: data ?? Data(), as: UTF8.self))
        } else if !quiet {
            let size = Format.count(Double(result.bytes)) + "B"
            let step = export.training.step.map { " at step \($0)" } ?? ""
            Console.print(
                "\(path): \(Format.count(Double(parameters))) parameters\(step), \(format.rawValue), \(type.rawValue), \(size)")
            for note in result.notes { Console.note("note: " + note) }
        }
    }
}

extension PyTorchValue {
    /// A setting of a run's configuration.
    init(_ value: ConfigValue) {
        switch value {
        case .integer(let value): self = .integer(value)
        case .number(let value): self = .number(value)
        case .boolean(let value): self = .bool(value)
        case .text(let value): self = .string(value)
        }
    }
}
