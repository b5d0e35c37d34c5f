// SPDX-License-Identifier: MIT
import Checkpoints
import Corpus
import Foundation
import Health
import Parquet
import RunLog
import Storage
import Tokenization

/// One parser of untrusted input, behind a function that takes any bytes.
public struct FuzzTarget: Sendable {
    /// What may come of an input. A trap or a hang is neither: the process ends, or the fuzzer's clock does.
    public enum Outcome: Equatable, Sendable {
        case read
        /// With a typed error whose sentence names the file.
        case refused(String)
        /// With an error that does not explain itself: a bug.
        case unexplained(String)
    }

    public let name: String
    /// The longest input that is worth trying, in bytes.
    public let longest: Int
    private let read: @Sendable (UnsafeRawBufferPointer, FuzzFolder) throws -> Void

    public init(
        _ name: String, longest: Int = 4096, _ read: @escaping @Sendable (UnsafeRawBufferPointer, FuzzFolder) throws -> Void
    ) {
        self.name = name
        self.longest = longest
        self.read = read
    }

    /// Gives an input to the parser.
    public func run(_ input: UnsafeRawBufferPointer, in folder: FuzzFolder) -> Outcome {
        do {
            try read(input, folder)
            return .read
        } catch {
            let text = "\(error)"
            let isOurs =
                error is FileError || error is ParquetError || error is CorpusError || error is TokenizerError
                || error is ConfigError || error is HealthInputError || error is ExplainedError
            // The place: the folder's path for files, "input" for what was given as bytes.
            let namesPlace = text.contains(folder.path) || text.contains("input")
            return isOurs && namesPlace && text.count > 20 ? .refused(text) : .unexplained("\(type(of: error)): \(text)")
        }
    }

    public func run(_ input: [UInt8], in folder: FuzzFolder) -> Outcome { input.withUnsafeBytes { run($0, in: folder) } }
}

/// An error of a layer that this kit cannot name (a command's), known to be a sentence.
public struct ExplainedError: Error, CustomStringConvertible {
    public let description: String
    public init(_ description: String) { self.description = description }
}

/// A folder in memory, if the system has one, whose files are written anew for every input.
public final class FuzzFolder: Sendable {
    public let path: String

    public init() throws {
        let base = Folder.exists("/dev/shm") ? "/dev/shm/" : NSTemporaryDirectory()
        path = base + "apus-fuzz-" + UUID().uuidString
        try Folder.create(path)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    public func callAsFunction(_ name: String) -> String { path + "/" + name }

    /// Writes a file and gives its path.
    @discardableResult
    public func write(_ name: String, _ bytes: UnsafeRawBufferPointer) throws -> String {
        let file = self(name)
        let descriptor = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        if descriptor < 0 { throw FileError(path: file, operation: "create", errno: errno) }
        defer { close(descriptor) }
        guard bytes.isEmpty || Foundation.write(descriptor, bytes.baseAddress, bytes.count) == bytes.count else {
            throw FileError(path: file, operation: "write", errno: errno)
        }
        return file
    }

    @discardableResult
    public func write(_ name: String, _ bytes: [UInt8]) throws -> String { try bytes.withUnsafeBytes { try write(name, $0) } }

    @discardableResult
    public func write(_ name: String, _ text: String) throws -> String { try write(name, Array(text.utf8)) }
}

/// The pieces of an input for a parser of several files: they lie between bytes 0xFF, which no text has. The last piece
/// may have that byte.
func pieces(_ input: UnsafeRawBufferPointer, _ count: Int) -> [UnsafeRawBufferPointer] {
    var list: [UnsafeRawBufferPointer] = [], rest = input
    while list.count < count - 1 {
        let end = rest.firstIndex(of: 0xFF) ?? rest.count
        list.append(UnsafeRawBufferPointer(rebasing: rest[..<end]))
        rest = UnsafeRawBufferPointer(rebasing: rest[min(end + 1, rest.count)...])
    }
    return list + [rest]
}

/// The first byte of an input, to choose by, and the rest.
func head(_ input: UnsafeRawBufferPointer) -> (UInt8, UnsafeRawBufferPointer) {
    (input.first ?? 0, UnsafeRawBufferPointer(rebasing: input.dropFirst()))
}

func text(_ bytes: UnsafeRawBufferPointer) -> String { String(decoding: bytes, as: UTF8.self) }
