// SPDX-License-Identifier: MIT
import Foundation
import RunLog
import Storage
import Tokenization

/// The tokens of one split: one file, or several shards read as one sequence.
public struct TokenSplit: Sendable {
    /// "train" or "val".
    public let name: String
    /// In the order of the sequence.
    public let files: [TokenFile]
    /// Number of tokens in all files.
    public let count: Int
    /// Where each file begins in the sequence.
    private let starts: [Int]

    /// The files keep their order; they are not checked against each other.
    public init(name: String, files: [TokenFile]) {
        self.name = name
        self.files = files
        var starts: [Int] = [], total = 0
        for file in files {
            starts.append(total)
            total += file.count
        }
        self.starts = starts
        count = total
    }

    /// Writes `length` ids from a position on as Int32; a piece may reach over the edge of two shards.
    ///
    /// The range must lie inside 0..<count.
    public func copy(from position: Int, length: Int, to output: UnsafeMutablePointer<Int32>) {
        precondition(position >= 0 && length >= 0 && position + length <= count, "a range outside the \(name) split")
        var position = position, rest = length, output = output
        // The last shard that begins at or before the position.
        var low = 0, high = files.count
        while low + 1 < high {
            let middle = (low + high) / 2
            if starts[middle] <= position { low = middle } else { high = middle }
        }
        while rest > 0 {
            let inside = position - starts[low]
            let part = min(rest, files[low].count - inside)
            files[low].copy(from: inside, length: part, to: output)
            position += part
            output += part
            rest -= part
            low += 1
        }
    }

    /// Checks every id of every file; see `TokenFile.validate`.
    public func validate(vocabularySize: Int) throws {
        for file in files { try file.validate(vocabularySize: vocabularySize) }
    }

    /// Checks the ids of a range; what lies outside the split is left out.
    ///
    /// - Throws: as `TokenFile.validate`.
    public func validate(vocabularySize: Int, in range: Range<Int>) throws {
        for (file, part) in parts(range) { try file.validate(vocabularySize: vocabularySize, in: part) }
    }

    /// The largest id of a range; nil when it is empty.
    public func largestID(in range: Range<Int>) -> UInt32? { parts(range).map { $0.largestID(in: $1) }.max() }

    /// The files that a range touches, with the range of each.
    private func parts(_ range: Range<Int>) -> [(TokenFile, Range<Int>)] {
        zip(files, starts).compactMap { file, start in
            let part = range.clamped(to: start..<start + file.count)
            return part.isEmpty ? nil : (file, part.lowerBound - start..<part.upperBound - start)
        }
    }
}

/// The samples of a split in the order of a run: what a training step reads.
public struct TokenSamples: Sendable {
    /// Where the tokens come from.
    public let split: TokenSplit
    /// Which offset of the split each sample begins at.
    public let order: BatchOrder

    /// - Throws: `CorpusError` when the split has fewer than blockSize + 1 tokens.
    public init(split: TokenSplit, kind: BatchOrder.Kind, seed: UInt64, blockSize: Int) throws {
        self.split = split
        do {
            order = try BatchOrder(kind: kind, seed: seed, tokens: split.count, blockSize: blockSize)
        } catch let error as CorpusError where error.kind == .data {
            throw CorpusError(.data, "\(split.name) split ('\(split.files.first?.path ?? "")'): \(error.description)")
        }
    }

    /// Writes one sample: T inputs, and the T targets that follow each of them by one token.
    ///
    /// - Parameters:
    ///   - index: the global sample index over the whole run.
    ///   - tokens: [T] ids.
    ///   - targets: [T] ids.
    public func fill(sample index: Int, tokens: UnsafeMutablePointer<Int32>, targets: UnsafeMutablePointer<Int32>) {
        fill(offset: order.offset(ofSample: index), tokens: tokens, targets: targets)
    }

    /// Complete blocks of the fixed grid from the split's first token, as evaluation reads them.
    public var evaluationBlocks: Int { order.blocks }

    /// Writes block i of the fixed grid: inputs [i*T, i*T+T), targets shifted by one.
    public func fillEvaluation(
        block index: Int, tokens: UnsafeMutablePointer<Int32>, targets: UnsafeMutablePointer<Int32>
    ) {
        precondition(index >= 0 && index < evaluationBlocks, "block \(index) of \(evaluationBlocks) in the \(split.name) split")
        fill(offset: index * order.blockSize, tokens: tokens, targets: targets)
    }

    /// The range of the targets of the first `blocks` evaluation blocks, for `TokenByteLengths.count`.
    public func evaluationTargets(blocks: Int) -> Range<Int> {
        1..<(min(max(blocks, 0), evaluationBlocks) * order.blockSize + 1)
    }

    private func fill(offset: Int, tokens: UnsafeMutablePointer<Int32>, targets: UnsafeMutablePointer<Int32>) {
        split.copy(from: offset, length: order.blockSize, to: tokens)
        split.copy(from: offset + 1, length: order.blockSize, to: targets)
    }
}

/// A folder of token files: ours, nanoGPT's (train.bin and val.bin alone) or llm.c's shards.
public struct TokenDataset: Sendable {
    /// As it was given.
    public let folder: String
    /// Never without a token file.
    public let train: TokenSplit
    /// nil when the folder has no validation tokens.
    public let val: TokenSplit?
    /// nil for a folder that another program wrote.
    public let manifest: DatasetManifest?
    /// What nanoGPT's meta.pkl says, where there is no manifest.
    public let meta: NanoGPTMeta?
    /// The path of tokenizer.json, or of a meta.pkl that names the characters; nil when there is neither.
    public let tokenizerPath: String?

