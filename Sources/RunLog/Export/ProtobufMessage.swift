// SPDX-License-Identifier: MIT

/// Builds one message of the Protocol Buffers wire format, field by field.
///
/// Only what TensorBoard's event files need: varints, 32- and 64-bit floats, and length-delimited fields.
/// - Note: Source: https://protobuf.dev/programming-guides/encoding/
struct ProtobufMessage {
    private(set) var bytes: [UInt8] = []

    private enum WireType: UInt64 {
        case varint = 0, fixed64 = 1, delimited = 2, fixed32 = 5
    }

    /// Appends an integer or enumeration; a negative one takes ten bytes, as the format says.
    mutating func integer(_ field: UInt64, _ value: Int) {
        key(field, .varint)
        varint(UInt64(bitPattern: Int64(value)))
    }

    mutating func double(_ field: UInt64, _ value: Double) {
        key(field, .fixed64)
        bytes.appendLittleEndian(value.bitPattern)
    }

    mutating func float(_ field: UInt64, _ value: Float) {
        key(field, .fixed32)
        bytes.appendLittleEndian(value.bitPattern)
    }

    mutating func text(_ field: UInt64, _ value: String) { delimited(field, Array(value.utf8)) }

    mutating func message(_ field: UInt64, _ build: (inout ProtobufMessage) -> Void) {
        var inner = ProtobufMessage()
        build(&inner)
        delimited(field, inner.bytes)
    }

    private mutating func delimited(_ field: UInt64, _ content: [UInt8]) {
        key(field, .delimited)
        varint(UInt64(content.count))
        bytes += content
    }

    private mutating func key(_ field: UInt64, _ type: WireType) { varint(field << 3 | type.rawValue) }

    /// Seven bits a byte, the lowest first; the top bit says that more follow.
    private mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}

extension [UInt8] {
    mutating func appendLittleEndian(_ value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.littleEndian) { self += $0 }
    }
}
