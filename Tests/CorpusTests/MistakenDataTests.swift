// SPDX-License-Identifier: MIT
import Corpus
import Foundation
import RunLog
import Testing

/// Data that is not what it is taken for, and what an audit says of a validation split.
struct MistakenDataTests {
    @Test func anAuditSaysOfTheSplitWhatPrepareSaid() throws {
        let folder = try TemporaryFolder()
        for (out, sources, fraction) in [
            ("large", ["stories:3000"], 0.02), ("small", ["stories:300"], 0.05), ("none", ["stories:60"], 0),
        ] as [(String, [String], Double)] {
            var own = PrepareOptions(sources: sources, out: folder(out), tokenizer: .ready(ByteTokenizer()))
            own.workers = 2
            own.valFraction = fraction
            let said = try Preparer(options: own).run().audit.warnings ?? []
            func validation(_ warnings: [AuditWarning]) -> [AuditWarning] { warnings.filter { $0.code.contains("validation") } }
            #expect(try validation(DatasetAudit.run(path: folder(out)).warnings) == validation(said), "\(out)")
        }
        #expect(try DatasetAudit.run(path: folder("none")).warnings.map(\.code).contains("no-validation"))
        // Another program's folder: by the same estimate, and no estimate of nothing.
        try folder.write("theirs/train.bin", tokenBytes((0..<5000).map { $0 % 700 }))
        let audit = try DatasetAudit.run(path: folder("theirs"))
        #expect(audit.warnings.contains { $0.code == "no-validation" && $0.message.contains("no val.bin") })
        #expect(!audit.text.contains("0.1 nats"))
        try folder.write("theirs/val.bin", tokenBytes((0..<500).map { $0 % 600 }))
        #expect(try DatasetAudit.run(path: folder("theirs")).warnings.map(\.code).contains("validation-small"))
    }

    @Test func whatIsNoTokenFileIsNamed() throws {
        let folder = try TemporaryFolder()
        let text = Array(String(repeating: "Some text, and no ids: äöü.\n", count: 20).utf8)
        for (name, bytes, kind) in [
            ("a.txt", text, "text"), ("b.txt.gz", gzip(text), "gzip"), ("c.txt.zst", zstd(text), "Zstandard"),
            ("d.parquet", Array("PAR1".utf8) + [0, 1, 2, 3], "Parquet"), ("train.bin", text, "text"),
        ] {
            let path = try folder.write(name, bytes)
            #expect(message { try DatasetAudit.run(path: path) }.contains("it looks like \(kind), not like token ids"), "\(name)")
        }
        // Ids of one character each, and ids of a few bytes, are ids.
        try folder.write("ids.bin", tokenBytes((0..<5000).map { $0 % 65 }))
        #expect(try DatasetAudit.run(path: folder("ids.bin")).tokens == 5000)
    }

    @Test func aVocabularyIsNotLearnedFromNothing() throws {
        let folder = try TemporaryFolder()
        try folder.write("empty.jsonl", "")
        try folder.write("other.jsonl", "{\"body\":\"x\"}\n{\"body\":\"y\"}\n")
        func refusal(_ name: String) -> String {
            message {
                try Preparer(options: PrepareOptions(sources: [folder(name)], out: folder("t.json"), tokenizer: .bpe(300)))
                    .makeTokenizer()
            }
        }
        #expect(refusal("empty.jsonl").contains("there is no text in it"))
        #expect(refusal("other.jsonl").contains("none of its 2 rows has text in the field 'text'. The first line has: body."))
    }
}
