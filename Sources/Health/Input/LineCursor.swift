// SPDX-License-Identifier: MIT
import Foundation

/// Walks over a text's lines and reads words and numbers from its bytes without making strings.
///
/// Lines end with LF, CR LF or CR alone (progress bars overwrite themselves with it).
struct LineCursor {
    // SAFETY: only valid inside the `withUnsafeBytes` call that made the buffer; every access is bounded by `end`.
    private let bytes: UnsafeBufferPointer<UInt8>
    /// The line's range; `position` lies in it.
    private(set) var start = 0
    private(set) var end = 0
    private var next = 0
    /// Where the line feed is that was looked for last, the text's length when there is none: it stays the next one until it is passed.
    private var feed = -1
    var position = 0
    private(set) var number = 0

    init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    /// Steps to the next line; false after the last one.
    mutating func nextLine() -> Bool {
        guard next < bytes.count, let base = bytes.baseAddress else { return false }
        start = next
        // Lines that end in CR alone would have each of them look for the same distant line feed.
        if feed < next {
            let found = memchr(base + next, 10, bytes.count - next)
            feed = found.map { base.distance(to: $0.assumingMemoryBound(to: UInt8.self)) } ?? bytes.count
        }
        end = feed
        // A bare CR inside the line starts a new one.
        if let found = memchr(base + start, 13, end - start) {
            let at = base.distance(to: found.assumingMemoryBound(to: UInt8.self))
            if at + 1 < end {
                end = at
                next = at + 1
            } else {
                next = end + 1
                end = at
            }
        } else {
            next = end + 1
        }
        position = start
        number += 1
        return true
    }

    var isEmpty: Bool { position >= end }
    var first: UInt8? { position < end ? bytes[position] : nil }
    var count: Int { end - position }

    /// Steps over a literal when it comes next.
    @inline(__always)
    mutating func take(_ literal: StaticString) -> Bool {
        guard let base = bytes.baseAddress, literal.utf8CodeUnitCount <= end - position,
            memcmp(base + position, literal.utf8Start, literal.utf8CodeUnitCount) == 0
        else { return false }
        position += literal.utf8CodeUnitCount
        return true
    }

    /// Steps behind the next occurrence of a literal in the line, at most `within` bytes away.
    mutating func skip(past literal: StaticString, within limit: Int = .max) -> Bool {
        guard let base = bytes.baseAddress else { return false }
        let length = literal.utf8CodeUnitCount
        let from = position
        let last = min(end - length, limit == .max ? end : position + limit)
        while position <= last, let found = memchr(base + position, Int32(literal.utf8Start[0]), last - position + 1) {
            position = base.distance(to: found.assumingMemoryBound(to: UInt8.self))
            if take(literal) { return true }
            position += 1
        }
        position = from
        return false
    }

    mutating func skipSpaces() {
        // A tab separates columns, so it is no space here.
        while position < end, bytes[position] == 32 { position += 1 }
    }

    /// Reads a whole number that fits in 53 bits.
    mutating func integer() -> Int? {
        skipSpaces()
        let from = position
        var value = 0
        while position < end {
            let digit = Int(bytes[position]) - 48
            guard digit >= 0, digit <= 9 else { break }
            if position - from >= 15 { return nil }
            value = value * 10 + digit
            position += 1
        }
        return position > from ? value : nil
    }

    /// Reads a decimal number, also "nan", "inf" and "-inf" in any case; commas between groups of digits are allowed on request.
    mutating func real(commas: Bool = false) -> Double? {
        skipSpaces()
        let from = position
        var negative = false
        if position < end, bytes[position] == 45 || bytes[position] == 43 {
            negative = bytes[position] == 45
            position += 1
        }
        var mantissa: UInt64 = 0
        var digits = 0, scale = 0, exact = true
        func isDigit(_ at: Int) -> Bool { at < end && bytes[at] >= 48 && bytes[at] <= 57 }
        while isDigit(position) || (commas && digits > 0 && position < end && bytes[position] == 44 && isDigit(position + 1)) {
            if bytes[position] != 44 {
                if digits < 18 { mantissa = mantissa * 10 + UInt64(bytes[position] - 48) } else { exact = false }
                digits += 1
            }
            position += 1
        }
        if position < end, bytes[position] == 46 {
            position += 1
            while isDigit(position) {
                if digits < 18 {
                    mantissa = mantissa * 10 + UInt64(bytes[position] - 48)
                    scale -= 1
                }
                digits += 1
                position += 1
            }
        }
        if digits == 0 { return word(from, negative) }
        if position < end, bytes[position] | 32 == 101 {
            let mark = position
            position += 1
            var minus = false
            if position < end, bytes[position] == 45 || bytes[position] == 43 {
                minus = bytes[position] == 45
                position += 1
            }
            if let exponent = integer(), exponent < 10000 {
                scale += minus ? -exponent : exponent
            } else {
                position = mark
            }
        }
        // Exact by one rounding when both factors are exact in a Double (Clinger's fast path).
        if exact, mantissa < 1 << 53, scale >= -22, scale <= 22 {
            let value = scale < 0 ? Double(mantissa) / Self.powers[-scale] : Double(mantissa) * Self.powers[scale]
            return negative ? -value : value
        }
        return Double(text(from, position).filter { $0 != "," })
    }

    private static let powers: [Double] = (0...22).map { pow(10, Double($0)) }

    private mutating func word(_ from: Int, _ negative: Bool) -> Double? {
        let names: [(StaticString, StaticString, Double)] = [
            ("nan", "NaN", .nan), ("infinity", "Infinity", .infinity), ("inf", "Inf", .infinity), ("NAN", "INF", .nan),
        ]
        for (lower, upper, value) in names where take(lower) || take(upper) { return negative ? -value : value }
        position = from
        return nil
    }

    /// Whether a name and a single equals sign come next.
    func hasAssignment() -> Bool {
        var at = position
        func isName(_ byte: UInt8) -> Bool { byte == 95 || (byte | 32 >= 97 && byte | 32 <= 122) || (byte >= 48 && byte <= 57) }
        while at < end, at - position < 40, isName(bytes[at]) { at += 1 }
        if at == position { return false }
        while at < end, bytes[at] == 32 { at += 1 }
        return at < end && bytes[at] == 61
    }

    /// A piece of the line as text; ill-formed UTF-8 is repaired.
    func text(_ from: Int, _ to: Int) -> String {
        String(decoding: bytes[max(0, from)..<max(from, min(to, bytes.count))], as: UTF8.self)
    }

    /// The rest of the line as text, at most `limit` bytes.
    func rest(_ limit: Int = 4096) -> String { text(position, min(end, position + limit)) }
    /// The whole line as text, at most `limit` bytes.
    func line(_ limit: Int = 4096) -> String { text(start, min(end, start + limit)) }
    func byte(at index: Int) -> UInt8? { index >= start && index < end ? bytes[index] : nil }
}
