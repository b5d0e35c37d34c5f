// SPDX-License-Identifier: MIT
import CCodecs
import Parquet
import Testing

/// Every encoding, codec and page version that the reader takes, in files made here.
@Suite struct EncodingTests {
    static let encodings: [Encoding] = [.plain, .rleDictionary, .plainDictionary, .deltaLengthByteArray, .deltaByteArray]
    static let codecs: [CompressionCodec] = [.uncompressed, .snappy, .gzip, .zstd, .lz4Raw]

    /// Rows with shared beginnings, repetitions, runs of nulls, empty values, and one that is longer than the others.
    static func rows(_ count: Int, nulls: Bool) -> [FileBuilder.Row] {
        (0..<count).map { index in
            if nulls, index % 5 == 2 || 40...60 ~= index { return nil }
            if index % 11 == 3 { return [] }
            if index == 17 { return (0..<5000).map { UInt8(truncatingIfNeeded: $0 * $0 >> 5) } }
            return Array("the value \(index / 3), and more of the same, of the same, \(index % 7)".utf8)
        }
    }

    @Test(arguments: encodings, codecs)
    func rowsComeBack(encoding: Encoding, codec: CompressionCodec) throws {
        let file = try TemporaryFile(), buffers = DecodeBuffers()
        for pageVersion in [1, 2] {
            for (isOptional, path) in [
                (true, ["text"]), (false, ["text"]), (true, ["meta", "inner", "text"]), (false, ["meta", "text"]),
            ] {
                for rowsPerPage in [1, 7, 150] {
                    // Rows can be null when anything on the path is optional.
                    let hasNulls = isOptional || path.count > 1
                    let rows = Self.rows(150, nulls: hasNulls)
                    var builder = FileBuilder(groups: [Array(rows[..<90]), [], Array(rows[90...])])
                    (builder.path, builder.isOptional, builder.codec) = (path, isOptional, codec)
                    (builder.encoding, builder.pageVersion, builder.rowsPerPage) = (encoding, pageVersion, rowsPerPage)
                    (builder.hasChecksums, builder.compressesV2) = (rowsPerPage == 7, rowsPerPage != 1)
                    builder.padding = rowsPerPage == 7 ? 8 : 0
                    try file.write(builder.build().bytes)
                    let found = try readAll(file.path, column: path.joined(separator: "."), buffers: buffers)
                    #expect(found == rows, "v\(pageVersion) \(path) \(isOptional) \(rowsPerPage)")
                }
            }
        }
    }

    /// Values are looked at only when their whole group is there.
    @Test(arguments: encodings)
    func valuesOfAGroupAreValidTogether(encoding: Encoding) throws {
        for (rows, rowsPerPage) in [
            (Self.rows(300, nulls: true), 7), (Self.rows(300, nulls: true), 300),
            ((0..<100).map { [UInt8](repeating: UInt8($0), count: 30_000 + $0) }, 50),
        ] {
            var builder = FileBuilder(groups: [rows])
            (builder.encoding, builder.codec, builder.rowsPerPage) = (encoding, .zstd, rowsPerPage)
            let temporary = try TemporaryFile(builder.build().bytes)
            let file = try ParquetFile(path: temporary.path), column = try file.byteArrayColumn(named: "text")
            var found: [FileBuilder.Row] = [], largest = 0
            try file.forEachGroup(column: column, rowGroup: 0) { values in
                #expect(!values.isEmpty && values.count <= 64)
                // No value is added to a full group.
                #expect(values.dropLast().reduce(0) { $0 + ($1?.count ?? 0) } < 64 << 10)
                largest = max(largest, values.count)
                found += values.map { $0.map(Array.init) }
            }
            #expect(found == rows)
            #expect(encoding == .deltaByteArray || rowsPerPage == 7 || largest > 1)
        }
    }

