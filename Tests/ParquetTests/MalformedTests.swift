// SPDX-License-Identifier: MIT
import CCodecs
import Foundation
import Parquet
import Testing

/// Damaged files: whatever the damage, reading ends with an error or with rows, and never with a trap.
@Suite struct MalformedTests {
    /// One small file of each combination that has code of its own.
    static func builders(rows: Int = 20) -> [FileBuilder] {
        let all = EncodingTests.rows(rows, nulls: true).map { $0.map { Array($0.prefix(40)) } }
        var list: [FileBuilder] = []
        for (index, encoding) in EncodingTests.encodings.enumerated() {
            for pageVersion in [1, 2] {
                var builder = FileBuilder(groups: [Array(all[..<(rows / 2)]), Array(all[(rows / 2)...])])
                (builder.encoding, builder.pageVersion) = (encoding, pageVersion)
                builder.codec = pageVersion == 1 ? .uncompressed : EncodingTests.codecs[index]
                builder.path = index == 1 ? ["meta", "text"] : ["text"]
                list.append(builder)
            }
        }
        for codec in EncodingTests.codecs.dropFirst() {
            var builder = FileBuilder(groups: [all])
            builder.codec = codec
            list.append(builder)
        }
        return list
    }

    /// The rows of a file, nil when it is refused with a `ParquetError`; any other error is the test's failure.
    private func outcome(_ file: TemporaryFile, _ column: String) throws -> [FileBuilder.Row]? {
        do { return try readAll(file.path, column: column) } catch is ParquetError { return nil }
    }

