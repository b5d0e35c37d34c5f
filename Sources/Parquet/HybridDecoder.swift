// SPDX-License-Identifier: MIT

/// Loads the `width` (0...32) bits that begin at a bit position, least significant first.
///
/// - Precondition: the last of these bits lies inside `bytes`; the callers have checked it.
@inline(__always)
func loadBits(_ bytes: UnsafeRawBufferPointer, at bit: Int, width: Int) -> UInt32 {
    let byte = bit >> 3, shift = UInt64(bit & 7)
    var word: UInt64 = 0
    if byte + 8 <= bytes.count {
        word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: byte, as: UInt64.self))
    } else {
        // Near the end: 32 bits that begin inside a byte touch at most 5 bytes.
        for index in byte..<max(min(byte + 5, bytes.count), byte) { word |= UInt64(bytes[index]) << UInt64(8 * (index - byte)) }
    }
    return UInt32(truncatingIfNeeded: (word >> shift) & ((1 << UInt64(width)) &- 1))
}

/// Decodes the hybrid of run lengths and bit-packing that holds definition levels and dictionary indices.
///
/// A run is a varint header followed by bytes: an even header repeats one value header/2 times, an odd one announces
/// header/2 groups of 8 packed values. Every run consumes at least one byte, so decoding ends.
/// Source: https://parquet.apache.org/docs/file-format/data-pages/encodings/#RLE
struct HybridDecoder {
    // SAFETY: borrowed from a page that outlives the decoder; every access is checked against its count.
    private let bytes: UnsafeRawBufferPointer
    private let width: Int
    private var position = 0
    /// Values that are left of the run at hand.
    private var runLeft = 0
    /// In a run of repeats the value; nil in a packed run.
    private var repeated: UInt32?
    /// In a packed run the next value's first bit.
    private var bit = 0
    /// Values of all runs so far, for the error's text.
    private var count = 0

    /// - Parameter width: bits of a value, 0...32.
    init(_ bytes: UnsafeRawBufferPointer, width: Int) throws {
        guard 0...32 ~= width else {
            throw Problem("a bit width of \(width)", valid: "bit widths are 0...32")
        }
        self.bytes = bytes
        self.width = width
    }

    /// The next value.
    ///
    /// - Throws: `Problem` when the runs end before.
    @inline(__always)
    mutating func next() throws -> UInt32 {
        if runLeft == 0 { try beginRun() }
        runLeft -= 1
        if let repeated { return repeated }
        defer { bit += width }
        return loadBits(bytes, at: bit, width: width)
    }

    /// Reads run headers until there is a run with values.
    private mutating func beginRun() throws {
        while runLeft == 0 {
            let header = try varint()
            if header & 1 == 0 {
                let size = (width + 7) / 8
                guard size <= bytes.count - position else { throw ended() }
                var value: UInt32 = 0
                for index in 0..<size { value |= UInt32(bytes[position + index]) << UInt32(8 * index) }
                guard width == 32 || value >> UInt32(width) == 0 else {
                    throw Problem("a run repeats \(value)", valid: "its values have \(width) bits")
                }
                position += size
                (repeated, runLeft) = (value, Int(header >> 1))
            } else {
                let groups = Int(header >> 1)
                // Some writers leave out the padding behind the last packed value: take the values that are there.
                let size = min(groups * width, bytes.count - position)
                (repeated, bit) = (nil, position * 8)
                runLeft = width == 0 ? groups * 8 : min(groups * 8, size * 8 / width)
                position += size
            }
            count += runLeft
        }
    }

    /// A run's header: LEB128 of at most 32 bits.
    private mutating func varint() throws -> UInt32 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 35, by: 7) {
            guard position < bytes.count else { throw ended() }
            let byte = bytes[position]
            position += 1
            value |= UInt64(byte & 127) << shift
            if byte < 128, let header = UInt32(exactly: value) { return header }
        }
        throw Problem("a run's header has more than 32 bits", valid: "runs have at most 2^31 - 1 values")
    }

    private func ended() -> Problem {
        Problem("levels or indices end after \(count) values", valid: "the page's header counts more")
    }
}