    @Test func valuesBeforeAnErrorAreGiven() throws {
        var builder = FileBuilder(groups: [Self.rows(10, nulls: false)])
        (builder.encoding, builder.isOptional) = (.plain, false)
        var bytes = builder.build().bytes
        // The length of the last value, which says 4 bytes too many.
        let last = Array("the value 3, and more of the same, of the same, 2".utf8)
        let at = try #require(bytes.indices.last { bytes[$0...].starts(with: last) })
        bytes[at - 4] += 4
        let temporary = try TemporaryFile(bytes)
        let file = try ParquetFile(path: temporary.path), column = try file.byteArrayColumn(named: "text")
        var found: [FileBuilder.Row] = []
        #expect(throws: ParquetError.self) {
            try file.forEachGroup(column: column, rowGroup: 0) { found += $0.map { $0.map(Array.init) } }
        }
        #expect(found == Self.rows(10, nulls: false).dropLast())
    }

    @Test(arguments: encodings)
    func onlyNullsAndOnlyOneValue(encoding: Encoding) throws {
        for rows in [[FileBuilder.Row](repeating: nil, count: 30), [FileBuilder.Row](repeating: [1, 2, 3], count: 300)] {
            for pageVersion in [1, 2] {
                var builder = FileBuilder(groups: [rows])
                (builder.encoding, builder.pageVersion, builder.codec, builder.rowsPerPage) = (encoding, pageVersion, .zstd, 200)
                let file = try TemporaryFile(builder.build().bytes)
                #expect(try readAll(file.path) == rows)
            }
        }
    }

    @Test func aLargeDictionaryHasWideIndices() throws {
        let rows = (0..<3000).map { FileBuilder.Row.some(Array("\($0 * 7919 % 1500)".utf8)) }
        var builder = FileBuilder(groups: [rows])
        (builder.encoding, builder.rowsPerPage) = (.rleDictionary, 1000)
        let file = try TemporaryFile(builder.build().bytes)
        #expect(try readAll(file.path) == rows)
    }

    @Test func prefixesOutliveTheGrowthOfTheirBuffer() throws {
        // Each value extends the one before, far beyond the buffer's first size; then they shrink and repeat.
        let letters = (0..<60_000).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 12) }
        let lengths = [1, 10, 4000, 4095, 4096, 4097, 9000, 30_000, 60_000, 60_000, 500, 0, 0, 20_000, 50_000]
        var builder = FileBuilder(groups: [lengths.map { Array(letters.prefix($0)) }])
        (builder.encoding, builder.rowsPerPage) = (.deltaByteArray, lengths.count)
        let file = try TemporaryFile(builder.build().bytes)
        #expect(try readAll(file.path) == builder.groups[0])
    }

    @Test(arguments: [CompressionCodec.snappy, .lz4Raw])
    func ownBlockDecodersTakeEveryLengthAndOffset(codec: CompressionCodec) throws {
        // Patterns of every short period overlap with themselves; noise makes long literals.
        for period in 1...40 {
            let noise = (0..<period * 61).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 11) }
            let pattern = (0..<700).map { UInt8($0 % period) }
            let bytes = noise + pattern + noise.prefix(200) + pattern.prefix(period)
            let packed = Encoders.compress(bytes, codec)
            #expect(packed.count < bytes.count)
            #expect(decode(packed, codec, count: bytes.count) == bytes)
            #expect(decode(packed, codec, count: bytes.count - 1) == nil)
            #expect(decode(packed, codec, count: bytes.count + 1) == nil)
        }
        #expect(decode(Encoders.compress([], codec), codec, count: 0) == [])
        for size in [1, 15, 16, 60, 61, 256, 257, 70_000] {
            let bytes = (0..<size).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 9) }
            #expect(decode(Encoders.compress(bytes, codec), codec, count: size) == bytes)
        }
    }

    private func decode(_ packed: [UInt8], _ codec: CompressionCodec, count: Int) -> [UInt8]? {
        // Guard bytes behind the output show writes out of bounds.
        var output = [UInt8](repeating: 0xEE, count: count + 32)
        let status =
            codec == .snappy
            ? apus_snappy_decode(packed, packed.count, &output, count) : apus_lz4_decode(packed, packed.count, &output, count)
        #expect(output.suffix(32).allSatisfy { $0 == 0xEE })
        return status == APUS_CODEC_END ? Array(output.prefix(count)) : nil
    }

    /// Blocks written by hand from the formats' descriptions, so that encoder and decoder cannot share a mistake.
    @Test func blocksOfTheFormatsDescriptions() {
        // snappy: length 10; literal "abc"; copy of 7 from 3 back.
        #expect(decode([10, 2 << 2, 97, 98, 99, 3 << 2 | 1, 3], .snappy, count: 10) == Array("abcabcabca".utf8))
        // snappy: the same with a 2-byte and a 4-byte offset.
        #expect(decode([10, 2 << 2, 97, 98, 99, 6 << 2 | 2, 3, 0], .snappy, count: 10) == Array("abcabcabca".utf8))
        #expect(decode([10, 2 << 2, 97, 98, 99, 6 << 2 | 3, 3, 0, 0, 0], .snappy, count: 10) == Array("abcabcabca".utf8))
        // LZ4: literals "abc", copy of 7 from 3 back, last literal "z".
        #expect(decode([0x33, 97, 98, 99, 3, 0, 0x10, 122], .lz4Raw, count: 11) == Array("abcabcabcaz".utf8))
        // Offsets before the start, offset 0, and a copy at the very end are refused.
        #expect(decode([10, 2 << 2, 97, 98, 99, 3 << 2 | 1, 4], .snappy, count: 10) == nil)
        #expect(decode([10, 2 << 2, 97, 98, 99, 3 << 2 | 1, 0], .snappy, count: 10) == nil)
        #expect(decode([0x33, 97, 98, 99, 4, 0, 0x10, 122], .lz4Raw, count: 11) == nil)
        #expect(decode([0x33, 97, 98, 99, 3, 0], .lz4Raw, count: 10) == nil)
    }
}
