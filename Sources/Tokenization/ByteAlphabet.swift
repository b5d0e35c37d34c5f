// SPDX-License-Identifier: MIT

/// GPT-2's way to write any bytes as printable characters: one character a byte.
///
/// Bytes that are printable in Latin-1 (33...126, 161...172, 174...255) stand for themselves; the others take
/// U+0100, U+0101 ... in their order. This order of the bytes is also that of GPT-2's ids 0...255.
enum ByteAlphabet {
    /// The bytes in the order of their characters; `order[id]` is the byte of GPT-2's token `id`.
    static let order: [UInt8] = {
        let printable = (0...255).filter { (33...126).contains($0) || (161...172).contains($0) || $0 >= 174 }
        return (printable + (0...255).filter { !printable.contains($0) }).map { UInt8($0) }
    }()

    /// The character of each byte.
    static let scalars: [Unicode.Scalar] = {
        var scalars = (0...255).map { Unicode.Scalar(UInt8($0)) }
        for (place, byte) in order.dropFirst(188).enumerated() {
            scalars[Int(byte)] = Unicode.Scalar(UInt16(0x100 + place)) ?? scalars[Int(byte)]
        }
        return scalars
    }()

    /// The byte of each character up to U+0143, or -1.
    private static let bytes: [Int16] = {
        var bytes = [Int16](repeating: -1, count: 0x144)
        for (byte, scalar) in scalars.enumerated() { bytes[Int(scalar.value)] = Int16(byte) }
        return bytes
    }()

    /// Each byte's character in UTF-8: its first byte in the low half, its second in the high one, 0 where it has none.
    static let utf8: [UInt16] = scalars.map { scalar in
        let code = UInt16(truncatingIfNeeded: scalar.value)
        return code < 0x80 ? code : (0x80 | code & 0x3F) << 8 | 0xC0 | code >> 6
    }

    /// The characters that stand for some bytes.
    static func text(_ bytes: some Sequence<UInt8>) -> String {
        var text: [UInt8] = []
        for byte in bytes { append(utf8[Int(byte)], to: &text) }
        return String(decoding: text, as: UTF8.self)
    }

    /// Appends a character of one or two bytes, in the form of `utf8`.
    @inline(__always)
    static func append(_ character: UInt16, to text: inout [UInt8]) {
        text.append(UInt8(truncatingIfNeeded: character))
        if character > 0xFF { text.append(UInt8(truncatingIfNeeded: character >> 8)) }
    }

    /// Appends the bytes that a text in this alphabet, given in UTF-8, stands for; false when a character is not of the alphabet.
    static func append(_ text: some Sequence<UInt8>, to result: inout [UInt8]) -> Bool {
        var rest = text.makeIterator()
        while let lead = rest.next() {
            var code = Int(lead)
            if lead >= 0x80 {
                // U+0080 to U+0143 take two bytes, of which the first is C2 to C5.
                guard lead >= 0xC2, lead <= 0xC5, let next = rest.next(), next & 0xC0 == 0x80 else { return false }
                code = Int(lead & 0x1F) << 6 | Int(next & 0x3F)
            }
            guard code < bytes.count, bytes[code] >= 0 else { return false }
            result.append(UInt8(truncatingIfNeeded: bytes[code]))
        }
        return true
    }
}
