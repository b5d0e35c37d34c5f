// SPDX-License-Identifier: MIT
import CCodecs
import Foundation
import Parquet
import Storage

/// Builds small Parquet files in memory: columns `id` (INT64), a byte-array column, and `tags.list.element` (repeated).
struct FileBuilder {
    typealias Row = [UInt8]?

    /// The byte-array column's path; a longer one lies in optional groups.
    var path = ["text"]
    var isOptional = true
    var codec = CompressionCodec.uncompressed
    /// Written instead of `codec`'s number, for codecs that only the footer names.
    var claimedCodec: Int?
    var encoding = Encoding.plain
    /// 1 or 2.
    var pageVersion = 1
    var rowsPerPage = 7
    var hasChecksums = false
    /// v2: whether the values are compressed although there is a codec.
    var compressesV2 = true
    /// Bytes behind the last value of each page, as fastparquet writes them.
    var padding = 0
    var groups: [[Row]]

    /// A page's part of the finished file.
    struct Built {
        var bytes: [UInt8] = Array("PAR1".utf8)
        /// Where the bodies of the byte-array column's pages lie, and where their headers.
        var bodies: [Range<Int>] = []
        var headers: [Range<Int>] = []
    }

    private struct Chunk {
        let start: Int, dictionary: Int?, data: Int, end: Int
    }

    /// The definition level of a value.
    private var level: Int { path.count - 1 + (isOptional ? 1 : 0) }

    func build() -> Built {
        var built = Built(), chunks: [[Chunk]] = []
        for rows in groups {
            let id = raw(&built, count: rows.count), text = column(&built, rows), tags = raw(&built, count: rows.count)
            chunks.append([id, text, tags])
        }
        let footer = footer(chunks)
        built.bytes += footer + littleEndian(footer.count) + "PAR1".utf8
        return built
    }

    /// A chunk of another column: pages that nobody reads.
    private func raw(_ built: inout Built, count: Int) -> Chunk {
        let start = built.bytes.count
        built.bytes += [UInt8](repeating: 0, count: 3)
        return Chunk(start: start, dictionary: nil, data: start, end: built.bytes.count)
    }

    private func column(_ built: inout Built, _ rows: [Row]) -> Chunk {
        let start = built.bytes.count
        var dictionary: [[UInt8]]?
        if encoding == .rleDictionary || encoding == .plainDictionary {
            let values = Array(Set(rows.compactMap { $0 })).sorted { $0.lexicographicallyPrecedes($1) }
            dictionary = values
            let plain = Encoders.plain(values), packed = Encoders.compress(plain, codec)
            page(&built, kind: 2, size: plain.count, body: packed) {
                $0.structure(7) {
                    $0.int32(1, values.count)
                    $0.int32(2, Int((encoding == .plainDictionary ? Encoding.plainDictionary : .plain).rawValue))
                }
            }
        }
        let data = built.bytes.count
        for first in stride(from: 0, to: rows.count, by: rowsPerPage) {
            dataPage(&built, Array(rows[first..<min(first + rowsPerPage, rows.count)]), dictionary)
        }
        // As pyarrow writes it: without rows no page of data has a place.
        return Chunk(
            start: start, dictionary: dictionary == nil ? nil : start, data: rows.isEmpty ? 0 : data, end: built.bytes.count)
    }

    private func dataPage(_ built: inout Built, _ rows: [Row], _ dictionary: [[UInt8]]?) {
        let present = rows.compactMap { $0 }
        // A null is absent at its own level or, now and then, at the group's above it.
        let levels = rows.enumerated().map { UInt32($1 != nil ? level : max(level - 1 - $0 % 2, 0)) }
        let hybrid = level == 0 ? [] : Encoders.hybrid(levels, width: Int.bitWidth - level.leadingZeroBitCount)
        let values = encode(present, dictionary) + [UInt8](repeating: 0, count: padding)
        if pageVersion == 1 {
            let plain = (level == 0 ? [] : littleEndian(hybrid.count) + hybrid) + values
            page(&built, kind: 0, size: plain.count, body: Encoders.compress(plain, codec)) {
                $0.structure(5) {
                    $0.int32(1, rows.count)
                    $0.int32(2, Int(encoding.rawValue))
                    $0.int32(3, 3)
                    $0.int32(4, 3)
                }
            }
        } else {
            let packed = compressesV2 ? Encoders.compress(values, codec) : values
            page(&built, kind: 3, size: hybrid.count + values.count, body: hybrid + packed) {
                $0.structure(8) {
                    $0.int32(1, rows.count)
                    $0.int32(2, rows.count - present.count)
                    $0.int32(3, rows.count)
                    $0.int32(4, Int(encoding.rawValue))
                    $0.int32(5, hybrid.count)
                    $0.int32(6, 0)
                    $0.bool(7, compressesV2)
                }
            }
        }
    }