    /// Opens a folder; checks sizes and headers, not every id.
    ///
    /// - Parameters:
    ///   - folder: what `apus prepare` made, or nanoGPT's `data/NAME`
    ///   - type: the type of ids when no manifest says it.
    /// - Throws: `FileError`, `CorpusError`: no token files, or files that do not agree with the manifest; `TokenizerError` for a
    ///   meta.pkl that holds anything but a vocabulary.
    public static func open(folder: String, type: TokenType = .uint16) throws -> TokenDataset {
        guard Folder.exists(folder) else {
            if FileManager.default.fileExists(atPath: folder) {
                let isTokens = folder.hasSuffix(".bin")
                throw FileError(
                    path: folder, operation: "open the dataset",
                    reason: "it is a file, and a dataset is a folder; "
                        + (isTokens
                            ? "name the folder that it lies in, '\(Paths.parent(of: folder))'"
                            : "make one of it with `apus prepare \(folder) --out DIR`"))
            }
            throw FileError(
                path: folder, operation: "open the dataset",
                reason: "there is no such folder; make it with `apus prepare SOURCE --out \(folder)`")
        }
        let manifestPath = folder + "/dataset.json"
        let manifest =
            FileManager.default.fileExists(atPath: manifestPath) ? try DatasetManifest.read(path: manifestPath) : nil
        var type = type
        if let manifest {
            guard let stated = TokenType(rawValue: manifest.dtype) else {
                throw CorpusError.data(manifestPath, "its dtype is '\(manifest.dtype)'; known are uint16 and uint32")
            }
            type = stated
        }
        let names = Folder.names(folder)
        let train = try files(of: "train", in: folder, names: names, type: type, manifest: manifest)
        let val = try files(of: "val", in: folder, names: names, type: type, manifest: manifest)
        guard !train.isEmpty else {
            throw CorpusError.data(
                folder, "it has no train.bin and no shards such as train_000001.bin; make them with `apus prepare`")
        }
        let metaPath = folder + "/" + NanoGPTMeta.fileName
        let meta = manifest == nil && names.contains(NanoGPTMeta.fileName) ? try NanoGPTMeta.read(metaPath) : nil
        return TokenDataset(
            folder: folder, train: TokenSplit(name: "train", files: train),
            val: val.isEmpty ? nil : TokenSplit(name: "val", files: val), manifest: manifest, meta: meta,
            tokenizerPath: names.contains("tokenizer.json")
                ? folder + "/tokenizer.json" : meta?.tokenizer == nil ? nil : metaPath)
    }

    /// Number of ids that a description of the data states: its dataset.json, or nanoGPT's meta.pkl.
    public var statedVocabularySize: Int? { manifest?.tokenizer.vocabSize ?? meta?.vocabSize }

    /// The token files of one split: those of the manifest, or `train.bin`, or shards by their numbers.
    private static func files(
        of split: String, in folder: String, names: [String], type: TokenType, manifest: DatasetManifest?
    ) throws -> [TokenFile] {
        guard let manifest else {
            return try fileNames(of: split, names: names).map { try TokenFile(path: folder + "/" + $0, type: type) }
        }
        var files: [TokenFile] = []
        for entry in manifest.files where entry.split == split && entry.tokens > 0 {
            // A manifest is untrusted input: it may not name a file outside its folder.
            guard Paths.isPlainName(entry.name) else {
                throw CorpusError.data(folder + "/dataset.json", "it names the file '\(entry.name)' outside its folder")
            }
            let file = try TokenFile(path: folder + "/" + entry.name, type: type)
            guard file.count == entry.tokens else {
                throw CorpusError.data(
                    file.path,
                    "it has \(file.count) tokens, dataset.json says \(entry.tokens): one of them was changed or cut off; "
                        + "prepare the data again")
            }
            files.append(file)
        }
        return files
    }

    /// Names of a split's files where no manifest tells: `train.bin`, else every `*train*_NNNNNN.bin` in order
    /// (llm.c's names, such as `fineweb_train_000001.bin`).
    package static func fileNames(of split: String, names: [String]) -> [String] {
        if names.contains(split + ".bin") { return [split + ".bin"] }
        return names.filter { name in
            guard name.hasSuffix(".bin"), let mark = name.range(of: split + "_", options: .backwards) else { return false }
            let number = name[mark.upperBound...].dropLast(4)
            let isWord = mark.lowerBound == name.startIndex || name[name.index(before: mark.lowerBound)] == "_"
            return isWord && !number.isEmpty && number.allSatisfy { $0.isASCII && $0.isNumber }
        }
    }

    /// The facts about the data that a run's record keeps.
    public var runData: RunData {
        var data = RunData(
            tokenizer: manifest?.tokenizer.name ?? meta?.tokenizer?.name ?? "unknown", trainTokens: train.count,
            valTokens: val?.count ?? 0)
        guard let manifest else { return data }
        data.valBytes = manifest.val.bytes
        data.trainDocuments = manifest.train.documents
        data.valDocuments = manifest.val.documents
        data.unigramEntropy = manifest.audit.unigramEntropy
        data.tokensPerDocument = manifest.audit.tokensPerDocumentMean
        data.sources = manifest.sources.map(\.name)
        return data
    }
}
