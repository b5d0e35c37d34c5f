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

    /// The characters that stand for some bytes.
    static func text(_ bytes: some Sequence<UInt8>) -> String {
        var text = String.UnicodeScalarView()
        for byte in bytes { text.append(scalars[Int(byte)]) }
        return String(text)
    }

    /// Appends the bytes that a text in this alphabet stands for; false when a character is not of the alphabet.
    static func append(_ text: some Sequence<Unicode.Scalar>, to result: inout [UInt8]) -> Bool {
        for scalar in text {
            guard scalar.value < 0x144, bytes[Int(scalar.value)] >= 0 else { return false }
            result.append(UInt8(truncatingIfNeeded: bytes[Int(scalar.value)]))
        }
        return true
    }
}
