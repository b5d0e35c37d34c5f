// SPDX-License-Identifier: MIT
import Foundation
import Storage

/// Everything besides tensors that a resumed run needs to go on exactly where it stopped: a checkpoint's `state.json`.
public struct CheckpointState: Codable, Sendable, Equatable {
    /// The newest layout of `state.json` and `manifest.json` that this code writes and reads.
    public static let currentFormatVersion = 1

    /// The layout of this file; a newer one than `currentFormatVersion` is refused.
    public var formatVersion = CheckpointState.currentFormatVersion
    /// Updates completed.
    public var step: Int
    /// Tokens trained on so far.
    public var tokensSeen: Int
    /// Data cursor: the global index of the first sample that was not trained on.
    public var nextSample: Int
    /// Seed of initialisation, data order and dropout; every random value follows from it and the counters above.
    public var seed: UInt64
    /// Lowest validation loss so far, nats per token; nil before the first evaluation.
    public var bestValLoss: Double?
    /// Updates completed when `bestValLoss` was measured.
    public var bestStep: Int?
    /// Identifies the configuration that the run was started with.
    public var configFingerprint: String
    /// Whatever else the trainer wants back.
    public var extra: [String: String]

    /// By default a run before its first evaluation.
    public init(
        step: Int, tokensSeen: Int, nextSample: Int, seed: UInt64, bestValLoss: Double? = nil, bestStep: Int? = nil,
        configFingerprint: String = "", extra: [String: String] = [:]
    ) {
        self.step = step
        self.tokensSeen = tokensSeen
        self.nextSample = nextSample
        self.seed = seed
        self.bestValLoss = bestValLoss
        self.bestStep = bestStep
        self.configFingerprint = configFingerprint
        self.extra = extra
    }

    /// The lowest validation loss and its step; nil when either is missing.
    package var best: (loss: Double, step: Int)? { bestValLoss.flatMap { loss in bestStep.map { (loss, $0) } } }

    enum CodingKeys: String, CodingKey {
        case formatVersion = "format_version"
        case step
        case tokensSeen = "tokens_seen"
        case nextSample = "next_sample"
        case seed
        case bestValLoss = "best_val_loss"
        case bestStep = "best_step"
        case configFingerprint = "config_fingerprint"
        case extra
    }

    /// The text of `state.json`: indented, keys sorted, so that equal states are equal bytes.
    public func encoded() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        return try encoder.encode(self) + Data("\n".utf8)
    }

    /// - Throws: `FileError` when the file cannot be read, is no state, or comes from a newer Apus.
    public static func read(path: String) throws -> CheckpointState {
        let file = try MappedFile(path: path)
        try VersionCheck.check(file)
        let decoder = JSONDecoder()
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        let state: CheckpointState
        do {
            state = try decoder.decode(CheckpointState.self, from: Data(file.bytes))
        } catch {
            throw FileError(
                path: path, operation: "read the state", reason: "\(VersionCheck.explain(error)); the file is damaged")
        }
        for (name, value, most) in [
            ("step", state.step, mostSamples), ("next_sample", state.nextSample, mostSamples),
            ("tokens_seen", state.tokensSeen, Int.max),
        ] where value < 0 || value > most {
            throw FileError(
                path: path, operation: "read the state",
                reason: "\(name) is \(value); it must be from 0 to \(most); the file is damaged")
        }
        return state
    }

    /// No run reads as many samples, and their tokens (at most 2^20 each) still fit an Int.
    package static let mostSamples = 1 << 42
}

/// What `state.json` and `manifest.json` have in common: a version that must be known before anything else is believed.
enum VersionCheck {
    static func check(_ file: MappedFile) throws {
        let json: StrictJSON
        do {
            json = try StrictJSON.parse(file.bytes)
        } catch {
            throw FileError(path: file.path, operation: "read", reason: "it is no valid JSON: \(error); the file is damaged")
        }
        guard let version = json["format_version"]?.integer else {
            throw FileError(path: file.path, operation: "read", reason: "it has no format_version; the file is damaged")
        }
        guard version == CheckpointState.currentFormatVersion else {
            throw FileError(
                path: file.path, operation: "read",
                reason: "it has format_version \(version), this Apus reads \(CheckpointState.currentFormatVersion); update Apus")
        }
    }

    /// A decoding error in one line.
    static func explain(_ error: any Error) -> String {
        switch error {
        case DecodingError.keyNotFound(let key, _): "'\(key.stringValue)' is missing"
        case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context),
            DecodingError.dataCorrupted(let context):
            "'\(context.codingPath.map(\.stringValue).joined(separator: "."))': \(context.debugDescription)"
        default: "\(error)"
        }
    }
}
