// SPDX-License-Identifier: MIT
import Foundation
import RunLog
import Storage
import Tokenization

/// What can be said about token files that exist, ours or another program's, with or without a manifest.
public struct DatasetAudit: Codable, Sendable, Equatable {
    /// One token file.
    public struct File: Codable, Sendable, Equatable {
        /// Without its folder.
        public var name: String
        /// "train", "val", or "" when the name does not tell.
        public var split: String
        /// Ids in the file, end-of-text included.
        public var tokens: Int
        /// "uint16" or "uint32".
        public var dtype: String
        /// Whether it has llm.c's header.
        public var shard: Bool
        /// Of the ids alone, without llm.c's header; eight hexadecimal digits.
        public var crc32c: String
        /// An id of 2^31 or more counts as the largest Int32.
        public var largestId: Int
        /// nil when the tokenizer has no end-of-text.
        public var endOfTextTokens: Int?
    }

    /// A dataset folder or one .bin file, as it was given.
    public var path: String
    /// Training files first, then validation.
    public var files: [File]
    /// Of all files, validation included.
    public var tokens: Int
    /// As the manifest states it.
    public var vocabSize: Int?
    /// Of all files, validation included.
    public var largestId: Int
    /// The id of end-of-text: the manifest's, or GPT-2's 50256 where it occurs.
    public var endOfText: Int?
    /// Tokens between two end-of-texts: the mean and percentiles 1, 10, 25, 50, 75, 90, 99.
    public var tokensPerDocumentMean: Double?
    /// Seven numbers, ascending; nil with fewer than two end-of-texts.
    public var tokensPerDocumentPercentiles: [Int]?
    /// Of all files but validation, nats per token.
    public var unigramEntropy: Double?
    /// Of the documents looked at, those that nearly repeat an earlier one; nil when that was not asked for.
    public var nearDuplicateShare: Double?
    /// Documents that were looked at for it.
    public var nearDuplicatesSampled: Int?
    /// Tokens after which what the training tokens are about returns.
    public var orderPeriod: Int?
    /// Tokens that a planned run will see, and how often it reads the training tokens for that.
    public var plannedTokens: Int?
    /// 1 means that every training token is read once.
    public var plannedEpochs: Double?
    /// What makes the data unfit for training.
    public var errors: [AuditWarning]
    /// What is worth knowing, but does not keep anyone from training.
    public var warnings: [AuditWarning]

    static let gpt2EndOfText = 50256, gpt2Vocabulary = 50257

    /// Reads token files whole and reports on them.
    ///
    /// - Parameters:
    ///   - path: a dataset folder, or one .bin file.
    ///   - nearDuplicates: also look for documents that nearly repeat an earlier one; a second pass.
    ///   - planTokens: tokens that a planned run will see.
    /// - Throws: `FileError`; `CorpusError` when a file is empty, cut off, or no token file.
    public static func run(path: String, nearDuplicates: Bool = false, planTokens: Int? = nil) throws -> DatasetAudit {
        var audit: DatasetAudit
        if Folder.exists(path) {
            let dataset = try TokenDataset.open(folder: path)
            audit = scan(
                path, splits: [dataset.train] + (dataset.val.map { [$0] } ?? []), manifest: dataset.manifest, nearDuplicates)
            audit.judge(dataset.meta)
        } else {
            let file = try TokenFile(path: path)
            let name = (path as NSString).lastPathComponent
            let split = name.contains("val") ? "val" : name.contains("train") ? "train" : ""
            audit = scan(path, splits: [TokenSplit(name: split, files: [file])], manifest: nil, nearDuplicates)
        }
        if let planTokens { audit.plan(planTokens) }
        return audit
    }

    /// Says how often a planned run reads the training tokens.
    private mutating func plan(_ tokens: Int) {
        let planned = PlannedEpochs(
            tokens: tokens, trainTokens: files.filter { $0.split != "val" }.reduce(0) { $0 + $1.tokens })
        plannedTokens = tokens
        plannedEpochs = planned.epochs
        if let warning = planned.warning { warnings.append(warning) }
    }