    @Test(arguments: MalformedTests.builders().indices)
    func everyByteFlippedAndEveryTruncation(index: Int) throws {
        let builder = Self.builders()[index], column = builder.path.joined(separator: ".")
        let bytes = builder.build().bytes, file = try TemporaryFile(bytes)
        let rows = try #require(try outcome(file, column))
        var refused = 0
        for position in bytes.indices {
            for flip in [UInt8(0x01), 0x80, 0xFF, 0x10] {
                var damaged = bytes
                damaged[position] ^= flip
                try file.write(damaged)
                if let found = try outcome(file, column) { #expect(found.count <= rows.count + 300) } else { refused += 1 }
            }
        }
        #expect(refused > bytes.count)
        for count in bytes.indices {
            try file.write(Array(bytes[..<count]))
            #expect(try outcome(file, column) == nil, "cut to \(count) of \(bytes.count)")
        }
    }

    @Test(arguments: MalformedTests.builders().indices)
    func checksumsFindEveryDamageToAPage(index: Int) throws {
        var builder = Self.builders()[index]
        builder.hasChecksums = true
        let built = builder.build(), file = try TemporaryFile(built.bytes), column = builder.path.joined(separator: ".")
        #expect(try outcome(file, column) == builder.groups.flatMap { $0 })
        for body in built.bodies {
            for position in body {
                var damaged = built.bytes
                damaged[position] ^= UInt8(1) << UInt8(position % 8)
                try file.write(damaged)
                let error = #expect(throws: ParquetError.self) { try readAll(file.path, column: column) }
                #expect(error?.kind == .checksum)
            }
        }
    }

    /// Seeded random damage, several bytes at once: overwritten, inserted, removed, copied, or set to telling values.
    /// `PARQUET_FUZZ_RUNS` and `PARQUET_FUZZ_SEED` make it longer and different; see scripts/fuzz-parquet.
    @Test func randomMutations() throws {
        let environment = ProcessInfo.processInfo.environment
        let runs = environment["PARQUET_FUZZ_RUNS"].flatMap(Int.init) ?? 20_000
        var random = SplitMix(state: environment["PARQUET_FUZZ_SEED"].flatMap(UInt64.init) ?? 1)
        let originals = Self.builders(rows: 24).map { ($0.build().bytes, $0.path.joined(separator: ".")) }
        let file = try TemporaryFile()
        var refused = 0
        for run in 0..<runs {
            let (bytes, column) = originals[run % originals.count]
            let damaged = random.mutate(bytes)
            try file.write(damaged)
            if try outcome(file, column) == nil { refused += 1 }
        }
        // Both ends must occur, or the mutations would be too weak or too strong to test anything.
        #expect(refused > runs / 2)
        #expect(refused < runs)
    }

    /// The block decoders alone, so that no page header stands before the damage.
    @Test(arguments: [CompressionCodec.snappy, .lz4Raw])
    func damagedBlocksStayInsideTheirOutput(codec: CompressionCodec) {
        let text = (0..<60).flatMap { Array("the value \($0 / 5), and more of the same".utf8) }
        let packed = Encoders.compress(text, codec)
        var random = SplitMix(state: 5), complete = 0
        var output = [UInt8](repeating: 0xEE, count: text.count + 64)
        for _ in 0..<20_000 {
            let damaged = random.mutate(packed)
            let status =
                codec == .snappy
                ? apus_snappy_decode(damaged, damaged.count, &output, text.count)
                : apus_lz4_decode(damaged, damaged.count, &output, text.count)
            if status == APUS_CODEC_END { complete += 1 }
            #expect(output.suffix(64).allSatisfy { $0 == 0xEE })
        }
        #expect(0 < complete && complete < 20_000)
    }

    /// Tiny pages that claim enormous things: refused by name before anything of that size is allocated or counted.
    @Test func enormousClaimsAreRefused() throws {
        let most = Int(Int32.max), file = try TemporaryFile()
        // Page type, bytes before compression, values; and what the refusal says.
        let claims: [(kind: Int, size: Int, values: Int, found: String)] = [
            (0, most, 1, "a page of \(most) bytes before compression"), (2, (1 << 30) + 1, 1, "bytes before compression"),
            (3, 1 << 30, 1, "a SNAPPY page of 4 bytes"), (2, 1 << 30, 1, "a SNAPPY page of 4 bytes"),
            (0, 4, most, "a page of \(most) values"), (3, 4, most, "a page of \(most) values"),
            (2, 4, most, "a SNAPPY page does not decompress"),
        ]
        for claim in claims {
            var page = ThriftWriter()
            page.element {
                $0.int32(1, claim.kind)
                $0.int32(2, claim.size)
                $0.int32(3, 4)
                $0.structure([5, 0, 7, 8][claim.kind]) {
                    $0.int32(1, claim.values)
                    $0.int32(claim.kind == 3 ? 4 : 2, 0)
                }
            }
            var builder = FileBuilder(groups: [[[UInt8](repeating: 1, count: 59)]])
            builder.codec = .snappy
            var built = builder.build()
            // Written over the first page, whose body leaves room for it.
            let start = built.headers[0].lowerBound, bytes = page.bytes + [255, 255, 255, 255]
            #expect(start + bytes.count <= built.bodies[0].upperBound)
            built.bytes.replaceSubrange(start..<start + bytes.count, with: bytes)
            try file.write(built.bytes)
            let error = #expect(throws: ParquetError.self) { try readAll(file.path) }
            #expect(error?.found.contains(claim.found) == true, "\(claim): \(String(describing: error))")
            #expect(error?.offset == start)
        }
    }

    @Test func deepStructuresAreRefused() throws {
        // A footer of nothing but structures inside an unknown field of structures, or lists inside lists.
        for byte in [UInt8(0x1C), 0x19] {
            let footer = [UInt8](repeating: byte, count: 500_000)
            let file = try TemporaryFile(Array("PAR1".utf8) + footer + littleEndian(footer.count) + Array("PAR1".utf8))
            let error = #expect(throws: ParquetError.self) { try ParquetFile(path: file.path) }
            #expect(error?.kind == .malformed)
        }
    }
}

/// Steele, Lea and Flood's SplitMix64: a small seeded generator.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    mutating func mutate(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...3, using: &self) where bytes.count > 20 {
            let position = Int.random(in: 0..<bytes.count, using: &self)
            let length = min(Int.random(in: 1...9, using: &self), bytes.count - position)
            switch Int.random(in: 0..<10, using: &self) {
            case 0...3: bytes[position] = UInt8.random(in: 0...255, using: &self)
            case 4...5: bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &self)
            case 6: bytes[position] = [0, 1, 0x7F, 0x80, 0xFE, 0xFF].randomElement(using: &self) ?? 0
            case 7: for index in position..<position + length { bytes[index] = 0xFF }
            case 8: bytes.removeSubrange(position..<position + length)
            default:
                let from = Int.random(in: 0...bytes.count - length, using: &self)
                bytes.insert(contentsOf: Array(bytes[from..<from + length]), at: position)
            }
            // A footer of a new length is found again, so that the damage lies inside it and not only at its place.
            if bytes.count > 12, Bool.random(using: &self) { repairFooterLength(&bytes) }
        }
        return bytes
    }

    /// Sets the footer's length to where a footer begins most likely: at the version field's bytes.
    private func repairFooterLength(_ bytes: inout [UInt8]) {
        let head: [UInt8] = [0x15, 0x04, 0x19]
        guard let start = (4..<bytes.count - 10).last(where: { Array(bytes[$0..<$0 + 3]) == head }) else { return }
        bytes.replaceSubrange(bytes.count - 8..<bytes.count - 4, with: littleEndian(bytes.count - 8 - start))
    }
}
