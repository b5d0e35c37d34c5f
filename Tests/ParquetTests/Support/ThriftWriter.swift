// SPDX-License-Identifier: MIT

/// Writes Thrift's compact protocol, as much of it as a Parquet file needs.
struct ThriftWriter {
    private(set) var bytes: [UInt8] = []
    private var last = [0]

    private mutating func header(_ id: Int, _ kind: UInt8) {
        let delta = id - last[last.count - 1]
        if 1...15 ~= delta {
            bytes.append(UInt8(delta) << 4 | kind)
        } else {
            bytes.append(kind)
            bytes += zigzag(Int64(id))
        }
        last[last.count - 1] = id
    }

    mutating func int32(_ id: Int, _ value: Int) {
        header(id, 5)
        bytes += zigzag(Int64(value))
    }

    mutating func int64(_ id: Int, _ value: Int) {
        header(id, 6)
        bytes += zigzag(Int64(value))
    }

    mutating func bool(_ id: Int, _ value: Bool) { header(id, value ? 1 : 2) }

    mutating func string(_ id: Int, _ text: String) {
        header(id, 8)
        element(text)
    }

    mutating func structure(_ id: Int, _ body: (inout ThriftWriter) -> Void) {
        header(id, 12)
        element(body)
    }

    /// Begins a list of `count` elements (kind 5 = number, 8 = string, 12 = structure), which follow.
    mutating func list(_ id: Int, kind: UInt8, count: Int) {
        header(id, 9)
        if count < 15 {
            bytes.append(UInt8(count) << 4 | kind)
        } else {
            bytes.append(15 << 4 | kind)
            bytes += varint(UInt64(count))
        }
    }

    mutating func element(_ value: Int) { bytes += zigzag(Int64(value)) }

    mutating func element(_ text: String) {
        bytes += varint(UInt64(text.utf8.count))
        bytes += text.utf8
    }

    mutating func element(_ body: (inout ThriftWriter) -> Void) {
        last.append(0)
        body(&self)
        last.removeLast()
        bytes.append(0)
    }
}

/// Unsigned LEB128.
func varint(_ value: UInt64) -> [UInt8] {
    var value = value, bytes: [UInt8] = []
    while value >= 128 {
        bytes.append(UInt8(truncatingIfNeeded: value) | 128)
        value >>= 7
    }
    return bytes + [UInt8(value)]
}

func zigzag(_ value: Int64) -> [UInt8] { varint(UInt64(bitPattern: (value << 1) ^ (value >> 63))) }

func littleEndian(_ value: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
