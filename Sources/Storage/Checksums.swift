// SPDX-License-Identifier: MIT
import CHash

/// Computes SHA-256 (FIPS 180-4) of bytes that come piece by piece.
public struct SHA256: Sendable {
    private var state = apus_sha256_t()

    public init() { apus_sha256_init(&state) }

    /// Takes the next piece, of any size; not after `finalize`.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        apus_sha256_update(&state, bytes.baseAddress, bytes.count)
    }

    /// Takes the next piece; what is not contiguous in memory is copied first.
    public mutating func update(_ bytes: some Sequence<UInt8>) {
        if bytes.withContiguousStorageIfAvailable({ update(UnsafeRawBufferPointer($0)) }) == nil {
            Array(bytes).withUnsafeBytes { update($0) }
        }
    }

    /// Ends the computation and gives the 32 bytes of the digest.
    public mutating func finalize() -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        apus_sha256_final(&state, &digest)
        return digest
    }

    /// The digest of some bytes as 64 lower-case hexadecimal digits.
    public static func hex(of bytes: UnsafeRawBufferPointer) -> String {
        var hash = SHA256()
        hash.update(bytes)
        return hexadecimal(hash.finalize())
    }

    /// The digests of several texts, 32 bytes each, one after the other; faster than one by one.
    package static func digests(of texts: [UnsafeRawBufferPointer]) -> [UInt8] {
        let starts = texts.map { $0.baseAddress }, lengths = texts.map { $0.count }
        return [UInt8](unsafeUninitializedCapacity: 32 * starts.count) { digests, count in
            apus_sha256_many(starts, lengths, starts.count, digests.baseAddress)
            count = 32 * starts.count
        }
    }

    /// 64 lower-case hexadecimal digits.
    public static func hex(of bytes: [UInt8]) -> String { bytes.withUnsafeBytes { hex(of: $0) } }

    /// 64 lower-case hexadecimal digits, of the text as UTF-8.
    public static func hex(of text: String) -> String { hex(of: Array(text.utf8)) }
}

/// Computes CRC-32C (Castagnoli) of bytes that come piece by piece.
public struct CRC32C: Sendable {
    /// Of the bytes so far; 0 before the first.
    public private(set) var value: UInt32 = 0

    public init() {}

    /// Takes the next piece, of any size.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        value = apus_crc32c(value, bytes.baseAddress, bytes.count)
    }

    /// The CRC-32C of some bytes.
    public static func of(_ bytes: UnsafeRawBufferPointer) -> UInt32 { apus_crc32c(0, bytes.baseAddress, bytes.count) }

    /// The eight lower-case hexadecimal digits under which manifests store a CRC.
    public static func text(_ value: UInt32) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }
}

/// Lower-case hexadecimal digits of bytes, two a byte.
public func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    for byte in bytes {
        text.append(digits[Int(byte >> 4)])
        text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
}
