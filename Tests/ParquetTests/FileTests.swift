// SPDX-License-Identifier: MIT
import Foundation
import Parquet
import Storage
import Testing

/// What a file says about itself, and what its errors say.
@Suite struct FileTests {
    static let rows: [FileBuilder.Row] = [[97], nil, [98, 99]]

    private func error(_ builder: FileBuilder, column: String = "text") throws -> ParquetError? {
        let file = try TemporaryFile(builder.build().bytes)
        return #expect(throws: ParquetError.self) { try readAll(file.path, column: column) }
    }

    @Test func theFooterIsRead() throws {
        var builder = FileBuilder(groups: [Self.rows, Array(Self.rows.prefix(2))])
        (builder.path, builder.codec) = (["meta", "text"], .zstd)
        let built = builder.build(), temporary = try TemporaryFile(built.bytes), file = try ParquetFile(path: temporary.path)
        #expect(file.schema.map(\.path) == ["id", "meta.text", "tags.list.element"])
        #expect(file.schema.map(\.physicalType) == [.int64, .byteArray, .byteArray])
        #expect(file.schema.map(\.logicalType) == [nil, "STRING", "STRING"])
        #expect(file.schema.map(\.repetition) == [.required, .optional, .optional])
        #expect(file.schema.map(\.maxDefinitionLevel) == [0, 2, 3])
        #expect(file.schema.map(\.maxRepetitionLevel) == [0, 0, 1])
        #expect(file.rowCount == 5)
        #expect(file.rowGroups.map(\.rowCount) == [3, 2])
        #expect(file.rowGroups[0].columns[1].codec == .zstd)
        #expect(file.rowGroups[0].columns[1].valueCount == 3)
        #expect(file.rowGroups[0].compressedSize == file.rowGroups[0].uncompressedSize)
        #expect(file.keyValueMetadata == ["made": "for tests"])
        #expect(file.createdBy == "FileBuilder")
        #expect(file.size == built.bytes.count)
    }

