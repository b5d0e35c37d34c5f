// SPDX-License-Identifier: MIT
import Storage

/// CRC-32 as zip files use it (polynomial 0xEDB88320), eight bytes at a time.
package struct CRC32: Sendable {
    package private(set) var value: UInt32 = 0

    package init() {}

    /// tables[k * 256 + b]: what byte b does to the checksum k bytes later.
    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            var crc = UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xedb8_8320 : crc >> 1 }
            tables[byte] = crc
        }
        for i in 256..<tables.count { tables[i] = tables[i - 256] >> 8 ^ tables[Int(tables[i - 256] & 255)] }
        return tables
    }()

    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        var crc = ~value, position = 0
        Self.tables.withUnsafeBufferPointer { table in
            while bytes.count - position >= 8 {
                let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self)) ^ UInt64(crc)
                crc = 0
                for k in 0..<8 { crc ^= table[(7 - k) * 256 + Int(word >> (8 * UInt64(k)) & 255)] }
                position += 8
            }
            while position < bytes.count {
                crc = crc >> 8 ^ table[Int((crc ^ UInt32(bytes[position])) & 255)]
                position += 1
            }
        }
        value = ~crc
    }
}

/// Writes a zip file of uncompressed entries front to back, laid out as torch.save does: every entry's data start
/// at a multiple of 64, so that they can be mapped and used in place.
final class ZipWriter {
    /// What the directory at the end says of an entry.
    private struct Record {
        let name: [UInt8]
        let offset: Int
        let size: Int
        let crc: UInt32
    }

    private let file: AtomicFileWriter
    private var records: [Record] = []
    private static let alignment = 64
    /// Sizes of one entry from here on would need 64-bit fields in its local header.
    static let largestEntry = Int(UInt32.max) - 1

    /// - Throws: `FileError` when the file cannot be created.
    init(path: String, calls: FileCalls) throws { file = try AtomicFileWriter(path: path, calls: calls) }

    /// Adds an entry whose bytes `content` hands over piece by piece, `size` in all.
    ///
    /// - Throws: `FileError` when it is 4 GiB or larger, or cannot be written.
    func add(_ name: String, size: Int, content: (_ write: (UnsafeRawBufferPointer) throws -> Void) throws -> Void) throws {
        guard size <= Self.largestEntry else {
            throw FileError(
                path: file.path, operation: "write", reason: "the entry '\(name)' has \(size) bytes; less than 4 GiB are possible"
            )
        }
        let name = Array(name.utf8), offset = file.count
        // Name and padding stand between the 30 bytes of the header and the data.
        let unpadded = offset + 30 + name.count + 4
        let padding = (Self.alignment - unpadded % Self.alignment) % Self.alignment
        var header = Bytes()
        header.add(0x0403_4b50 as UInt32)
        header.add(0 as UInt16)
        header.add(Self.flags)
        for _ in 0..<9 { header.add(0 as UInt16) }  // stored; no time; checksum and sizes follow the data
        header.add(UInt16(truncatingIfNeeded: name.count))
        header.add(UInt16(truncatingIfNeeded: 4 + padding))
        header.bytes += name
        header.bytes += [0x46, 0x42]  // an extra field "FB" of padding, as PyTorch names it
        header.add(UInt16(truncatingIfNeeded: padding))
        header.bytes += [UInt8](repeating: 0x5a, count: padding)
        try header.write(to: file)
        let start = file.count
        var crc = CRC32()
        try content { bytes in
            crc.update(bytes)
            try file.write(bytes)
        }
        guard file.count - start == size else {
            throw FileError(path: file.path, operation: "write", reason: "an entry of \(size) bytes got \(file.count - start)")
        }
        var descriptor = Bytes()
        descriptor.add(0x0807_4b50 as UInt32)
        descriptor.add(crc.value)
        descriptor.add(UInt32(truncatingIfNeeded: size))
        descriptor.add(UInt32(truncatingIfNeeded: size))
        try descriptor.write(to: file)
        records.append(Record(name: name, offset: offset, size: size, crc: crc.value))
    }

    /// Adds a small entry.
    func add(_ name: String, _ bytes: [UInt8]) throws {
        try add(name, size: bytes.count) { write in try bytes.withUnsafeBytes { try write($0) } }
    }

    /// Writes the directory and puts the file in place.
    ///
    /// - Throws: `FileError`; a file of that name stays as it was.
    func commit() throws {
        let start = file.count
        for record in records { try entry(record).write(to: file) }
        let size = file.count - start, end = file.count
        var tail = Bytes()
        // The 64-bit record and its locator; the short one after them refers there with all ones when numbers do not fit.
        tail.add(0x0606_4b50 as UInt32)
        tail.add(44 as UInt64)
        tail.add(45 as UInt16)
        tail.add(45 as UInt16)
        tail.add(0 as UInt64)
        for value in [records.count, records.count, size, start] { tail.add(UInt64(truncatingIfNeeded: value)) }
        tail.add(0x0706_4b50 as UInt32)
        tail.add(0 as UInt32)
        tail.add(UInt64(truncatingIfNeeded: end))
        tail.add(1 as UInt32)
        tail.add(0x0605_4b50 as UInt32)
        tail.add(0 as UInt32)
        tail.add(UInt16(clamping: records.count))
        tail.add(UInt16(clamping: records.count))
        tail.add(UInt32(clamping: size))
        tail.add(UInt32(clamping: start))
        tail.add(0 as UInt16)
        try tail.write(to: file)
        try file.commit()
    }

    /// Bit 3: checksum and sizes follow the data; bit 11: names are UTF-8.
    private static let flags: UInt16 = 0x0808

    /// An entry of the directory; places of 4 GiB and more stand in a 64-bit extra field.
    private func entry(_ record: Record) -> Bytes {
        let isFar = record.offset >= Int(UInt32.max)
        var entry = Bytes()
        entry.add(0x0201_4b50 as UInt32)
        entry.add(isFar ? 45 : 20 as UInt16)
        entry.add(isFar ? 45 : 20 as UInt16)
        entry.add(Self.flags)
        for _ in 0..<3 { entry.add(0 as UInt16) }
        entry.add(record.crc)
        entry.add(UInt32(truncatingIfNeeded: record.size))
        entry.add(UInt32(truncatingIfNeeded: record.size))
        entry.add(UInt16(truncatingIfNeeded: record.name.count))
        entry.add(isFar ? 12 : 0 as UInt16)
        for _ in 0..<5 { entry.add(0 as UInt16) }
        entry.add(UInt32(clamping: record.offset))
        entry.bytes += record.name
        if isFar {
            entry.add(1 as UInt16)
            entry.add(8 as UInt16)
            entry.add(UInt64(truncatingIfNeeded: record.offset))
        }
        return entry
    }

    /// Little-endian numbers one after the other.
    private struct Bytes {
        var bytes: [UInt8] = []

        mutating func add(_ value: some FixedWidthInteger) {
            withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
        }

        func write(to file: AtomicFileWriter) throws { try bytes.withUnsafeBytes { try file.write($0) } }
    }
}
