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
            notes.append("the source has no optimizer state: sample.py reads the file, train.py --init_from=resume does not")
        }
        if training.step == nil { notes.append("the source does not say how far it was trained: iter_num is 0") }
        let writer = NanoGPTCheckpointWriter(
            facts: model.facts, iterNum: training.step ?? 0, optimizerStep: training.optimizerStep,
            bestValLoss: training.bestValLoss, dropout: number("dropout", 0), learningRate: number("learning_rate", 6e-4),
            beta1: number("beta1", 0.9), beta2: number("beta2", 0.95), weightDecay: number("weight_decay", 0.1),
            config: training.settings)
        try writer.write(path: path, model: model.tensors, optimizer: model.optimizer, calls: calls)
        if let tokenizer = model.tokenizer, tokenizer.name != "gpt2" {
            notes.append(
                "nanoGPT's sample.py decodes with GPT-2's tokens, or with data/NAME/meta.pkl for characters; this model's tokenizer"
                    + " is '\(tokenizer.name)'")
        }
        return ExportResult(bytes: Self.size(path), notes: notes)
    }

    private static func size(_ path: String) -> Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : 0
    }
}