    /// Compares the ids with what nanoGPT's meta.pkl says of them.
    private mutating func judge(_ meta: NanoGPTMeta?) {
        guard let size = meta?.vocabSize else { return }
        vocabSize = size
        warnings.removeAll { $0.code == "beyond-gpt2" }
        for file in files where file.largestId >= size {
            errors.append(
                AuditWarning(
                    code: "beyond-vocabulary", message: "\(file.name) has id \(file.largestId), but meta.pkl says \(size) ids",
                    advice: "prepare the data again; the files and meta.pkl are not of one preparation"))
        }
    }

    private static func scan(
        _ path: String, splits: [TokenSplit], manifest: DatasetManifest?, _ nearDuplicates: Bool
    ) -> DatasetAudit {
        var scan = TokenScan(endOfText: manifest == nil ? gpt2EndOfText : manifest?.tokenizer.endOfText)
        var files: [File] = []
        for split in splits {
            scan.order = split.name == "val" ? nil : PeriodicOrder(tokens: split.count)
            for file in split.files { files.append(scan.add(file, split: split.name)) }
            scan.period = scan.period ?? scan.order?.period
        }
        var audit = DatasetAudit(
            path: path, files: files, tokens: files.reduce(0) { $0 + $1.tokens }, vocabSize: manifest?.tokenizer.vocabSize,
            largestId: files.map(\.largestId).max() ?? 0, errors: [], warnings: [])
        if scan.endOfTextTokens > 0 || manifest != nil { audit.endOfText = scan.endOfText }
        if scan.endOfTextTokens > 1 {
            let documents = scan.spacing.values.reduce(0, +)
            let sum = scan.spacing.reduce(0) { $0 + $1.key * $1.value }
            audit.tokensPerDocumentMean = Double(sum) / Double(max(documents, 1))
            audit.tokensPerDocumentPercentiles = TokenCounts.percentiles(AuditRules.percentiles, of: scan.spacing)
        }
        audit.unigramEntropy = TokenCounts.entropy(scan.frequencies)
        audit.orderPeriod = scan.period
        if nearDuplicates, let end = scan.endOfText, scan.endOfTextTokens > 0 { audit.compare(splits, endOfText: end) }
        audit.judge(scan, manifest)
        return audit
    }

    /// Counts the documents that nearly repeat an earlier one.
    private mutating func compare(_ splits: [TokenSplit], endOfText: Int) {
        let ends = files.reduce(0) { $0 + ($1.endOfTextTokens ?? 0) }
        var near = NearDuplicates(documents: ends), document: [Int32] = []
        // A document of a million tokens is a book; its beginning tells enough, and memory stays bounded.
        let longest = 1 << 20
        for file in splits.flatMap(\.files) {
            file.forEachPiece(0..<file.count) { piece in
                for id in piece {
                    if Int(id) == endOfText {
                        near.add(document)
                        document.removeAll(keepingCapacity: true)
                    } else if document.count < longest {
                        document.append(id)
                    }
                }
            }
        }
        nearDuplicatesSampled = near.documents
        nearDuplicateShare = near.documents > 0 ? Double(near.found) / Double(near.documents) : nil
    }

