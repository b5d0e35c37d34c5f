// SPDX-License-Identifier: MIT

/// Gives a page's values one after the other.
protocol ValueDecoder {
    /// Whether a value stays where it is as long as its page does; else it is valid until the next call only.
    static var valuesStay: Bool { get }
    /// The next value.
    mutating func next() throws -> UnsafeRawBufferPointer
    /// Checks, after the last value, that the page does not count more. Bytes behind the last value are no error:
    /// fastparquet, for one, pads its pages.
    func finish() throws
}

extension ValueDecoder {
    static var valuesStay: Bool { true }
}

/// PLAIN: a 32-bit little-endian length before each value. Values are given where they lie.
struct PlainDecoder: ValueDecoder {
    // SAFETY: borrowed from a page that outlives the decoder; every length is checked against what is left.
    let bytes: UnsafeRawBufferPointer
    private var position = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    @inline(__always)
    mutating func next() throws -> UnsafeRawBufferPointer {
        let left = bytes.count - position
        guard left >= 4 else { throw Problem("the page ends before its last value", valid: "its header counts more values") }
        let length = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self)))
        guard length <= left - 4 else {
            throw Problem("a value of \(length) bytes", valid: "the page has \(left - 4) bytes left")
        }
        let start = position + 4
        position = start + length
        return UnsafeRawBufferPointer(rebasing: bytes[start..<position])
    }

    func finish() {}
}

/// PLAIN_DICTIONARY and RLE_DICTIONARY: a byte of bit width, then indices into the dictionary.
struct DictionaryDecoder: ValueDecoder {
    private var indices: HybridDecoder
    private let dictionary: Dictionary

    /// The values of a dictionary page and where each begins.
    struct Dictionary {
        // SAFETY: borrowed from the dictionary's buffer or the mapped file, which outlive the row group's reading.
        let bytes: UnsafeRawBufferPointer
        /// Where the values begin in `bytes`, behind their 32-bit lengths.
        let starts: UnsafeBufferPointer<UInt32>
    }

    init(_ bytes: UnsafeRawBufferPointer, _ dictionary: Dictionary) throws {
        self.dictionary = dictionary
        // A page without any value may be empty.
        let width = bytes.first.map(Int.init) ?? 0
        indices = try HybridDecoder(UnsafeRawBufferPointer(rebasing: bytes.dropFirst(1)), width: width)
    }

    @inline(__always)
    mutating func next() throws -> UnsafeRawBufferPointer {
        let index = Int(try indices.next())
        guard index < dictionary.starts.count else {
            throw Problem("the dictionary index \(index)", valid: "the dictionary has \(dictionary.starts.count) values")
        }
        // The dictionary was walked when it was read: the length lies before the start, and the value inside the page.
        let start = Int(dictionary.starts[index])
        let length = Int(UInt32(littleEndian: dictionary.bytes.loadUnaligned(fromByteOffset: start - 4, as: UInt32.self)))
        return UnsafeRawBufferPointer(rebasing: dictionary.bytes[start..<start + length])
    }

    func finish() {}
}

/// DELTA_LENGTH_BYTE_ARRAY: all lengths, then all bytes. Values are given where they lie.
struct DeltaLengthDecoder: ValueDecoder {
    private let bytes: UnsafeRawBufferPointer
    private var lengths: DeltaDecoder
    private var position: Int

    init(_ bytes: UnsafeRawBufferPointer, limit: Int) throws {
        self.bytes = bytes
        lengths = try DeltaDecoder(bytes, limit: limit)
        position = lengths.end
    }

    mutating func next() throws -> UnsafeRawBufferPointer {
        let length = Int(try lengths.next())
        guard length >= 0, length <= bytes.count - position else {
            throw Problem("a value of \(length) bytes", valid: "the page has \(bytes.count - position) bytes left")
        }
        defer { position += length }
        return UnsafeRawBufferPointer(rebasing: bytes[position..<position + length])
    }

    func finish() throws {
        guard lengths.given == lengths.count else {
            throw Problem("\(lengths.count) delta-encoded lengths", valid: "the page has \(lengths.given) values")
        }
    }
}

/// DELTA_BYTE_ARRAY: how much each value shares with the beginning of the one before, and the rest of each.
///
/// A value that shares nothing is given where it lies; the others are put together in a buffer. Each byte of the page is
/// copied at most twice, whatever the prefixes are: a prefix that is in the buffer already stays where it is.
struct DeltaByteArrayDecoder: ValueDecoder {
    static var valuesStay: Bool { false }
    private var prefixes: DeltaDecoder
    private var suffixes: DeltaLengthDecoder
    private let buffer: GrowingBuffer
    /// The value before: in the page, or in `buffer`.
    private var previous = UnsafeRawBufferPointer(start: nil, count: 0)
    private var inBuffer = false

    init(_ bytes: UnsafeRawBufferPointer, limit: Int, buffer: GrowingBuffer) throws {
        self.buffer = buffer
        prefixes = try DeltaDecoder(bytes, limit: limit)
        suffixes = try DeltaLengthDecoder(UnsafeRawBufferPointer(rebasing: bytes[prefixes.end...]), limit: limit)
    }

    mutating func next() throws -> UnsafeRawBufferPointer {
        let prefix = Int(try prefixes.next()), suffix = try suffixes.next()
        guard prefix >= 0, prefix <= previous.count else {
            throw Problem("a value that shares \(prefix) bytes", valid: "the one before has \(previous.count)")
        }
        guard prefix > 0 else {
            (previous, inBuffer) = (suffix, false)
            return suffix
        }
        // Both parts are at most a page long, so their sum cannot overflow.
        let room = try buffer.reserve(prefix + suffix.count, keeping: inBuffer ? prefix : 0)
        if !inBuffer { room.copyMemory(from: UnsafeRawBufferPointer(rebasing: previous.prefix(prefix))) }
        if !suffix.isEmpty { UnsafeMutableRawBufferPointer(rebasing: room[prefix...]).copyMemory(from: suffix) }
        (previous, inBuffer) = (UnsafeRawBufferPointer(room), true)
        return previous
    }

    func finish() throws {
        guard prefixes.given == prefixes.count else {
            throw Problem("\(prefixes.count) delta-encoded prefixes", valid: "the page has \(prefixes.given) values")
        }
        try suffixes.finish()
    }
}
