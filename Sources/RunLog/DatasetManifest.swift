// SPDX-License-Identifier: MIT
import Foundation
import Storage

/// What `dataset.json` says of a token dataset.
public struct DatasetManifest: Codable, Sendable, Equatable {
    /// The newest `format_version` that is read, and the one that is written.
    public static let currentFormat = 1

    /// Which tokenizer made the tokens.
    public struct TokenizerFacts: Codable, Sendable, Equatable {
        /// "gpt2", "bpe" or "char".
        public var name: String
        /// Number of ids, special tokens included.
        public var vocabSize: Int
        /// The id of the end-of-text token; nil where there is none (character level).
        public var endOfText: Int?
        /// SHA-256 of tokenizer.json.
        public var sha256: String

        public init(name: String, vocabSize: Int, endOfText: Int?, sha256: String) {
            self.name = name
            self.vocabSize = vocabSize
            self.endOfText = endOfText
            self.sha256 = sha256
        }
    }

    /// Counts of one split. `bytes` is the UTF-8 length of its texts; end-of-text tokens count 0 bytes.
    public struct Split: Codable, Sendable, Equatable {
        public var documents: Int
        /// End-of-text tokens included.
        public var tokens: Int
        public var bytes: Int

        public init(documents: Int = 0, tokens: Int = 0, bytes: Int = 0) {
            self.documents = documents
            self.tokens = tokens
            self.bytes = bytes
        }
    }

    /// A token file: its size and checksum.
    public struct File: Codable, Sendable, Equatable {
        /// Relative to the dataset's folder, such as "train.bin".
        public var name: String
        /// "train" or "val".
        public var split: String
        /// `bytes` divided by the size of an id: 2 for uint16, 4 for uint32.
        public var tokens: Int
        /// Size of the file.
        public var bytes: Int
        /// CRC-32C, eight hexadecimal digits.
        public var crc32c: String

        public init(name: String, split: String, tokens: Int, bytes: Int, crc32c: String) {
            self.name = name
            self.split = split
            self.tokens = tokens
            self.bytes = bytes
            self.crc32c = crc32c
        }
    }

    /// A source of documents, as it was found.
    public struct Source: Codable, Sendable, Equatable {
        /// As it was given on the command line or found under it.
        public var name: String
        public var bytes: Int
        public var documents: Int

        public init(name: String, bytes: Int, documents: Int) {
            self.name = name
            self.bytes = bytes
            self.documents = documents
        }
    }

    /// 1...`currentFormat`; a file with a newer one is refused.
    public var formatVersion = currentFormat
    /// The version of the program that prepared the data.
    public var version: String
    public var tokenizer: TokenizerFacts
    /// "uint16" or "uint32", little-endian.
    public var dtype: String
    public var train: Split
    public var val: Split
    /// The token files of both splits.
    public var files: [File]
    /// In the order in which they were read.
    public var sources: [Source]
    /// The options that decide the content, as text.
    public var options: [String: String]
    /// Found while the data was prepared; nothing of it is needed for training.
    public var audit: AuditRecord

    /// Starts with empty splits, no files and no findings.
    public init(version: String, tokenizer: TokenizerFacts, dtype: String) {
        self.version = version
        self.tokenizer = tokenizer
        self.dtype = dtype
        train = Split()
        val = Split()
        files = []
        sources = []
        options = [:]
        audit = AuditRecord()
    }

    /// - Throws: `FileError` when the file cannot be read or is not a dataset manifest.
    public static func read(path: String) throws -> DatasetManifest {
        guard let bytes = FileManager.default.contents(atPath: path) else {
            throw FileError(path: path, operation: "read", errno: errno == 0 ? ENOENT : errno)
        }
        let manifest: DatasetManifest
        do {
            manifest = try RunEvent.makeDecoder().decode(DatasetManifest.self, from: bytes)
        } catch {
            throw FileError(path: path, operation: "read", reason: "it is not a dataset manifest; prepare the data again")
        }
        guard manifest.formatVersion <= currentFormat else {
            throw FileError(path: path, operation: "read", reason: "its format_version is newer than this program; update apus")
        }
        return manifest
    }

    /// The JSON of `dataset.json`.
    public func encoded() throws -> Data {
        let encoder = RunEvent.makeEncoder()
        encoder.outputFormatting.insert(.prettyPrinted)
        return try encoder.encode(self)
    }
}

/// What is worth knowing about a dataset before training on it.
public struct AuditRecord: Codable, Sendable, Equatable {
    /// Entropy of the training tokens' frequencies, nats per token.
    public var unigramEntropy: Double?
    /// UTF-8 bytes of text that a token stands for, on average.
    public var bytesPerToken: Double?
    /// Tokens of a training document without its end-of-text: the mean and percentiles 1, 10, 25, 50, 75, 90, 99.
    public var tokensPerDocumentMean: Double?
    /// Seven numbers, ascending.
    public var tokensPerDocumentPercentiles: [Int]?
    /// Documents without text; they are left out of the token files.
    public var emptyDocuments: Int?
    /// Rows without a value (null); they are left out.
    public var nullDocuments: Int?
    /// Documents of fewer than 16 tokens.
    public var shortDocuments: Int?
    /// Documents whose text was seen before (64-bit hash).
    public var duplicateDocuments: Int?
    /// Documents with ill-formed UTF-8, replaced by U+FFFD.
    public var invalidUtf8Documents: Int?
    /// Share of bytes that are control characters other than tab and line ends, or U+FFFD.
    public var nonTextShare: Double?
    /// Standard error of a validation loss over the split, nats; docs/data.md says how it is estimated.
    public var validationStderr: Double?
    /// Tokens that a planned run will see, and how often it reads the training tokens for that.
    public var plannedTokens: Int?
    /// 1 means that every training token is read once.
    public var plannedEpochs: Double?
    /// Sentences for people: the finding, the reason, the cure.
    public var warnings: [AuditWarning]?

    /// Everything unknown.
    public init() {}
}

/// A finding of the audit.
public struct AuditWarning: Codable, Sendable, Equatable {
    /// A short stable name, such as "documents-are-lines".
    public var code: String
    /// What was found and why it matters, without a full stop.
    public var message: String
    /// What to do about it, without a full stop.
    public var advice: String

    public init(code: String, message: String, advice: String) {
        self.code = code
        self.message = message
        self.advice = advice
    }
}
