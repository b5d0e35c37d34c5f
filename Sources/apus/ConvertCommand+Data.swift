// SPDX-License-Identifier: MIT
import Checkpoints
import Corpus
import Foundation
import RunLog
import Storage
import Tokenization

/// A dataset instead of a model: tokens as llm.c's shards.
extension ConvertCommand {
    /// Whether the path names a folder of tokens and no model.
    var isDataset: Bool {
        guard Folder.exists(model) else { return false }
        let names = Folder.names(model)
        let isModel = ["checkpoints", "config.json", "ckpt.pt", "model.safetensors"].contains { names.contains($0) }
        return !isModel && (names.contains("dataset.json") || !TokenDataset.fileNames(of: "train", names: names).isEmpty)
    }

    /// Writes NAME_train_000001.bin and so on, NAME_val_000000.bin, and the tokenizer in both forms, into a new folder.
    func convertData(_ format: ExportFormat, to destination: String) throws {
        guard format == .llmc else {
            throw UsageError("'\(model)' is a dataset; datasets are written with --to llmc, as llm.c's token shards")
        }
        guard (1...LLMCShards.mostTokens).contains(shardTokens) else {
            throw UsageError("--shard-tokens takes 1 to \(LLMCShards.mostTokens)")
        }
        let dataset = try TokenDataset.open(folder: model)
        try Folder.create(Paths.parent(of: destination))
        let folder = try ExportFolder(path: destination, calls: .system)
        let title = name ?? URL(fileURLWithPath: model).standardizedFileURL.lastPathComponent
        guard !title.isEmpty, !title.contains("/") else {
            throw UsageError("--name is the beginning of file names and has no '/'")
        }
        var shards: [LLMCShards.Shard] = []
        for split in [dataset.val, dataset.train].compactMap({ $0 }) {
            shards += try LLMCShards.write(split, name: title, shardTokens: shardTokens, to: folder.temporaryPath)
        }
        var notes: [String] = []
        if let path = dataset.tokenizerPath {
            let found = try LoadedModel.tokenizer(at: path)
            let note = try LLMCExporter.writeTokenizer(
                ExportTokenizer(json: found.tokenizerJSON(), name: found.name), to: folder, calls: .system)
            if let note { notes.append(note) }
        }
        if dataset.val == nil { notes.append("there is no validation split, which llm.c wants; use a train shard with -j") }
        try folder.commit()
        showData(shards, notes, destination)
    }

    private func showData(_ shards: [LLMCShards.Shard], _ notes: [String], _ path: String) {
        if json {
            let object: [String: Any] = [
                "path": path, "format": "llmc", "files": shards.map { ["name": $0.name, "tokens": $0.tokens] as [String: Any] },
                "notes": notes,
            ]
            let data = try? JSONSerialization.data(withJSONObject: object, options: [.sortedKeys, .withoutEscapingSlashes])
            Console.print(String(decoding: data ?? Data(), as: UTF8.self))
        } else if !quiet {
            for shard in shards { Console.print("\(path)/\(shard.name): \(Format.count(Double(shard.tokens))) tokens") }
            for note in notes { Console.note("note: " + note) }
        }
    }
}