    private func encode(_ values: [[UInt8]], _ dictionary: [[UInt8]]?) -> [UInt8] {
        switch encoding {
        case .deltaLengthByteArray: return Encoders.deltaLength(values)
        case .deltaByteArray: return Encoders.deltaBytes(values)
        case .rleDictionary, .plainDictionary:
            let dictionary = dictionary ?? []
            let width = Int.bitWidth - max(dictionary.count - 1, 0).leadingZeroBitCount
            return [UInt8(width)] + Encoders.hybrid(values.map { UInt32(dictionary.firstIndex(of: $0) ?? 0) }, width: width)
        default: return Encoders.plain(values)
        }
    }

    private func page(_ built: inout Built, kind: Int, size: Int, body: [UInt8], _ inner: (inout ThriftWriter) -> Void) {
        var writer = ThriftWriter()
        writer.element {
            $0.int32(1, kind)
            $0.int32(2, size)
            $0.int32(3, body.count)
            if hasChecksums { $0.int32(4, Int(Int32(bitPattern: apus_crc32(0, body, body.count)))) }
            inner(&$0)
        }
        let start = built.bytes.count
        built.bytes += writer.bytes + body
        built.headers.append(start..<start + writer.bytes.count)
        built.bodies.append(start + writer.bytes.count..<built.bytes.count)
    }

    private func footer(_ chunks: [[Chunk]]) -> [UInt8] {
        var writer = ThriftWriter()
        writer.element {
            $0.int32(1, 2)
            schema(&$0)
            $0.int64(3, groups.reduce(0) { $0 + $1.count })
            $0.list(4, kind: 12, count: groups.count)
            for (rows, columns) in zip(groups, chunks) {
                $0.element { group in
                    group.list(1, kind: 12, count: 3)
                    for (index, chunk) in columns.enumerated() { group.element { self.chunk(&$0, index, chunk, rows.count) } }
                    group.int64(2, columns.reduce(0) { $0 + $1.end - $1.start })
                    group.int64(3, rows.count)
                }
            }
            $0.list(5, kind: 12, count: 1)
            $0.element {
                $0.string(1, "made")
                $0.string(2, "for tests")
            }
            $0.string(6, "FileBuilder")
            // An empty list whose elements have no valid type, as fastparquet writes it.
            $0.list(7, kind: 0, count: 0)
        }
        return writer.bytes
    }

    private func schema(_ writer: inout ThriftWriter) {
        func element(_ name: String, type: Int? = nil, repetition: Int?, children: Int? = nil) {
            writer.element {
                if let type { $0.int32(1, type) }
                if let repetition { $0.int32(3, repetition) }
                $0.string(4, name)
                if let children { $0.int32(5, children) }
                if type == 6 {
                    $0.int32(6, 0)
                    $0.structure(10) { $0.structure(1) { _ in } }
                }
            }
        }
        writer.list(2, kind: 12, count: 5 + path.count)
        element("schema", repetition: nil, children: 3)
        element("id", type: 2, repetition: 0)
        for name in path.dropLast() { element(name, repetition: 1, children: 1) }
        element(path[path.count - 1], type: 6, repetition: isOptional ? 1 : 0)
        element("tags", repetition: 1, children: 1)
        element("list", repetition: 2, children: 1)
        element("element", type: 6, repetition: 1)
    }

    private func chunk(_ writer: inout ThriftWriter, _ index: Int, _ chunk: Chunk, _ rows: Int) {
        let paths = [["id"], path, ["tags", "list", "element"]]
        writer.int64(2, 0)
        writer.structure(3) {
            $0.int32(1, index == 0 ? 2 : 6)
            $0.list(2, kind: 5, count: 2)
            $0.element(3)
            $0.element(Int(encoding.rawValue))
            $0.list(3, kind: 8, count: paths[index].count)
            for name in paths[index] { $0.element(name) }
            $0.int32(4, claimedCodec ?? Int(codec.rawValue))
            $0.int64(5, rows)
            $0.int64(6, chunk.end - chunk.start)
            $0.int64(7, chunk.end - chunk.start)
            $0.int64(9, chunk.data)
            if let dictionary = chunk.dictionary { $0.int64(11, dictionary) }
        }
    }
}

/// A file of the test's own, removed when it is dropped.
final class TemporaryFile {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("parquet-\(UUID().uuidString)").path

    init(_ bytes: [UInt8] = []) throws { try write(bytes) }

    /// Replaces what the file holds; without a flush to the disk, which would take most of the tests' time.
    func write(_ bytes: [UInt8]) throws {
        let file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        defer { close(file) }
        guard file >= 0, pwrite(file, bytes, bytes.count, 0) == bytes.count, ftruncate(file, off_t(bytes.count)) == 0 else {
            throw FileError(path: path, operation: "write", errno: errno)
        }
    }

    deinit { unlink(path) }
}

/// All rows of a column, row group by row group.
func readAll(_ path: String, column: String = "text", buffers: DecodeBuffers? = nil) throws -> [FileBuilder.Row] {
    let file = try ParquetFile(path: path), handle = try file.byteArrayColumn(named: column)
    var rows: [FileBuilder.Row] = []
    for group in file.rowGroups.indices {
        try file.forEachValue(column: handle, rowGroup: group, buffers: buffers) { rows.append($0.map(Array.init)) }
    }
    return rows
}