    @Test func aColumnThatIsNotThereIsNamedWithThoseThatAre() throws {
        let builder = FileBuilder(groups: [Self.rows])
        let missing = try error(builder, column: "txt")
        #expect(missing?.kind == .noSuchColumn)
        #expect(missing?.description.hasSuffix("column 'txt': no such column; its BYTE_ARRAY columns are 'text'") == true)
        let number = try error(builder, column: "id")
        #expect(
            number?.description.hasSuffix("column 'id': the column's type is INT64; its BYTE_ARRAY columns are 'text'") == true)
        let repeated = try error(builder, column: "tags.list.element")
        #expect(repeated?.kind == .unsupported)
        #expect(repeated?.description.contains("column 'tags.list.element': the column is repeated") == true)
    }

    @Test(arguments: [(3, "LZO"), (4, "BROTLI"), (5, "LZ4 (Hadoop's framing)"), (99, "number 99")])
    func codecsThatAreNotReadAreNamed(code: Int, name: String) throws {
        var builder = FileBuilder(groups: [Self.rows])
        builder.claimedCodec = code
        let error = try error(builder)
        #expect(error?.kind == .unsupported)
        #expect(error?.found.contains(name) == true)
        #expect(error?.valid.contains("UNCOMPRESSED, SNAPPY, GZIP, ZSTD and LZ4_RAW") == true)
        #expect(error?.column == "text")
        #expect(error?.rowGroup == 0)
    }

    @Test func encodingsThatAreNotReadAreNamed() throws {
        var builder = FileBuilder(groups: [Self.rows])
        builder.encoding = .byteStreamSplit
        let error = try error(builder)
        #expect(error?.kind == .unsupported)
        #expect(error?.found == "a page in the encoding BYTE_STREAM_SPLIT")
        #expect(error?.offset == 7)
    }

    @Test func aDamagedPageIsNamedByItsPlace() throws {
        var builder = FileBuilder(groups: [Self.rows, Self.rows])
        builder.hasChecksums = true
        var built = builder.build()
        built.bytes[built.bodies[1].lowerBound + 1] ^= 4
        let temporary = try TemporaryFile(built.bytes), file = try ParquetFile(path: temporary.path)
        let column = try file.byteArrayColumn(named: "text")
        try file.forEachValue(column: column, rowGroup: 0) { _ in }
        let error = #expect(throws: ParquetError.self) { try file.forEachValue(column: column, rowGroup: 1) { _ in } }
        #expect(error?.kind == .checksum)
        #expect(error?.rowGroup == 1)
        #expect(error?.offset == built.headers[1].lowerBound)
        #expect(error?.description.hasPrefix("'\(temporary.path)', column 'text', row group 1, byte ") == true)
    }

    @Test func otherFilesAreRefused() throws {
        for (text, part) in [
            ("", "a file of 0 bytes"), ("{\"text\": \"no\"}", "no mark 'PAR1'"), ("PAR1 cut off here", "at the end"),
        ] {
            let file = try TemporaryFile(Array(text.utf8))
            let error = #expect(throws: ParquetError.self) { try ParquetFile(path: file.path) }
            #expect(error?.kind == .notParquet)
            #expect(error?.found.contains(part) == true)
        }
        let encrypted = try TemporaryFile(Array("PARE12345678PARE".utf8))
        #expect(#expect(throws: ParquetError.self) { try ParquetFile(path: encrypted.path) }?.kind == .unsupported)
        #expect(throws: FileError.self) { try ParquetFile(path: "/nowhere/at all.parquet") }
    }

    @Test func wrongArgumentsAreErrors() throws {
        let one = try TemporaryFile(FileBuilder(groups: [Self.rows]).build().bytes), file = try ParquetFile(path: one.path)
        let column = try file.byteArrayColumn(named: "text")
        for group in [-1, 1, Int.max] {
            let error = #expect(throws: ParquetError.self) { try file.forEachValue(column: column, rowGroup: group) { _ in } }
            #expect(error?.kind == .noSuchRowGroup)
        }
        var builder = FileBuilder(groups: [Self.rows])
        builder.path = ["other"]
        let two = try TemporaryFile(builder.build().bytes), other = try ParquetFile(path: two.path)
        let error = #expect(throws: ParquetError.self) { try other.forEachValue(column: column, rowGroup: 0) { _ in } }
        #expect(error?.kind == .noSuchColumn)
    }

    @Test(arguments: [Encoding.plain, .rleDictionary]) func rowGroupsMayBeEmpty(encoding: Encoding) throws {
        for groups in [[Self.rows, [], Self.rows], [[]]] {
            var builder = FileBuilder(groups: groups)
            (builder.encoding, builder.codec) = (encoding, .snappy)
            let temporary = try TemporaryFile(builder.build().bytes)
            #expect(try readAll(temporary.path) == groups.flatMap { $0 })
        }
    }

    @Test func theBodysErrorEndsTheReading() throws {
        struct Enough: Error {}
        let temporary = try TemporaryFile(FileBuilder(groups: [Self.rows]).build().bytes)
        let file = try ParquetFile(path: temporary.path), column = try file.byteArrayColumn(named: "text")
        var count = 0
        #expect(throws: Enough.self) {
            try file.forEachValue(column: column, rowGroup: 0) { _ in
                count += 1
                if count == 2 { throw Enough() }
            }
        }
        #expect(count == 2)
    }

    @Test func buffersInUseAreNotGivenTwice() throws {
        var builder = FileBuilder(groups: [Self.rows])
        (builder.codec, builder.encoding) = (.gzip, .rleDictionary)
        let temporary = try TemporaryFile(builder.build().bytes), buffers = DecodeBuffers()
        let file = try ParquetFile(path: temporary.path), column = try file.byteArrayColumn(named: "text")
        var outer: [FileBuilder.Row] = []
        try file.forEachValue(column: column, rowGroup: 0, buffers: buffers) { value in
            try file.forEachValue(column: column, rowGroup: 0, buffers: buffers) { _ in }
            outer.append(value.map(Array.init))
        }
        #expect(outer == Self.rows)
    }

    @Test func rowGroupsAreReadByManyThreadsAtOnce() async throws {
        let groups = (0..<24).map { group in EncodingTests.rows(60 + group, nulls: true) }
        var builder = FileBuilder(groups: groups)
        (builder.codec, builder.encoding, builder.hasChecksums) = (.zstd, .deltaByteArray, true)
        let temporary = try TemporaryFile(builder.build().bytes), file = try ParquetFile(path: temporary.path)
        let column = try file.byteArrayColumn(named: "text")
        try await withThrowingTaskGroup(of: (Int, [FileBuilder.Row]).self) { tasks in
            for group in groups.indices {
                tasks.addTask {
                    var rows: [FileBuilder.Row] = []
                    try file.forEachValue(column: column, rowGroup: group) { rows.append($0.map(Array.init)) }
                    return (group, rows)
                }
            }
            for try await (group, rows) in tasks { #expect(rows == groups[group]) }
        }
    }
}
