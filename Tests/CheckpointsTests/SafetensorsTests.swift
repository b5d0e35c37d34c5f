// SPDX-License-Identifier: MIT
import Checkpoints
import Compute
import Foundation
import Storage
import Testing

@Suite struct SafetensorsTests {
    /// A file from a header's text and a number of data bytes.
    private func file(_ folder: TemporaryFolder, _ header: String, data: Int, length: UInt64? = nil) throws -> String {
        var bytes = withUnsafeBytes(of: (length ?? UInt64(header.utf8.count)).littleEndian) { Array($0) }
        bytes += Array(header.utf8) + [UInt8](repeating: 1, count: data)
        return try folder.write(bytes, "x.safetensors")
    }

    @Test func writesAndReadsEveryType() throws {
        let folder = try TemporaryFolder()
        let sources = DType.allCases.enumerated().map { index, dtype in
            TensorSource(name: "t.\(dtype)", dtype: dtype, shape: [3, index]) { piece, offset in
                for i in piece.indices { piece[i] = UInt8(truncatingIfNeeded: offset + i + index) }
            }
        }
        let written = try SafetensorsWriter.write(
            path: folder.file("a"), sources: sources, metadata: ["format": "pt", "q\"": "a\nb"])
        #expect(SafetensorsWriter.byteCount(sources, metadata: ["format": "pt", "q\"": "a\nb"]) == written.byteCount)
        let file = try SafetensorsFile(path: folder.file("a"))
        #expect(file.metadata == ["format": "pt", "q\"": "a\nb"])
        #expect(file.entries.map(\.name) == sources.map(\.name))
        for (index, source) in sources.enumerated() {
            let entry = try file.entry(source.name), bytes = try file.bytes(source.name)
            #expect(entry.dtype == source.dtype && entry.shape == source.shape && entry.count == 3 * index)
            #expect(bytes.elementsEqual((0..<3 * index * source.dtype.size).map { UInt8(truncatingIfNeeded: $0 + index) }))
        }
        let raw = try Data(contentsOf: URL(fileURLWithPath: folder.file("a")))
        #expect(raw.prefix(8).reduce(0) { $0 + Int($1) } > 0 && raw[0].isMultiple(of: 8))
        #expect(raw.withUnsafeBytes { CRC32C.of($0) } == written.checksum && raw.count == written.byteCount)
    }

    @Test func theBytesAreTheFormats() throws {
        let folder = try TemporaryFolder()
        try SafetensorsWriter.write(path: folder.file("a"), sources: [TensorSource(name: "w", shape: [2], values: [1, -2])])
        let header = #"{"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#
        let padded = header + String(repeating: " ", count: (8 - header.utf8.count % 8) % 8)
        let expected = [UInt8(padded.utf8.count), 0, 0, 0, 0, 0, 0, 0] + Array(padded.utf8) + [0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0]
        #expect(try Array(Data(contentsOf: URL(fileURLWithPath: folder.file("a")))) == expected)
    }

    @Test func piecesAreSmallWhateverTheTensor() throws {
        let folder = try TemporaryFolder(), count = 3 * SafetensorsWriter.pieceSize / 4 + 5
        let source = TensorSource(name: "w", dtype: .float32, shape: [count]) { piece, offset in
            #expect(piece.count <= SafetensorsWriter.pieceSize && piece.count.isMultiple(of: 4) && offset.isMultiple(of: 4))
            let values = piece.bindMemory(to: Float.self)
            for i in values.indices { values[i] = Float(offset / 4 + i) }
        }
        try SafetensorsWriter.write(path: folder.file("a"), sources: [source])
        let values = try SafetensorsFile(path: folder.file("a")).floats("w")
        #expect(values.indices.allSatisfy { values[$0] == Float($0) } && values.count == count)
    }

