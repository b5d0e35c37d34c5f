// SPDX-License-Identifier: MIT
import CCodecs
import Foundation
import Testing
import Tokenization

/// A tokenizer with one id a byte, so that expected ids can be written down without one.
struct ByteTokenizer: Tokenizer {
    var name = "bytes"
    var vocabularySize = 257
    var endOfText: UInt32? = 256

    func tokenizerJSON() throws -> String { "{\"name\":\"\(name)\"}\n" }
    func makeEncoder() -> any TokenEncoder { Encoder() }
    func bytes(of id: UInt32) -> [UInt8] { id < 256 ? [UInt8(id)] : [] }

    final class Encoder: TokenEncoder {
        func encode(_ text: UnsafeRawBufferPointer, into ids: inout [UInt32]) throws { ids += text.map(UInt32.init) }
    }
}

/// A folder that is removed with everything in it when the test ends.
final class TemporaryFolder {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "apus-corpus-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func callAsFunction(_ name: String) -> String { path + "/" + name }

    @discardableResult
    func write(_ name: String, _ bytes: [UInt8]) throws -> String {
        let file = self(name)
        try FileManager.default.createDirectory(
            atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try Data(bytes).write(to: URL(fileURLWithPath: file))
        return file
    }

    @discardableResult
    func write(_ name: String, _ text: String) throws -> String { try write(name, Array(text.utf8)) }

    func bytes(_ name: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: self(name)))) }

    /// The ids of a headerless file.
    func ids(_ name: String, wide: Bool = false) throws -> [Int] {
        try bytes(name).withUnsafeBytes { raw in
            wide
                ? (0..<raw.count / 4).map {
                    Int(UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: $0 * 4, as: UInt32.self)))
                }
                : (0..<raw.count / 2).map {
                    Int(UInt16(littleEndian: raw.loadUnaligned(fromByteOffset: $0 * 2, as: UInt16.self)))
                }
        }
    }

    /// The names below a folder, sorted.
    func names(_ folder: String = "") -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: path + "/" + folder)) ?? []).sorted()
    }
}

/// Bytes compressed by the system's libraries.
func gzip(_ bytes: [UInt8]) -> [UInt8] {
    var output = [UInt8](repeating: 0, count: apus_compress_bound(bytes.count))
    output.removeLast(output.count - apus_gzip_compress(bytes, bytes.count, &output, output.count, 6))
    return output
}

func zstd(_ bytes: [UInt8]) -> [UInt8] {
    var output = [UInt8](repeating: 0, count: apus_compress_bound(bytes.count))
    output.removeLast(output.count - apus_zstd_compress(bytes, bytes.count, &output, output.count, 3))
    return output
}

/// Ids as a headerless file holds them.
func tokenBytes(_ ids: [Int]) -> [UInt8] { ids.flatMap { [UInt8($0 & 255), UInt8($0 >> 8 & 255)] } }

/// A repeatable source of test data, independent of the code under test.
struct TestRandom: RandomNumberGenerator {
    var state: UInt64
    init(_ seed: UInt64) { state = seed &* 2 &+ 1 }
    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }
}

/// What a call throws, as text; a failure when it throws nothing.
func message<Value>(
    sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Value
) -> String {
    do {
        _ = try body()
        Issue.record("an error was expected", sourceLocation: sourceLocation)
        return ""
    } catch { return "\(error)" }
}

/// The data that lies beside the repository on the developers' machines; nil, said aloud, in a plain clone.
func sharedData(_ name: String, for test: String) -> String? {
    // <repository>/Tests/CorpusTests/Support.swift -> <repository>/../shared
    var folder = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
    for _ in 0..<4 { folder.deleteLastPathComponent() }
    let path = folder.appendingPathComponent("shared/" + name).path
    if FileManager.default.fileExists(atPath: path) { return path }
    print("skipped: \(test) needs ../shared/\(name)")
    return nil
}
