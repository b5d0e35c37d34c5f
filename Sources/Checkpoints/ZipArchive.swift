// SPDX-License-Identifier: MIT
import Storage

/// The entries of a memory-mapped zip file whose entries are stored without compression, as PyTorch writes them.
///
/// Checksums are not compared: PyTorch does not compare them either, and can be told to write others.
/// - Note: Source: PKWARE APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.12 and 4.3.14 to 4.3.16; zip64 in 4.5.3.
package final class ZipArchive: Sendable {
    package struct Entry: Sendable, Equatable {
        package let name: String
        /// Where its bytes lie in the file.
        package let range: Range<Int>
    }

    package let file: MappedFile
    package let entries: [String: Entry]

    private static let mostEntries = 1 << 20

    /// - Throws: `FileError` when the file is no zip file, is damaged, or has compressed or encrypted entries.
    package init(file: MappedFile) throws {
        self.file = file
        let bytes = LittleEndianBytes(file.bytes)
        func refuse(_ reason: String) -> FileError { FileError(path: file.path, operation: "read the zip file", reason: reason) }
        guard let (start, count) = Self.directory(bytes) else {
            throw refuse("its directory is missing or damaged; perhaps the file was not copied to its end")
        }
        var entries: [String: Entry] = [:], position = start
        var extents: [(name: String, range: Range<Int>)] = []
        for _ in 0..<count {
            guard let header = CentralHeader(bytes, at: position) else {
                throw refuse("its directory is damaged at byte \(position)")
            }
            position = header.end
            guard header.flags & 1 == 0 else { throw refuse("its entry '\(header.name)' is encrypted") }
            guard header.method == 0 else {
                throw refuse(
                    "its entry '\(header.name)' is compressed (method \(header.method)), which torch.save never does;"
                        + " unpack it and pack it with `zip -0`, or save the checkpoint again with torch.save")
            }
            guard header.size == header.storedSize, let range = Self.data(bytes, header) else {
                throw refuse("its entry '\(header.name)' lies outside the file")
            }
            guard entries.updateValue(Entry(name: header.name, range: range), forKey: header.name) == nil else {
                throw refuse("its entry '\(header.name)' comes twice")
            }
            extents.append((header.name, min(header.localOffset, range.lowerBound)..<range.upperBound))
        }
        if let problem = Self.overlap(extents, directory: start) { throw refuse(problem) }
        self.entries = entries
    }

    /// Says which entries share bytes: so a small file pretends to hold a large one, and two readers see two contents.
    ///
    /// - Parameter extents: from an entry's local header to the end of its data
    private static func overlap(_ extents: [(name: String, range: Range<Int>)], directory: Int) -> String? {
        let sorted = extents.sorted { $0.range.lowerBound < $1.range.lowerBound }
        for (one, next) in zip(sorted, sorted.dropFirst()) where next.range.lowerBound < one.range.upperBound {
            return "its entries '\(one.name)' and '\(next.name)' overlap"
        }
        guard let last = sorted.last, last.range.upperBound > directory else { return nil }
        return "its entry '\(last.name)' reaches into the directory"
    }

    package func bytes(_ entry: Entry) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: file.bytes[entry.range.clamped(to: 0..<file.count)])
    }

    /// Offset and number of entries of the central directory.
    private static func directory(_ bytes: LittleEndianBytes) -> (start: Int, count: Int)? {
        // The record stands at the very end, before a comment of at most 65,535 bytes.
        var end = bytes.count - 22
        let lowest = max(0, bytes.count - 22 - 65_535)
        while end >= lowest, bytes.uint32(end) != 0x0605_4b50 { end -= 1 }
        guard end >= lowest, let shortCount = bytes.uint16(end + 10), let shortStart = bytes.uint32(end + 16) else { return nil }
        var count = Int(shortCount), start = Int(shortStart)
        // With zip64 a locator before this record gives the place of a longer one.
        if let locator = bytes.uint32(end - 20), locator == 0x0706_4b50 {
            guard let record = bytes.offset64(end - 12), bytes.uint32(record) == 0x0606_4b50,
                let longCount = bytes.offset64(record + 32), let longStart = bytes.offset64(record + 48)
            else { return nil }
            (count, start) = (longCount, longStart)
        }
        // Every entry of the directory takes 46 bytes or more, which bounds the count by the file's size.
        guard start <= bytes.count, count <= min(mostEntries, (bytes.count - start) / 46) else { return nil }
        return (start, count)
    }

    /// Where an entry's data lie: behind its local header, whose lengths differ from the directory's.
    private static func data(_ bytes: LittleEndianBytes, _ header: CentralHeader) -> Range<Int>? {
        let local = header.localOffset
        guard bytes.uint32(local) == 0x0403_4b50, let name = bytes.uint16(local + 26), let extra = bytes.uint16(local + 28) else {
            return nil
        }
        let start = local + 30 + Int(name) + Int(extra)
        guard start <= bytes.count, header.size <= bytes.count - start else { return nil }
        return start..<start + header.size
    }

    /// One entry of the central directory.
    private struct CentralHeader {
        var name = ""
        var flags: UInt16 = 0
        var method: UInt16 = 0
        var storedSize = 0
        var size = 0
        var localOffset = 0
        /// Where the next one starts.
        var end = 0

        init?(_ bytes: LittleEndianBytes, at start: Int) {
            guard bytes.uint32(start) == 0x0201_4b50, let flags = bytes.uint16(start + 8), let method = bytes.uint16(start + 10),
                let stored = bytes.uint32(start + 20), let size = bytes.uint32(start + 24),
                let nameCount = bytes.uint16(start + 28),
                let extraCount = bytes.uint16(start + 30), let commentCount = bytes.uint16(start + 32),
                let local = bytes.uint32(start + 42),
                let nameBytes = bytes.slice(start + 46, Int(nameCount)), let name = String(validating: nameBytes, as: UTF8.self)
            else { return nil }
            self.name = name
            self.flags = flags
            self.method = method
            let extra = start + 46 + Int(nameCount)
            end = extra + Int(extraCount) + Int(commentCount)
            guard end <= bytes.count else { return nil }
            // Fields of all ones are found, in this order, in the zip64 extra field.
            var long = Self.zip64(bytes, from: extra, to: extra + Int(extraCount))
            func value(_ short: UInt32) -> Int? {
                if short != .max { return Int(short) }
                defer { long += 8 }
                return bytes.offset64(long)
            }
            guard let wideSize = value(size), let wideStored = value(stored), let wideLocal = value(local) else { return nil }
            self.size = wideSize
            storedSize = wideStored
            localOffset = wideLocal
        }

        /// Start of the zip64 extra field's numbers, or a place outside the file when there is none.
        private static func zip64(_ bytes: LittleEndianBytes, from: Int, to: Int) -> Int {
            var position = from
            while position + 4 <= to, let id = bytes.uint16(position), let length = bytes.uint16(position + 2) {
                if id == 1 { return position + 4 }
                position += 4 + Int(length)
            }
            return bytes.count
        }
    }
}
