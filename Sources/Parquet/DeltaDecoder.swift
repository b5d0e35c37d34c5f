// SPDX-License-Identifier: MIT

/// Decodes DELTA_BINARY_PACKED 32-bit numbers one by one, in constant memory.
///
/// A header (block size, miniblocks a block, count, first value) is followed by blocks: the smallest delta, a bit width a
/// miniblock, and the packed differences from the smallest delta.
/// Source: https://parquet.apache.org/docs/file-format/data-pages/encodings/#DELTAENC
struct DeltaDecoder {
    // SAFETY: borrowed from a page that outlives the decoder; `init` has walked all blocks and checked their bounds.
    private let bytes: UnsafeRawBufferPointer
    /// Where the next block or miniblock begins.
    private var position = 0
    private let miniblocks: Int
    private let miniblockSize: Int
    /// How many numbers there are.
    let count: Int
    /// How many of them were given.
    private(set) var given = 0
    /// The byte behind the last block.
    private(set) var end = 0

    // The block and miniblock at hand: its smallest delta, where its widths lie, and the bits of its next value.
    private var value: Int64
    private var minDelta: Int64 = 0
    private var widths = 0
    private var miniblock: Int
    private var width = 0
    private var left = 0
    private var bit = 0

    /// - Parameter limit: the largest count that makes sense here.
    init(_ bytes: UnsafeRawBufferPointer, limit: Int) throws {
        self.bytes = bytes
        var position = 0
        let block = try Self.varint(bytes, &position), minis = try Self.varint(bytes, &position)
        let total = try Self.varint(bytes, &position), first = try Self.varint(bytes, &position)
        guard block % 128 == 0, 128...UInt64(Int32.max) ~= block, minis > 0, block % minis == 0, block / minis % 32 == 0 else {
            throw Problem(
                "delta blocks of \(block) values in \(minis) miniblocks",
                valid: "blocks are multiples of 128 values, miniblocks of 32")
        }
        guard total <= UInt64(limit) else {
            throw Problem("\(total) delta-encoded lengths", valid: "the page has \(limit) values")
        }
        (miniblocks, miniblockSize, count) = (Int(minis), Int(block / minis), Int(total))
        value = Self.zigzag(first)
        miniblock = miniblocks
        self.position = position
        end = try walk(from: position)
    }

    /// Goes through all blocks without decoding them, checks their bounds, and gives the byte behind the last one.
    private func walk(from start: Int) throws -> Int {
        var position = start, left = max(count - 1, 0)
        while left > 0 {
            _ = try Self.varint(bytes, &position)
            guard miniblocks <= bytes.count - position else { throw Self.ended() }
            let widths = position
            position += miniblocks
            // Miniblocks behind the last value have a width but no bytes.
            for index in 0..<miniblocks where left > 0 {
                let width = Int(bytes[widths + index])
                guard width <= 32 else {
                    throw Problem("a delta miniblock of \(width) bits a value", valid: "widths are 0...32")
                }
                guard width * miniblockSize / 8 <= bytes.count - position else { throw Self.ended() }
                position += width * miniblockSize / 8
                left -= min(left, miniblockSize)
            }
        }
        return position
    }

    /// The next number; arithmetic wraps at 32 bits as the format wants it.
    mutating func next() throws -> Int32 {
        guard given < count else {
            throw Problem("\(count) delta-encoded lengths", valid: "the page has more values")
        }
        given += 1
        if given == 1 { return Int32(truncatingIfNeeded: value) }
        if left == 0 { try beginMiniblock() }
        left -= 1
        value = value &+ minDelta &+ Int64(loadBits(bytes, at: bit, width: width))
        bit += width
        return Int32(truncatingIfNeeded: value)
    }

    /// Goes to the next miniblock, and to the next block behind the last one.
    private mutating func beginMiniblock() throws {
        if miniblock == miniblocks {
            minDelta = Self.zigzag(try Self.varint(bytes, &position))
            widths = position
            position += miniblocks
            miniblock = 0
        }
        width = Int(bytes[widths + miniblock])
        bit = position * 8
        position += width * miniblockSize / 8
        miniblock += 1
        left = miniblockSize
    }

    private static func ended() -> Problem {
        Problem("delta-encoded lengths run past the page's end", valid: "get the file again")
    }

    private static func varint(_ bytes: UnsafeRawBufferPointer, _ position: inout Int) throws -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard position < bytes.count else { throw ended() }
            let byte = bytes[position]
            position += 1
            value |= UInt64(byte & 127) << shift
            if byte < 128 { return value }
        }
        throw Problem("a number of more than 10 bytes", valid: "numbers have at most 64 bits")
    }

    private static func zigzag(_ value: UInt64) -> Int64 { Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1) }
}
