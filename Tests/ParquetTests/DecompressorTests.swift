// SPDX-License-Identifier: MIT
import CCodecs
import Parquet
import Testing

/// Compresses bytes as one gzip member or zstd frame.
func compress(_ bytes: [UInt8], _ kind: Decompressor.Kind, level: Int32 = 6) -> [UInt8] {
    var output = [UInt8](repeating: 0, count: apus_compress_bound(bytes.count))
    let size = output.withUnsafeMutableBytes { out in
        bytes.withUnsafeBytes { input in
            kind == .gzip
                ? apus_gzip_compress(input.baseAddress, input.count, out.baseAddress, out.count, level)
                : apus_zstd_compress(input.baseAddress, input.count, out.baseAddress, out.count, level)
        }
    }
    return Array(output.prefix(size))
}

/// Decompresses a stream fed in pieces of `piece` bytes.
private func decompress(_ bytes: [UInt8], _ kind: Decompressor.Kind, piece: Int, bufferSize: Int = 4096) throws -> [UInt8] {
    let decompressor = try Decompressor(kind: kind, bufferSize: bufferSize)
    var output: [UInt8] = []
    var start = 0
    while start < bytes.count {
        let end = min(start + piece, bytes.count)
        try bytes[start..<end].withUnsafeBytes { try decompressor.decompress($0) { output.append(contentsOf: $0) } }
        start = end
    }
    try decompressor.finish()
    #expect(decompressor.bytesRead == bytes.count)
    #expect(decompressor.bytesWritten == output.count)
    return output
}

@Suite struct DecompressorTests {
    /// Half repetitive, half noise.
    static let sample: [UInt8] = (0..<20_000).map { i in
        let noise = UInt8(truncatingIfNeeded: (i &* 2_654_435_761) >> 13)
        return i % 3000 < 1500 ? UInt8(i % 7 + 97) : noise
    }

    @Test(arguments: [Decompressor.Kind.gzip, .zstd], [1, 7, 4096, 1_000_000])
    func piecesOfAnySizeGiveTheSameBytes(kind: Decompressor.Kind, piece: Int) throws {
        let packed = compress(Self.sample, kind)
        #expect(packed.count < Self.sample.count)
        #expect(try decompress(packed, kind, piece: piece) == Self.sample)
        #expect(try decompress(packed, kind, piece: piece, bufferSize: 1) == Self.sample)
        // The buffer's size divides the output's: the end falls on a full buffer.
        #expect(try decompress(packed, kind, piece: piece, bufferSize: 20_000) == Self.sample)
        #expect(try decompress(compress([], kind), kind, piece: piece) == [])
    }

    @Test(arguments: [Decompressor.Kind.gzip, .zstd])
    func membersAndFramesFollowEachOther(kind: Decompressor.Kind) throws {
        let parts = [Array(Self.sample.prefix(300)), [], Array(Self.sample.suffix(5000))]
        let packed = parts.flatMap { compress($0, kind) }
        for piece in [1, 13, 100_000] { #expect(try decompress(packed, kind, piece: piece) == parts.flatMap { $0 }) }
    }

    @Test func paddingAndSkippableFramesArePassedOver() throws {
        let gzip = compress([1, 2, 3], .gzip) + [0, 0, 0, 0]
        let skippable: [UInt8] = [0x50, 0x2A, 0x4D, 0x18, 3, 0, 0, 0, 9, 9, 9]
        let zstd = skippable + compress([1, 2, 3], .zstd) + skippable
        for piece in [1, 1000] {
            #expect(try decompress(gzip, .gzip, piece: piece) == [1, 2, 3])
            #expect(try decompress(zstd, .zstd, piece: piece) == [1, 2, 3])
        }
    }

    @Test(arguments: [Decompressor.Kind.gzip, .zstd])
    func everyTruncationIsAnError(kind: Decompressor.Kind) {
        let packed = compress(Array(Self.sample.prefix(700)), kind)
        for count in 0..<packed.count {
            #expect(throws: DecompressionError.self) { try decompress(Array(packed.prefix(count)), kind, piece: 50) }
        }
    }

    @Test func everyDamageToGzipIsAnErrorOrHarmless() {
        let plain = Array(Self.sample.prefix(700)), packed = compress(plain, .gzip)
        for index in packed.indices {
            for flip in [UInt8(1), 0x80, 0xFF] {
                var damaged = packed
                damaged[index] ^= flip
                if let output = try? decompress(damaged, .gzip, piece: 64) { #expect(output == plain, "byte \(index)") }
            }
        }
    }

    @Test func errorsSayWhere() throws {
        let packed = compress([1, 2, 3], .gzip)
        let message = #expect(throws: DecompressionError.self) { try decompress(packed + [1, 2], .gzip, piece: 100) }
        #expect(message?.description.contains("gzip stream at byte \(packed.count)") == true)
        let empty = #expect(throws: DecompressionError.self) { try decompress([], .zstd, piece: 1) }
        #expect(empty?.description == "cannot decompress the zstd stream at byte 0: the stream is empty")
        let decompressor = try Decompressor(kind: .zstd)
        #expect(throws: DecompressionError.self) {
            try [9, 9, 9, 9, 9].withUnsafeBytes { try decompressor.decompress($0) { _ in } }
        }
        #expect(throws: DecompressionError.self) { try decompressor.finish() }
    }

    @Test func whatTheReaderThrowsComesOut() throws {
        struct Stop: Error {}
        let packed = compress(Self.sample, .gzip), decompressor = try Decompressor(kind: .gzip)
        #expect(throws: Stop.self) { try packed.withUnsafeBytes { try decompressor.decompress($0) { _ in throw Stop() } } }
        #expect(throws: DecompressionError.self) { try decompressor.finish() }
    }
}
