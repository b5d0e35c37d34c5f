// SPDX-License-Identifier: MIT
import Corpus
import Foundation
import Testing

/// What the audit of files says of the order of the tokens and of near copies.
struct AuditOrderTests {
    /// Shards of 100,000 ids: 300 each in documents, the ids of one of several ranges.
    private func write(_ folder: TemporaryFolder, _ name: String, kinds: [Int], random: inout TestRandom) throws {
        for (index, kind) in kinds.enumerated() {
            var ids: [Int] = []
            while ids.count < 100_000 {
                ids += (0..<300).map { _ in kind * 1000 + Int.random(in: 0..<1000, using: &random) } + [50256]
            }
            try folder.write("\(name)/train_\(String(format: "%06d", index + 1)).bin", tokenBytes(Array(ids.prefix(100_000))))
        }
    }

    @Test func alternatingShardsAreReportedAndOthersAreNot() throws {
        let folder = try TemporaryFolder()
        var random = TestRandom(3)
        try write(folder, "alternating", kinds: (0..<18).map { $0 % 3 }, random: &random)
        try write(folder, "alike", kinds: (0..<18).map { _ in 1 }, random: &random)
        try write(folder, "sorted", kinds: (0..<18).map { $0 / 6 }, random: &random)
        func audit(_ name: String) throws -> DatasetAudit { try DatasetAudit.run(path: folder(name)) }
        let found = try audit("alternating")
        // A shard is five stretches of 20,000 tokens; three shards are the period.
        #expect(found.orderPeriod == 300_000)
        #expect(found.warnings.contains { $0.code == "periodic-order" && $0.advice.contains("data_order") })
        for name in ["alike", "sorted"] {
            let audit = try audit(name)
            #expect(audit.orderPeriod == nil && !audit.warnings.contains { $0.code == "periodic-order" }, "\(name)")
        }
    }

    @Test func nearCopiesAreCounted() throws {
        let folder = try TemporaryFolder()
        var random = TestRandom(8), documents: [[Int]] = []
        for _ in 0..<400 { documents.append((0..<500).map { _ in Int.random(in: 0..<50_000, using: &random) }) }
        // 100 copies with five of 500 ids changed (similarity about 0.9), 100 that share only half.
        for k in 0..<100 {
            var copy = documents[k]
            for _ in 0..<5 { copy[Int.random(in: 0..<500, using: &random)] = 7 }
            documents.append(copy)
            documents.append(
                Array(documents[100 + k].prefix(250)) + (0..<250).map { _ in Int.random(in: 0..<50_000, using: &random) })
        }
        try folder.write("train.bin", tokenBytes(documents.flatMap { $0 + [50256] }))
        #expect(try DatasetAudit.run(path: folder("train.bin")).nearDuplicateShare == nil)
        let audit = try DatasetAudit.run(path: folder("train.bin"), nearDuplicates: true)
        #expect(audit.nearDuplicatesSampled == 600)
        let found = Int(((audit.nearDuplicateShare ?? 0) * 600).rounded())
        #expect((90...105).contains(found), "\(found)")
        #expect(audit.warnings.contains { $0.code == "near-duplicates" } && audit.text.contains("near-duplicates: "))
    }
}