    private mutating func judge(_ scan: TokenScan, _ manifest: DatasetManifest?) {
        func finding(_ code: String, _ message: String, _ advice: String) -> AuditWarning {
            AuditWarning(code: code, message: message, advice: advice)
        }
        for file in files {
            if let size = vocabSize, file.largestId >= size {
                errors.append(
                    finding(
                        "beyond-vocabulary", "\(file.name) has id \(file.largestId), but the vocabulary has \(size) ids",
                        "prepare the data again with the tokenizer that dataset.json names"))
            }
            if let entry = manifest?.files.first(where: { $0.name == file.name }), entry.crc32c != file.crc32c {
                errors.append(
                    finding(
                        "checksum", "\(file.name) has CRC-32C \(file.crc32c), dataset.json says \(entry.crc32c): it was changed",
                        "prepare the data again, or copy the file again"))
            }
        }
        if manifest == nil, largestId >= Self.gpt2Vocabulary {
            warnings.append(
                finding(
                    "beyond-gpt2", "the largest id is \(largestId), beyond GPT-2's \(Self.gpt2Vocabulary) ids",
                    "set vocab_size to the size of the tokenizer that made it; if that was GPT-2's, the file is no uint16 file"))
        }
        if scan.alternatingZeros {
            warnings.append(
                finding(
                    "every-second-zero", "nearly every second id is 0; these look like uint32 ids read as uint16",
                    "convert the file to uint16, or prepare the data again"))
        }
        for (i, file) in files.enumerated() {
            guard let twin = files[..<i].first(where: { $0.crc32c == file.crc32c && $0.tokens == file.tokens }) else { continue }
            errors.append(
                finding(
                    "identical-files", "\(file.name) and \(twin.name) hold the same tokens",
                    "remove one of them; a validation split that is also trained on says nothing"))
        }
        if let period = orderPeriod {
            warnings.append(
                finding(
                    "periodic-order",
                    "what the training tokens are about returns every \(period) tokens or so; a run that reads them in order has a "
                        + "loss that rises and falls with it",
                    "train with data_order = \"shuffle\" (the default), or mix the sources before preparing them"))
        }
        if let share = nearDuplicateShare, share > 0.05 {
            warnings.append(
                finding(
                    "near-duplicates",
                    "\(AuditRules.percent(share)) of \(nearDuplicatesSampled ?? 0) documents nearly repeat an earlier one; a model learns "
                        + "them by heart, and a validation split with copies of training texts flatters it",
                    "remove near copies from the sources"))
        }
        if manifest?.options["end_of_text"] != "none" { judgeDocuments(scan) }
        judgeValidation(scan, manifest)
    }

    /// Says what `apus prepare` said of the same split; of other programs' files by the same estimate.
    private mutating func judgeValidation(_ scan: TokenScan, _ manifest: DatasetManifest?) {
        // A file by itself may well be one of two.
        guard Folder.exists(path), files.contains(where: { $0.split == "train" }) else { return }
        let tokens = files.filter { $0.split == "val" }.reduce(0) { $0 + $1.tokens }
        if tokens == 0, manifest == nil {
            return warnings.append(
                AuditWarning(
                    code: "no-validation", message: "the folder has no validation tokens (no val.bin), so no run can be judged",
                    advice: "hold back a part of the text as val.bin, or make both files with `apus prepare`"))
        }
        // Fewer ids than this are characters or bytes; of texts in tokens about four bytes are one.
        let bytesPerToken = manifest?.audit.bytesPerToken ?? (largestId < 256 ? 1 : 4)
        warnings += AuditRules.validationWarnings(
            tokens: tokens,
            standardError: manifest?.audit.validationStderr
                ?? scan.validation.standardError(tokens: tokens, bytesPerToken: bytesPerToken))
    }

    private mutating func judgeDocuments(_ scan: TokenScan) {
        if scan.endOfTextTokens == 0 {
            warnings.append(
                AuditWarning(
                    code: "no-end-of-text",
                    message: "no end-of-text token (\(scan.endOfText.map(String.init) ?? "none known")) occurs, so documents "
                        + "follow each other without a mark",
                    advice:
                        "if the text has several documents, prepare it again with `apus prepare` and a tokenizer that has one"
                ))
        } else if let median = tokensPerDocumentPercentiles?[3], median < 60 {
            warnings.append(
                AuditWarning(
                    code: "documents-are-lines",
                    message: "half of the documents have at most \(median) tokens; they look like single lines, so a model never "
                        + "sees how a text goes on",
                    advice: "prepare whole texts as documents"))
        }
    }

