// SPDX-License-Identifier: MIT
import CCodecs
import Parquet

/// Encodes values and pages the way Parquet writers do; plain code to test the decoders against.
enum Encoders {
    /// Packs numbers into `width` bits each, least significant bit first; the last byte is filled with zeros.
    static func pack(_ values: [UInt32], width: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: (values.count * width + 7) / 8)
        for (index, value) in values.enumerated() {
            for bit in 0..<width where value >> UInt32(bit) & 1 == 1 {
                bytes[(index * width + bit) / 8] |= 1 << UInt8((index * width + bit) % 8)
            }
        }
        return bytes
    }

    /// The hybrid of run lengths (8 equal values or more) and groups of 8 packed values.
    static func hybrid(_ values: [UInt32], width: Int) -> [UInt8] {
        func run(_ start: Int) -> Int { values[start...].prefix { $0 == values[start] }.count }
        var bytes: [UInt8] = [], index = 0
        while index < values.count {
            let length = run(index)
            if length >= 8 {
                bytes += varint(UInt64(length) << 1)
                bytes += littleEndian(Int(values[index])).prefix((width + 7) / 8)
                index += length
                continue
            }
            var end = index
            repeat { end += 8 } while end < values.count && run(end) < 8
            let group = Array(values[index..<min(end, values.count)]) + [UInt32](repeating: 0, count: max(0, end - values.count))
            bytes += varint(UInt64(group.count / 8) << 1 | 1) + pack(group, width: width)
            index = end
        }
        return bytes
    }

    /// DELTA_BINARY_PACKED in blocks of 128 values and 4 miniblocks.
    static func delta(_ values: [Int]) -> [UInt8] {
        var bytes = varint(128) + varint(4) + varint(UInt64(values.count)) + zigzag(Int64(values.first ?? 0))
        let deltas = zip(values.dropFirst(), values).map { $0 - $1 }
        for start in stride(from: 0, to: deltas.count, by: 128) {
            let block = deltas[start..<min(start + 128, deltas.count)], low = block.min() ?? 0
            let minis = stride(from: block.startIndex, to: block.endIndex, by: 32).map { first in
                block[first..<min(first + 32, block.endIndex)].map { UInt32($0 - low) }
            }
            let widths = minis.map { UInt32.bitWidth - ($0.max() ?? 0).leadingZeroBitCount }
            bytes += zigzag(Int64(low))
            // The widths of miniblocks that are not needed may be anything.
            bytes += (0..<4).map { $0 < widths.count ? UInt8(widths[$0]) : 77 }
            for (mini, width) in zip(minis, widths) {
                bytes += pack(mini + [UInt32](repeating: 0, count: 32 - mini.count), width: width)
            }
        }
        return bytes
    }

    static func plain(_ values: [[UInt8]]) -> [UInt8] { values.flatMap { littleEndian($0.count) + $0 } }

    static func deltaLength(_ values: [[UInt8]]) -> [UInt8] { delta(values.map(\.count)) + values.flatMap { $0 } }

    static func deltaBytes(_ values: [[UInt8]]) -> [UInt8] {
        let prefixes = values.indices.map { index in
            index == 0 ? 0 : zip(values[index], values[index - 1]).prefix { $0 == $1 }.count
        }
        return delta(prefixes) + deltaLength(zip(values, prefixes).map { Array($0.dropFirst($1)) })
    }

    /// Compresses as one block of a codec.
    static func compress(_ bytes: [UInt8], _ codec: CompressionCodec) -> [UInt8] {
        switch codec {
        case .gzip: ParquetTests.compress(bytes, .gzip)
        case .zstd: ParquetTests.compress(bytes, .zstd)
        case .snappy: snappy(bytes)
        case .lz4Raw: lz4(bytes)
        default: bytes
        }
    }

    /// A match of four bytes or more found by remembering where each four bytes were last.
    private static func matches(_ bytes: [UInt8], _ emit: (_ literal: ArraySlice<UInt8>, _ offset: Int, _ length: Int) -> Void) {
        var seen: [ArraySlice<UInt8>: Int] = [:], start = 0, index = 0
        while index + 12 < bytes.count {
            let key = bytes[index..<index + 4]
            if let at = seen[key], index - at < 65_536 {
                var length = 4
                // LZ4 wants the last 5 bytes as literals.
                while index + length < bytes.count - 5, bytes[at + length] == bytes[index + length] { length += 1 }
                emit(bytes[start..<index], index - at, length)
                seen[key] = index
                index += length
                start = index
            } else {
                seen[key] = index
                index += 1
            }
        }
        emit(bytes[start...], 0, 0)
    }

    /// Every kind of snappy element: short and long literals, copies with 1, 2 and 4 bytes of offset.
    static func snappy(_ bytes: [UInt8]) -> [UInt8] {
        var output = varint(UInt64(bytes.count))
        matches(bytes) { literal, offset, length in
            if (1...60).contains(literal.count) {
                output.append(UInt8(literal.count - 1) << 2)
            } else if !literal.isEmpty {
                let size = literal.count <= 256 ? 1 : literal.count <= 65_536 ? 2 : 3
                output.append(UInt8(59 + size) << 2)
                output += littleEndian(literal.count - 1).prefix(size)
            }
            output += literal
            var left = length
            while left > 0 {
                let part = left > 64 ? min(left - 4, 64) : left
                if part < 12, offset < 2048, part >= 4 {
                    output += [UInt8(offset >> 8) << 5 | UInt8(part - 4) << 2 | 1, UInt8(offset & 255)]
                } else if offset % 3 == 0 {
                    output += [UInt8(part - 1) << 2 | 3] + littleEndian(offset)
                } else {
                    output += [UInt8(part - 1) << 2 | 2] + littleEndian(offset).prefix(2)
                }
                left -= part
            }
        }
        return output
    }

    static func lz4(_ bytes: [UInt8]) -> [UInt8] {
        func more(_ count: Int) -> [UInt8] {
            count < 15 ? [] : [UInt8](repeating: 255, count: (count - 15) / 255) + [UInt8((count - 15) % 255)]
        }
        var output: [UInt8] = []
        matches(bytes) { literal, offset, length in
            let copy = max(length - 4, 0)
            output.append(UInt8(min(literal.count, 15)) << 4 | UInt8(min(copy, 15)))
            output += more(literal.count) + literal
            if length > 0 { output += littleEndian(offset).prefix(2) + more(copy) }
        }
        return output
    }
}
