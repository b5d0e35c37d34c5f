// SPDX-License-Identifier: MIT
import CHash
import Storage
import Testing

@Suite struct ChecksumTests {
    /// NIST's examples for FIPS 180-4 (csrc.nist.gov, "SHA256.pdf" and the byte-oriented test vectors).
    @Test(arguments: [
        ("", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
        (
            "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu", 1,
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"
        ),
        ("a", 1_000_000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
    ]) func sha256OfNISTsExamples(_ text: String, _ times: Int, _ digest: String) {
        let bytes = Array(String(repeating: text, count: times).utf8)
        #expect(SHA256.hex(of: bytes) == digest)
        // In pieces of every kind of size, around the block size of 64 in particular.
        for size in [1, 3, 55, 56, 63, 64, 65, 127, 128, 1000] where bytes.count < 200 || size > 100 {
            var hash = SHA256()
            for start in stride(from: 0, to: bytes.count, by: size) { hash.update(bytes[start..<min(bytes.count, start + size)]) }
            #expect(hexadecimal(hash.finalize()) == digest, "pieces of \(size)")
        }
    }

    @Test func sha256TakesAnySequence() {
        var hash = SHA256()
        hash.update("abc".utf8.lazy.map { $0 })
        #expect(hexadecimal(hash.finalize()) == SHA256.hex(of: "abc"))
    }

    /// The digests of texts by the code that takes many, with or without the CPU's SHA extensions; nil where it has none.
    private func many(_ code: apus_sha256_code, _ texts: [UnsafeRawBufferPointer]) -> [UInt8]? {
        var digests = [UInt8](repeating: 0, count: 32 * texts.count)
        let status = apus_sha256_many_using(code, texts.map(\.baseAddress), texts.map(\.count), texts.count, &digests)
        return status == 0 ? digests : nil
    }

    /// Every length around the borders of blocks beside every other, so that lanes end, pad and begin anew at all places.
    @Test func sha256OfManyTextsIsThatOfEach() {
        let bytes = (0..<5000).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ $0 >> 7) }
        bytes.withUnsafeBytes { raw in
            func check(_ texts: [UnsafeRawBufferPointer]) {
                let expected = texts.flatMap { text in
                    var digest = [UInt8](repeating: 0, count: 32)
                    apus_sha256_portable(text.baseAddress, text.count, &digest)
                    return digest
                }
                #expect(SHA256.digests(of: texts) == expected)
                #expect(many(APUS_SHA256_PORTABLE, texts) == expected)
                for code in [APUS_SHA256_TWO_LANES, APUS_SHA256_SIXTEEN_LANES] {
                    if let digests = many(code, texts) { #expect(digests == expected) }
                }
            }
            func text(_ start: Int, _ count: Int) -> UnsafeRawBufferPointer {
                UnsafeRawBufferPointer(rebasing: raw[start..<start + count])
            }
            check([])
            check([UnsafeRawBufferPointer(start: nil, count: 0)])
            let lengths = Array(0..<4) + Array(53..<67) + Array(117..<131) + [191, 192, 193, 1000, 4096]
            for a in lengths {
                check([text(1, a)])
                for b in lengths { check([text(3, a), text(7, b)]) }
            }
            check((0..<300).map { text($0, $0) })
            check((0..<300).reversed().map { text($0, $0) })
            check((0..<100).map { text($0 * 7, $0 % 3 == 0 ? 0 : $0 * 41) })
            // Every number of texts about those that sixteen lanes begin and end with; one text far longer than the rest.
            for count in 1..<40 {
                check((0..<count).map { text($0, lengths[($0 * 7 + count) % lengths.count]) })
                check((0..<count).map { text($0, $0 == count / 2 ? 4800 : 64 + $0) })
            }
        }
    }

    /// RFC 3720 (iSCSI), appendix B.4, and the check value of CRC-32/ISCSI.
    @Test func crc32cOfTheStandardsExamples() {
        let examples: [([UInt8], UInt32)] = [
            ([UInt8](repeating: 0, count: 32), 0x8a91_36aa), ([UInt8](repeating: 0xff, count: 32), 0x62a8_ab43),
            (Array(0..<32), 0x46dd_794e), (Array((0..<32).reversed()), 0x113f_db5c), (Array("123456789".utf8), 0xe306_9283),
            ([], 0),
        ]
        for (bytes, expected) in examples { #expect(bytes.withUnsafeBytes { CRC32C.of($0) } == expected) }
    }

    /// The definition, a bit at a time.
    private func reference(_ bytes: some Sequence<UInt8>) -> UInt32 {
        var crc = UInt32.max
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0x82f6_3b78 : crc >> 1 }
        }
        return ~crc
    }

    @Test func crc32cOfEveryLengthAndAlignment() {
        let bytes = (0..<5000).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ $0 >> 7) }
        for start in 0..<9 {
            for length in Array(0..<70) + [255, 256, 257, 1023, 4096, 4990] {
                let expected = reference(bytes[start..<start + length])
                bytes.withUnsafeBytes { raw in
                    #expect(CRC32C.of(UnsafeRawBufferPointer(rebasing: raw[start..<start + length])) == expected)
                    var parts = CRC32C()
                    for piece in stride(from: start, to: start + length, by: 37) {
                        parts.update(UnsafeRawBufferPointer(rebasing: raw[piece..<min(start + length, piece + 37)]))
                    }
                    #expect(parts.value == expected, "from \(start), \(length) bytes")
                }
            }
        }
    }

    @Test func textsHaveAllTheirDigits() {
        #expect(CRC32C.text(0) == "00000000" && CRC32C.text(0xab) == "000000ab" && CRC32C.text(.max) == "ffffffff")
        #expect(hexadecimal([0, 15, 16, 255] as [UInt8]) == "000f10ff")
    }
}
