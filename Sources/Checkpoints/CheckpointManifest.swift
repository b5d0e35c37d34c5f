// SPDX-License-Identifier: MIT
import Foundation
import Storage

/// A checkpoint's `manifest.json`: what belongs to it, how large, with which checksums. Written last, so it proves the rest.
public struct CheckpointManifest: Codable, Sendable, Equatable {
    /// One file of a checkpoint: its size in bytes and its CRC-32C.
    public struct File: Codable, Sendable, Equatable {
        /// A plain file name inside the checkpoint's folder.
        public let name: String
        /// Size in bytes.
        public let bytes: Int
        /// CRC-32C, eight hexadecimal digits.
        public let crc32c: String
    }

    /// At most `CheckpointState.currentFormatVersion`; a newer one is refused.
    public let formatVersion: Int
    /// Updates completed.
    public let step: Int
    /// Counts the commits of a run. The newest checkpoint is the one committed last, which after a rollback
    /// is not the one with the most steps.
    public let sequence: Int
    /// When it was committed, ISO 8601, UTC.
    public let created: String
    /// All but the manifest itself; the model and the state are always among them.
    public let files: [File]
    /// CRC-32C of this file's own text with these eight digits as zeros, so that the root of trust is checked as well.
    public internal(set) var manifestCRC32C: String

    static let fileName = "manifest.json"
    static let noChecksum = "00000000"

    enum CodingKeys: String, CodingKey {
        case formatVersion = "format_version"
        case step, sequence, created, files
        case manifestCRC32C = "manifest_crc32c"
    }

    /// The text with its own checksum in it.
    func encoded() throws -> Data {
        var blank = self
        blank.manifestCRC32C = Self.noChecksum
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        var data = try encoder.encode(blank) + Data("\n".utf8)
        guard let digits = Self.checksumDigits(in: Array(data)) else {
            throw FileError(path: Self.fileName, operation: "write", reason: "the encoder left out the checksum")
        }
        let crc = data.withUnsafeBytes { CRC32C.of($0) }
        data.replaceSubrange(digits, with: Data(CRC32C.text(crc).utf8))
        return data
    }

    /// Reads and checks a manifest, its own checksum included.
    ///
    /// - Throws: `FileError` when there is none, it is damaged, or it comes from a newer Apus.
    static func read(folder: String) throws -> CheckpointManifest {
        let path = folder + "/" + fileName
        let file = try MappedFile(path: path)
        func damaged(_ reason: String) -> FileError {
            FileError(path: path, operation: "read the manifest", reason: reason + "; the file is damaged")
        }
        guard file.count < 1 << 20 else { throw damaged("it has \(file.count) bytes") }
        var text = Array(file.bytes)
        guard let digits = checksumDigits(in: text) else { throw damaged("it has no checksum of itself") }
        let stored = String(decoding: text[digits], as: UTF8.self)
        for i in digits { text[i] = UInt8(ascii: "0") }
        guard text.withUnsafeBytes({ CRC32C.text(CRC32C.of($0)) }) == stored else { throw damaged("its checksum is wrong") }
        try VersionCheck.check(file)
        let manifest: CheckpointManifest
        do {
            manifest = try JSONDecoder().decode(CheckpointManifest.self, from: Data(file.bytes))
        } catch {
            throw damaged(VersionCheck.explain(error))
        }
        for name in [CheckpointStore.modelFile, CheckpointStore.stateFile]
        where !manifest.files.contains(where: { $0.name == name }) {
            throw damaged("it does not list \(name)")
        }
        for file in manifest.files where !Paths.isPlainName(file.name) || file.name.hasPrefix(".") {
            throw damaged("it lists '\(file.name)', which is no plain file name")
        }
        return manifest
    }

    /// Where the eight digits of `manifest_crc32c` stand in the text.
    private static func checksumDigits(in text: [UInt8]) -> Range<Int>? {
        let key = Array("\"manifest_crc32c\"".utf8)
        guard text.count >= key.count,
            let start = (0...text.count - key.count).first(where: { text[$0..<$0 + key.count].elementsEqual(key) }),
            let quote = text[(start + key.count)...].firstIndex(of: UInt8(ascii: "\"")), quote + 9 < text.count,
            text[quote + 9] == UInt8(ascii: "\"")
        else { return nil }
        return quote + 1..<quote + 9
    }
}

/// A checkpoint whose manifest is valid and whose files have the right sizes.
public struct CheckpointInfo: Sendable, Equatable {
    /// Name of its folder, such as "step-00000500".
    public let name: String
    /// Path of its folder.
    public let path: String
    /// As read from the folder; its own checksum is right, those of the files are checked by `CheckpointStore.verify`.
    public let manifest: CheckpointManifest
    /// Whether `latest` names it.
    public let isLatest: Bool
    /// Whether `best` names it.
    public let isBest: Bool

    /// Updates completed.
    public var step: Int { manifest.step }
    /// Bytes of its files together.
    public var byteCount: Int { manifest.files.reduce(0) { $0 &+ $1.bytes } }
}

/// A checkpoint folder that cannot be used, and why.
public struct SkippedCheckpoint: Sendable, Equatable {
    /// Of its folder, inside `checkpoints/`.
    public let name: String
    /// A sentence for people, such as what a checksum should have been.
    public let reason: String

    public init(name: String, reason: String) {
        self.name = name
        self.reason = reason
    }
}

/// An open checkpoint.
public struct LoadedCheckpoint: Sendable {
    /// Where the checkpoint lies, and its manifest.
    public let info: CheckpointInfo
    /// Weights, float32, under nanoGPT's names.
    public let model: SafetensorsFile
    /// `<parameter>.exp_avg` and `<parameter>.exp_avg_sq`, float32.
    public let optimizer: SafetensorsFile
    /// From `state.json`; its step is the manifest's.
    public let state: CheckpointState
}