    @Test func theWriterRefusesWhatWouldBeUnreadable() throws {
        let folder = try TemporaryFolder()
        let twice = [TensorSource(name: "w", shape: [1], values: [1]), TensorSource(name: "w", shape: [1], values: [1])]
        #expect(throws: FileError.self) { try SafetensorsWriter.write(path: folder.file("a"), sources: twice) }
        for shape in [[-1], [Int.max, 2], [Int.max / 4]] {
            #expect(throws: FileError.self) {
                _ = try SafetensorsWriter(path: folder.file("a"), tensors: [.init(name: "w", dtype: .float64, shape: shape)])
            }
        }
        let writer = try SafetensorsWriter(path: folder.file("a"), tensors: [.init(name: "w", dtype: .uint8, shape: [4])])
        try [UInt8](repeating: 0, count: 3).withUnsafeBytes { try writer.write($0) }
        #expect(throws: FileError.self) { try writer.commit() }
        #expect(throws: FileError.self) { try [UInt8](repeating: 0, count: 2).withUnsafeBytes { try writer.write($0) } }
        #expect(!FileManager.default.fileExists(atPath: folder.file("a")))
    }

    /// Each line is one way to lie, and the words that must name it.
    static let malformed: [(header: String, data: Int, reason: String)] = [
        ("", 0, "no valid JSON"),
        ("{", 0, "no valid JSON"),
        ("[]", 0, "not a JSON object"),
        ("{}x", 0, "text after the end"),
        (#"{"a":1}"#, 0, "lacks a valid dtype, shape or data_offsets"),
        (#"{"a":{"dtype":"F32","shape":[1]}}"#, 4, "lacks a valid dtype, shape or data_offsets"),
        (#"{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}"#, 4, "lacks a valid dtype, shape or data_offsets"),
        (#"{"a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}}"#, 4, "unknown dtype 'F31'"),
        (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}}"#, 8, "does not fit its 8 bytes"),
        (#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, 4, "does not fit its 4 bytes"),
        (#"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}"#, 0, "does not fit its 0 bytes"),
        (#"{"a":{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]}}"#, 0, "does not fit its 0 bytes"),
        (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 3, "claims the data bytes 0 to 4, but there are 3"),
        (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, 4, "claims the data bytes 4 to 0"),
        (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}"#, 4, "claims the data bytes -4 to 0"),
        (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,9223372036854775807]}}"#, 4, "claims the data bytes"),
        (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 5, "take 4 bytes, but 5 bytes follow"),
        (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, 8, "leaves a hole before it"),
        (
            #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 4,
            "overlaps the tensor before it"
        ),
        (
            #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, 8,
            "the key 'a' comes twice"
        ),
        (#"{"__metadata__":{"a":1}}"#, 0, "__metadata__ 'a' is not a string"),
        (#"{"__metadata__":[]}"#, 0, "__metadata__ is not an object"),
        (String(repeating: "[", count: 100_000), 0, "nested deeper"),
        ("{\"a\\ud800\":1}", 0, "no valid JSON"),
    ]

    @Test(arguments: malformed) func malformedFilesAreNamed(_ example: (header: String, data: Int, reason: String)) throws {
        let folder = try TemporaryFolder(), path = try file(folder, example.header, data: example.data)
        let error = #expect(throws: FileError.self) { try SafetensorsFile(path: path) }
        #expect(error?.path == path)
        #expect(error?.reason.contains(example.reason) == true, "\(error?.reason ?? "")")
    }

    @Test func headerLengthsAreChecked() throws {
        let folder = try TemporaryFolder()
        for (length, reason) in [
            (UInt64.max, "at most 100000000"), (100_000_001, "at most 100000000"), (3, "but has 2 bytes after"),
        ] {
            let path = try file(folder, "{}", data: 0, length: length)
            let error = #expect(throws: FileError.self) { try SafetensorsFile(path: path) }
            #expect(error?.reason.contains(reason) == true, "\(error?.reason ?? "")")
        }
        for bytes in [[], [1, 2, 3]] as [[UInt8]] {
            #expect(throws: FileError.self) { try SafetensorsFile(path: folder.write(bytes, "short")) }
        }
    }

    @Test func otherTypesAreSteppedOver() throws {
        let folder = try TemporaryFolder()
        let path = try file(
            folder,
            #"{"m":{"dtype":"BOOL","shape":[3],"data_offsets":[0,3]},"w":{"dtype":"U8","shape":[],"data_offsets":[3,4]}}"#,
            data: 4)
        let opened = try SafetensorsFile(path: path)
        #expect(opened.entries.map(\.name) == ["w"] && opened.otherTypes == ["m": "BOOL"])
        let error = #expect(throws: FileError.self) { try opened.bytes("m") }
        #expect(error?.reason == "the tensor 'm' has the type BOOL, which is not supported")
        let missing = #expect(throws: FileError.self) { try opened.bytes("v") }
        #expect(missing?.reason == "it has no tensor 'v'; it has 1, such as 'w'")
    }

    /// 20,000 damaged files: each is refused or read within its bounds, none stops the process.
    @Test func mutationsNeverTrap() throws {
        let folder = try TemporaryFolder()
        try SafetensorsWriter.write(path: folder.file("a"), sources: modelSources(seed: 1))
        let original = try Array(Data(contentsOf: URL(fileURLWithPath: folder.file("a"))))
        var generator = SeededGenerator(11), refused = 0
        for _ in 0..<20_000 {
            let file = try mutated(original, &generator).withUnsafeBytes { try MappedFile(path: "mutated", contents: $0) }
            do {
                let file = try SafetensorsFile(file: file)
                for entry in file.entries { #expect(file.bytes(entry).count == entry.count * entry.dtype.size) }
            } catch is FileError {
                refused += 1
            }
        }
        #expect(refused > 5_000)
    }
}

/// Damages bytes in one to four places: flips, insertions, removals, copies, cuts, extreme numbers.
func mutated(_ original: [UInt8], _ generator: inout SeededGenerator) -> [UInt8] {
    var bytes = original
    for _ in 0..<Int.random(in: 1...4, using: &generator) {
        guard !bytes.isEmpty else { break }
        let place = Int.random(in: bytes.indices, using: &generator)
        switch Int.random(in: 0..<7, using: &generator) {
        case 0: bytes[place] = UInt8.random(in: 0...255, using: &generator)
        case 1: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        case 2: bytes.insert(UInt8.random(in: 0...255, using: &generator), at: place)
        case 3: bytes.remove(at: place)
        case 4: bytes.removeSubrange(place..<min(bytes.count, place + Int.random(in: 1...64, using: &generator)))
        case 5:
            let from = Int.random(in: bytes.indices, using: &generator)
            bytes.insert(contentsOf: bytes[from..<min(bytes.count, from + 40)], at: place)
        default:
            let value: UInt8 = Bool.random(using: &generator) ? 0xff : 0x7f
            for i in place..<min(bytes.count, place + 8) { bytes[i] = value }
        }
    }
    return bytes
}
