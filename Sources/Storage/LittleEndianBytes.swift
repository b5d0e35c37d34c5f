// SPDX-License-Identifier: MIT

/// Bounds-checked little-endian numbers; a place outside the bytes gives nil.
package struct LittleEndianBytes {
    private let bytes: UnsafeRawBufferPointer

    package init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    package var count: Int { bytes.count }

    package func slice(_ offset: Int, _ count: Int) -> UnsafeRawBufferPointer? {
        guard offset >= 0, count >= 0, offset <= bytes.count, count <= bytes.count - offset else { return nil }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count])
    }

    package func number<T: FixedWidthInteger>(_ offset: Int, as: T.Type) -> T? {
        guard let slice = slice(offset, MemoryLayout<T>.size) else { return nil }
        return T(littleEndian: slice.loadUnaligned(as: T.self))
    }

    package func uint16(_ offset: Int) -> UInt16? { number(offset, as: UInt16.self) }
    package func uint32(_ offset: Int) -> UInt32? { number(offset, as: UInt32.self) }

    /// A 64-bit number that is a place or a size within the file.
    package func offset64(_ offset: Int) -> Int? {
        guard let value = number(offset, as: UInt64.self), value <= UInt64(bytes.count) else { return nil }
        return Int(value)
    }
}
