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
        var object: [String: Any] = [
            "format_version": Self.formatVersion, "version": version, "created": created, "command": command,
            "parameters": config.shape.parameters, "parameters_total": config.shape.parametersTotal,
            "parameters_non_embedding": config.shape.parametersNonEmbedding,
            "flops_per_token": config.shape.flopsPerToken, "tokens_per_step": config.tokensPerStep,
        ]
        var keys: [String: Any] = [:]
        for (key, value) in config.values {
            switch value {
            case .integer(let integer): keys[key] = integer
            case .number(let number): keys[key] = number
            case .boolean(let boolean): keys[key] = boolean
            case .text(let text): keys[key] = text
            }
        }
        object["config"] = keys
        if let data {
            object["data"] = try JSONSerialization.jsonObject(with: RunEvent.makeEncoder().encode(data))
        }
        return try JSONSerialization.data(
            withJSONObject: object, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
    }

    /// - Throws: `FileError` when the file cannot be read or is not a run record, `ConfigError` for a wrong value in it.
    public static func read(path: String) throws -> RunRecord {
        guard let bytes = FileManager.default.contents(atPath: path) else {
            throw FileError(path: path, operation: "read", errno: errno == 0 ? ENOENT : errno)
        }
        guard let object = (try? JSONSerialization.jsonObject(with: bytes)) as? [String: Any],
            let keys = object["config"] as? [String: Any]
        else {
            throw FileError(path: path, operation: "read", reason: "it is not a run record (JSON with a \"config\" object)")
        }
        guard let format = object["format_version"] as? Int, format <= formatVersion else {
            throw FileError(path: path, operation: "read", reason: "its format_version is newer than this program; update apus")
        }
        var config = RunConfig()
        for (key, value) in keys where RunConfig.fieldsByKey[key] != nil {
            try config.set(key, ConfigValue(json: value), source: path)
        }
        let data = try (object["data"] as? [String: Any]).map {
            try RunEvent.makeDecoder().decode(RunData.self, from: JSONSerialization.data(withJSONObject: $0))
        }
        return RunRecord(
            version: object["version"] as? String ?? "", created: object["created"] as? String ?? "",
            command: object["command"] as? [String] ?? [], config: config, data: data)
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

extension ConfigValue {
    /// A value as JSONSerialization gives it.
    public init(json value: Any) {
        // JSONSerialization gives numbers as NSNumber; only their C type tells a boolean from a number.
        if let number = value as? NSNumber {
            let type = String(cString: number.objCType)
            if type == "c" || type == "B" {
                self = .boolean(number.boolValue)
            } else if type == "d" || type == "f" {
                self = .number(number.doubleValue)
            } else {
                self = .integer(number.intValue)
            }
        } else {
            self = .text(value as? String ?? String(describing: value))
        }
    }
}
