// SPDX-License-Identifier: MIT
import Foundation
import Storage

/// What `run.json` says of a run: its resolved configuration and the facts that follow from it.
public struct RunRecord: Sendable, Equatable {
    /// The newest `format_version` that is read, and the one that is written.
    public static let formatVersion = 1

    /// Of the program that started the run.
    public var version: String
    /// ISO 8601 in UTC with milliseconds.
    public var created: String
    /// The command line that made the run, program name left out.
    public var command: [String]
    /// Resolved: no value is left that only follows from others.
    public var config: RunConfig
    /// Training and validation tokens, bytes and the tokenizer; nil when the data has no dataset.json.
    public var data: RunData?

    public init(version: String, created: String, command: [String], config: RunConfig, data: RunData?) {
        self.version = version
        self.created = created
        self.command = command
        self.config = config
        self.data = data
    }

    /// The JSON of `run.json`: the configuration and the facts that follow from it.
    public func encoded() throws -> Data {
        let shape = config.shape
        let written = Written(
            formatVersion: Self.formatVersion, version: version, created: created, command: command,
            parameters: shape.parameters, parametersTotal: shape.parametersTotal,
            parametersNonEmbedding: shape.parametersNonEmbedding, flopsPerToken: shape.flopsPerToken,
            tokensPerStep: config.tokensPerStep,
            config: Dictionary(config.values.map { ($0.key, $0.value) }) { $1 }, data: data)
        let encoder = RunEvent.makeEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(written)
    }

    /// - Throws: `FileError` when the file cannot be read or is not a run record, `ConfigError` for a wrong value in it.
    public static func read(path: String) throws -> RunRecord {
        guard let bytes = FileManager.default.contents(atPath: path) else {
            throw FileError(path: path, operation: "read", errno: errno == 0 ? ENOENT : errno)
        }
        let decoder = RunEvent.makeDecoder()
        let notARecord = FileError(
            path: path, operation: "read", reason: "it is not a run record (JSON with a \"config\" object)")
        guard let head = try? decoder.decode(Head.self, from: bytes) else { throw notARecord }
        guard let format = head.formatVersion, format <= formatVersion else {
            throw FileError(path: path, operation: "read", reason: "its format_version is newer than this program; update apus")
        }
        guard let stored = try? decoder.decode(Stored.self, from: bytes) else { throw notARecord }
        var config = RunConfig()
        for (key, value) in stored.config.sorted(by: { $0.key < $1.key }) where RunConfig.fieldsByKey[key] != nil {
            try config.set(key, value, source: path)
        }
        return RunRecord(
            version: stored.version ?? "", created: stored.created ?? "", command: stored.command ?? [], config: config,
            data: stored.data)
    }

    /// What must be known before anything else is believed.
    private struct Head: Decodable {
        let formatVersion: Int?
        let config: [String: ConfigValue]
    }

    /// What is read of the file; facts that follow from the configuration are written for others.
    private struct Stored: Decodable {
        let version: String?, created: String?, command: [String]?
        let config: [String: ConfigValue]
        let data: RunData?
    }

    /// The file, key by key.
    private struct Written: Encodable {
        let formatVersion: Int, version: String, created: String, command: [String]
        let parameters: Int, parametersTotal: Int, parametersNonEmbedding: Int
        let flopsPerToken: Double
        let tokensPerStep: Int
        let config: [String: ConfigValue]
        let data: RunData?
    }
}

/// The facts about the data that a run's report needs, copied from dataset.json when the run starts.
public struct RunData: Codable, Sendable, Equatable {
    /// "gpt2", "bpe", "char", or "unknown".
    public var tokenizer: String
    /// End-of-text tokens included.
    public var trainTokens: Int
    /// 0 when the data has no validation split.
    public var valTokens: Int
    /// UTF-8 bytes of the validation texts; with `valTokens` it turns nats per token into bits per byte.
    public var valBytes: Int?
    /// nil without a dataset.json.
    public var trainDocuments: Int?
    /// nil without a dataset.json.
    public var valDocuments: Int?
    /// Entropy of the training tokens' frequencies, nats: what a model that knows only them reaches.
    public var unigramEntropy: Double?
    /// Mean tokens between end-of-text tokens.
    public var tokensPerDocument: Double?
    /// Their names in dataset.json; nil without one.
    public var sources: [String]?

    public init(tokenizer: String, trainTokens: Int, valTokens: Int) {
        self.tokenizer = tokenizer
        self.trainTokens = trainTokens
        self.valTokens = valTokens
    }
}

/// As in JSON. Not by JSONSerialization, which on Linux reads some numbers as a neighbour of what was written.
extension ConfigValue: Codable {
    /// Never fails: what no key wants is text, and refused by its key.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let value = try? container.decode(Bool.self) {
            self = .boolean(value)
        } else if let value = try? container.decode(Int.self) {
            self = .integer(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else {
            self = .text((try? container.decode(String.self)) ?? "neither a number nor text")
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .integer(let value): try container.encode(value)
        case .number(let value): try container.encode(value)
        case .boolean(let value): try container.encode(value)
        case .text(let value): try container.encode(value)
        }
    }
}