    /// The audit as JSON, keys sorted.
    public func json() throws -> String {
        let encoder = RunEvent.makeEncoder()
        encoder.outputFormatting.insert(.prettyPrinted)
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    /// The audit for people.
    public var text: String {
        var lines = files.map { file in
            "\(file.name): \(DataCard.grouped(file.tokens)) tokens, \(file.dtype)\(file.shard ? ", llm.c shard" : "")"
                + ", largest id \(file.largestId), CRC-32C \(file.crc32c)"
        }
        lines.append("end-of-text: " + (endOfText.map { "id \($0)" } ?? "none found"))
        if let mean = tokensPerDocumentMean, let values = tokensPerDocumentPercentiles {
            let pairs = zip(AuditRules.percentiles, values).map { "\($0) %: \($1)" }
            lines.append("tokens per document: mean \(DataCard.decimal(mean, 1)); \(pairs.joined(separator: ", "))")
        }
        if let value = unigramEntropy { lines.append("entropy of single tokens: \(DataCard.decimal(value, 3)) nats") }
        if let share = nearDuplicateShare {
            lines.append(
                "near-duplicates: \(AuditRules.percent(share)) of \(DataCard.grouped(nearDuplicatesSampled ?? 0)) documents looked at"
            )
        }
        if let tokens = plannedTokens {
            let trained = files.filter { $0.split != "val" }.reduce(0) { $0 + $1.tokens }
            lines.append("planned: " + PlannedEpochs(tokens: tokens, trainTokens: trained).sentence)
        }
        lines += errors.map { "error: \($0.message). Cure: \($0.advice)." }
        lines += warnings.map { "warning: \($0.message). Cure: \($0.advice)." }
        if errors.isEmpty && warnings.isEmpty { lines.append("nothing to complain about") }
        return lines.joined(separator: "\n")
    }
}

/// Sums over the ids of several files.
private struct TokenScan {
    let endOfText: Int?
    var endOfTextTokens = 0
    /// Documents by the tokens between two end-of-texts.
    var spacing: [Int: Int] = [:]
    /// By id, of all files but validation.
    var frequencies = [Int](repeating: 0, count: 65536)
    /// Looks at the order of the split that is read, unless it is validation.
    var order: PeriodicOrder?
    var period: Int?
    /// Of the validation documents.
    var validation = BlockSpread()
    private var zeros = (even: 0, odd: 0), pairs = 0

    init(endOfText: Int?) { self.endOfText = endOfText }

    /// Whether ids at odd places are nearly all 0 and those at even places are not.
    var alternatingZeros: Bool {
        pairs >= 64 && Double(zeros.odd) > 0.95 * Double(pairs) && Double(zeros.even) < 0.5 * Double(pairs)
    }

    mutating func add(_ file: TokenFile, split: String) -> DatasetAudit.File {
        var largest: Int32 = 0, ends = 0, since = 0, position = 0
        let end = endOfText.flatMap { Int32(exactly: $0) } ?? -1
        file.forEachPiece(0..<file.count) { piece in
            order?.add(piece)
            for raw in piece {
                // An id of 2^31 or more is hopeless; it is shown as the largest Int32.
                let id = raw < 0 ? Int32.max : raw
                largest = max(largest, id)
                if id == 0 { if position & 1 == 0 { zeros.even += 1 } else { zeros.odd += 1 } }
                position += 1
                if id == end {
                    ends += 1
                    spacing[since, default: 0] += 1
                    if split == "val" { validation.add(documentTokens: since) }
                    since = 0
                } else {
                    since += 1
                }
                if split != "val" { count(Int(id)) }
            }
        }
        pairs += file.count / 2
        endOfTextTokens += ends
        return DatasetAudit.File(
            name: (file.path as NSString).lastPathComponent, split: split, tokens: file.count, dtype: file.type.rawValue,
            shard: file.isShard, crc32c: CRC32C.text(CRC32C.of(file.idBytes)), largestId: Int(largest),
            endOfTextTokens: endOfText == nil ? nil : ends)
    }

    /// Counts an id; beyond 2^24 no vocabulary is known, and counting would only cost memory.
    private mutating func count(_ id: Int) {
        if id >= frequencies.count {
            guard id < 1 << 24 else { return }
            frequencies += [Int](repeating: 0, count: max(id + 1, frequencies.count * 2) - frequencies.count)
        }
        frequencies[id] += 1
    }
}
