// SPDX-License-Identifier: MIT
import CTokenization
import Testing

/// The passes that look at 32 bytes at a time, against loops that look at one character after another.
@Suite struct ScanTests {
    /// Length of the longest well-formed prefix by the standard library's decoder, which stops at the first error.
    private static func validPrefix(_ bytes: [UInt8]) -> Int {
        var iterator = bytes.makeIterator(), decoder = Unicode.UTF8.ForwardParser(), length = 0
        while case .valid(let encoded) = decoder.parseScalar(from: &iterator) { length += encoded.count }
        return length
    }

    private static func nonText(_ bytes: [UInt8]) -> Int {
        String(decoding: bytes, as: UTF8.self).unicodeScalars.reduce(0) { sum, scalar in
            let isLineEnd = scalar == "\t" || scalar == "\n" || scalar == "\r"
            let isControl = scalar.properties.generalCategory == .control && !isLineEnd
            return sum + (isControl || scalar == "\u{FFFD}" ? UTF8.width(scalar) : 0)
        }
    }

    private static func prefix(_ bytes: [UInt8]) -> Int { apus_utf8_valid_prefix(bytes, bytes.count) }

    /// Characters of every length and class, the ends of each range of table 3-7 among them.
    private static let characters: [Unicode.Scalar] = [
        "a", " ", "\n", "\t", "\u{0}", "\u{1F}", "\u{7F}", "\u{80}", "\u{9F}", "\u{A0}", "é", "\u{7FF}", "\u{800}", "’",
        "\u{FFF}",
        "\u{D7FF}", "\u{E000}", "\u{FFFD}", "\u{FFFC}", "\u{FFFF}", "\u{10000}", "😀", "\u{FFFFF}", "\u{10FFFF}",
    ]

    @Test("well-formed texts of every length are taken whole, and their controls counted")
    func wellFormed() {
        var random = SystemRandomNumberGenerator()
        for length in 0..<200 {
            var text = String.UnicodeScalarView()
            for _ in 0..<length {
                // Mostly ASCII, so that whole blocks of it come too.
                let plain = UInt8.random(in: 0..<100, using: &random) < 70
                text.append(plain ? "x" : Self.characters.randomElement(using: &random) ?? "x")
            }
            let bytes = Array(String(text).utf8)
            #expect(Self.prefix(bytes) == bytes.count)
            #expect(apus_non_text_bytes(bytes, bytes.count) == Self.nonText(bytes))
        }
    }

    @Test("one wrong byte anywhere in 100 bytes is found where it is")
    func wrongBytes() {
        var text = String.UnicodeScalarView()
        for k in 0..<48 { text.append(Self.characters[k % Self.characters.count]) }
        let good = Array(String(text).utf8)
        #expect(good.count > 96)
        for at in good.indices {
            for wrong: UInt8 in [
                0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xE0, 0xED, 0xEF, 0xF0, 0xF4, 0xF5, 0xFF,
            ] {
                var bytes = good
                bytes[at] = wrong
                #expect(Self.prefix(bytes) == Self.validPrefix(bytes), "byte \(at) = \(wrong)")
            }
            let cut = Array(good[..<at])
            #expect(Self.prefix(cut) == Self.validPrefix(cut), "cut at \(at)")
        }
    }

    @Test("random bytes that look like UTF-8")
    func randomBytes() {
        var random = SystemRandomNumberGenerator()
        let likely: [UInt8] = [
            0x41, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC2, 0xDF, 0xE0, 0xE1, 0xED, 0xEF, 0xF0, 0xF1, 0xF4, 0xF5,
        ]
        for _ in 0..<20_000 {
            var bytes = [UInt8](repeating: 0x41, count: Int.random(in: 60..<68, using: &random))
            let first = Int.random(in: 24..<60, using: &random)
            for k in 0..<5 where first + k < bytes.count { bytes[first + k] = likely.randomElement(using: &random) ?? 0 }
            #expect(Self.prefix(bytes) == Self.validPrefix(bytes), "\(bytes)")
        }
    }

    /// Checks `apus_scan_text` against the two passes that it joins.
    private static func expectScan(_ bytes: [UInt8]) {
        var found = -1
        let isWellFormed = apus_scan_text(bytes, bytes.count, &found)
        #expect(isWellFormed == (validPrefix(bytes) == bytes.count), "\(bytes)")
        if isWellFormed { #expect(found == nonText(bytes), "\(bytes)") }
    }

    @Test("both questions in one pass: every character at every place of two blocks, whole, cut and with a wrong byte")
    func both() {
        for length in 0..<200 { Self.expectScan([UInt8](repeating: 0x61, count: length)) }
        for character in Self.characters {
            for before in 0..<132 {
                var bytes = [UInt8](repeating: 0x61, count: before)
                bytes += String(String.UnicodeScalarView([character])).utf8
                Self.expectScan(bytes)
                let end = bytes.count
                bytes += [UInt8](repeating: 0x62, count: 70)
                Self.expectScan(bytes)
                for at in before..<end {
                    Self.expectScan(Array(bytes[..<at]))
                    for wrong: UInt8 in [0x61, 0x80, 0xBF, 0xC2, 0xED, 0xF5] {
                        var damaged = bytes
                        damaged[at] = wrong
                        Self.expectScan(damaged)
                    }
                }
            }
        }
    }

    @Test("both questions about random mixtures of characters")
    func bothAtRandom() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<3000 {
            var text = String.UnicodeScalarView()
            let plain = Int.random(in: 0...100, using: &random)
            for _ in 0..<Int.random(in: 0..<150, using: &random) {
                text.append(
                    Int.random(in: 0..<100, using: &random) < plain ? "x" : Self.characters.randomElement(using: &random) ?? "x")
            }
            var bytes = Array(String(text).utf8)
            Self.expectScan(bytes)
            if let at = bytes.indices.randomElement(using: &random) {
                bytes[at] = .random(in: 0...255, using: &random)
                Self.expectScan(bytes)
            }
        }
    }

    @Test("ids are counted, those beyond the table are left out, and taking begins anew")
    func counting() throws {
        let counter = try #require(apus_id_counter_create(4))
        defer { apus_id_counter_destroy(counter) }
        apus_id_counter_add(counter, [0, 3, 3, 4, .max], 5)
        var ids = [UInt32](repeating: 2, count: 200_001)
        ids[5000] = 1
        ids[5001] = 70_000
        // Of 16 bits, and not a multiple of the four that are counted at a time.
        apus_id_counter_add16(counter, ids.map { UInt16(truncatingIfNeeded: $0) }, ids.count)
        var totals: [UInt64] = [10, 0, 0, 0]
        apus_id_counter_take(counter, &totals)
        #expect(totals == [11, 1, 199_999, 2])
        apus_id_counter_add(counter, [1, 2], 2)
        apus_id_counter_take(counter, &totals)
        #expect(totals == [11, 2, 200_000, 2])
    }

    @Test("ids lose all but their low 16 bits")
    func narrowing() {
        var narrow = [UInt16](repeating: 9, count: 3)
        apus_narrow_ids([1, 65535, 65543], 3, &narrow)
        #expect(narrow == [1, 65535, 7])
    }
}
