// SPDX-License-Identifier: MIT
import Compute
import Foundation
import Storage

/// Writes a `ckpt.pt` for nanoGPT's sample.py and train.py.
struct NanoGPTExporter: ModelExporter {
    let dtypes: [ExportDType] = [.float32]

    /// nanoGPT reads `ckpt.pt` in a folder; a path that is no `.pt` file is taken for that folder.
    func destination(_ path: String) -> String {
        path.hasSuffix(".pt") || path.hasSuffix(".pth") ? path : path + "/ckpt.pt"
    }

    func write(_ model: ModelExport, dtype: ExportDType, to path: String, calls: FileCalls) throws -> ExportResult {
        let training = model.training
        var notes: [String] = []
        func number(_ key: String, _ usual: Double) -> Double { training.setting(key)?.number ?? usual }
        if model.optimizer.isEmpty {
            notes.append("the source has no optimizer state: train.py --init_from=resume goes on with AdamW's averages at zero")
        }
        if training.step == nil { notes.append("the source does not say how far it was trained: iter_num is 0") }
        let writer = NanoGPTCheckpointWriter(
            facts: model.facts, iterNum: training.step ?? 0, optimizerStep: training.optimizerStep,
            bestValLoss: training.bestValLoss, dropout: number("dropout", 0), learningRate: number("learning_rate", 6e-4),
            beta1: number("beta1", 0.9), beta2: number("beta2", 0.95), weightDecay: number("weight_decay", 0.1),
            config: Self.config(training))
        try writer.write(path: path, model: model.tensors, optimizer: model.optimizer, calls: calls)
        if let tokenizer = model.tokenizer { notes += try meta(tokenizer, beside: path, calls: calls) }
        return ExportResult(bytes: Self.size(path), notes: notes)
    }

    /// The settings, with the data's name where nanoGPT looks for it: sample.py reads data/NAME/meta.pkl.
    private static func config(_ training: TrainingFacts) -> [(key: String, value: PyTorchValue)] {
        guard training.setting("dataset")?.string ?? "" == "", let data = training.setting("data")?.string,
            let name = data.split(separator: "/").last
        else { return training.settings }
        return training.settings.filter { $0.key != "dataset" } + [(key: "dataset", value: .string(String(name)))]
    }

    /// Writes the table of characters that sample.py wants for a character-level model, and of a BPE what Apus reads.
    ///
    /// - Returns: what must be known to decode the model's tokens in nanoGPT.
    private func meta(_ tokenizer: ExportTokenizer, beside path: String, calls: FileCalls) throws -> [String] {
        if tokenizer.name == "gpt2" { return [] }
        guard tokenizer.kind == .characters else {
            return [
                "nanoGPT's sample.py decodes only GPT-2's tokens and characters; this model has a vocabulary of its own",
                try tokenizer.write(beside: path, calls: calls),
            ].compactMap { $0 }
        }
        let meta = Paths.parent(of: path) + "/meta.pkl"
        guard !FileManager.default.fileExists(atPath: meta) else { return ["'\(meta)' exists already and was left as it is"] }
        let pairs = tokenizer.tokens.enumerated().map { (PyTorchValue.integer($0.offset), PyTorchValue.string($0.element)) }
        var pickle = PickleWriter()
        pickle.value(
            .dictionary([
                (.string("vocab_size"), .integer(pairs.count)),
                (.string("itos"), .dictionary(pairs.map { (key: $0.0, value: $0.1) })),
                (.string("stoi"), .dictionary(pairs.map { (key: $0.1, value: $0.0) })),
            ]))
        try AtomicFileWriter.write(Data(pickle.finish()), to: meta, calls: calls)
        return ["the characters are in '\(meta)'; nanoGPT's sample.py looks for that file in its data/NAME"]
    }

    private static func size(_ path: String) -> Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : 0
    }
}
