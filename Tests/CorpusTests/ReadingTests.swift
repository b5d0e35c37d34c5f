// SPDX-License-Identifier: MIT
import Corpus
import Foundation
import Testing
import Tokenization

/// What the sources hold, seen through whole preparations with a tokenizer of single bytes.
struct ReadingTests {
    /// The documents of both splits, in the order of the files, as text.
    static func documents(
        _ sources: [String], in folder: TemporaryFolder, _ change: (inout PrepareOptions) -> Void = { _ in }
    ) throws -> [String] {
        let name = "out-" + UUID().uuidString
        var options = PrepareOptions(sources: sources, out: folder(name), tokenizer: .ready(ByteTokenizer()))
        options.valFraction = 0
        options.workers = 2
        change(&options)
        _ = try Preparer(options: options).run()
        let ids = try folder.ids(name + "/train.bin")
        return ids.split(separator: 256).map { String(decoding: $0.map { UInt8($0) }, as: UTF8.self) }
    }

    @Test func everyFileOfAFolderIsADocumentInTheOrderOfItsPath() throws {
        let folder = try TemporaryFolder()
        try folder.write("in/b.txt", "second")
        try folder.write("in/a/z.md", "first")
        try folder.write("in/a.txt", "before the folder's, as '.' sorts before '/'")
        try folder.write("in/.hidden.txt", "never")
        try folder.write("in/picture.png", "never")
        try folder.write("in/c.txt.gz", gzip(Array("third".utf8)))
        try folder.write("in/d.txt.zst", zstd(Array("fourth".utf8)))
        let expected = ["before the folder's, as '.' sorts before '/'", "first", "second", "third", "fourth"]
        #expect(try Self.documents([folder("in")], in: folder) == expected)
        #expect(
            try Self.documents([folder("in/?.txt*")], in: folder) == [
                "before the folder's, as '.' sorts before '/'", "second", "third", "fourth",
            ])
        #expect(try Self.documents([folder("in/b.txt"), folder("in/a/z.md")], in: folder) == ["second", "first"])
    }

    @Test(arguments: [1, 2, 3, 7, 64, 1 << 20]) func piecesAndBatchesOfAnySizeGiveTheSameDocuments(size: Int) throws {
        let folder = try TemporaryFolder()
        let lines = ["{\"text\":\"ünïcödé and \\ud83d\\ude00\"}", "", "{\"id\":1,\"text\":\"b\"}\r", "{\"text\":\"last\"}"]
        let json = Array(lines.joined(separator: "\n").utf8)
        try folder.write("a.jsonl", json)
        try folder.write("b.jsonl.gz", gzip(json))
        try folder.write("c.txt", "one<|sep|>two<|se<|sep|><|sep|>three\n<|sep|>")
        try folder.write("d.md", "whole — document")
        let text = try Self.documents(["a.jsonl", "b.jsonl.gz", "c.txt", "d.md"].map { folder($0) }, in: folder) {
            $0.reading.pieceSize = size
            $0.reading.batchSize = size
            $0.separator = "<|sep|>"
        }
        let objects = ["ünïcödé and 😀", "b", "last"]
        #expect(text == objects + objects + ["one", "two<|se", "three\n", "whole — document"])
    }

    @Test func aByteOrderMarkBeforeJSONIsPassedOver() throws {
        let folder = try TemporaryFolder()
        try folder.write("a.jsonl", "\u{FEFF}{\"text\":\"x\"}\n")
        #expect(try Self.documents([folder("a.jsonl")], in: folder) == ["x"])
    }

    @Test func unescapingAgreesWithFoundation() throws {
        let folder = try TemporaryFolder()
        var random = TestRandom(3)
        let pieces = [
            "a", "\\n", "\\\"", "\\\\", "\\/", "\\b\\f\\t\\r", "\\u0041", "\\u00e9", "\\u20AC", "\\ud834\\udd1e", "ß", "日", "{",
            "]", ",", ":",
        ]
        var lines: [String] = [], expected: [String] = []
        for k in 0..<400 {
            let value = (0..<Int.random(in: 1...9, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }
                .joined()
            let noise = ["\"x\":[1,{\"text\":\"no\"},[]],", "\"y\":{\"a\":{},\"b\":-1.5e-3},", "\"z\":[true,false,null],", ""][
                k % 4]
            let line = "{ \(noise) \"te\\u0078t\" : \"\(value)\" , \"w\":\"\\\\\" }"
            let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            lines.append(line)
            expected.append(object?["text"] as? String ?? "?")
        }
        try folder.write("a.jsonl", lines.joined(separator: "\n"))
        #expect(try Self.documents([folder("a.jsonl")], in: folder) == expected)
    }

    @Test func loneSurrogatesBecomeReplacements() throws {
        let folder = try TemporaryFolder()
        let lines = [
            #"{"text":"a\ud83db"}"#, #"{"text":"\ude00"}"#, #"{"text":"\ud83d\u0041"}"#, #"{"text":"\ud83d\ud83d\ude00"}"#,
        ]
        try folder.write("a.jsonl", lines.joined(separator: "\n"))
        #expect(try Self.documents([folder("a.jsonl")], in: folder) == ["a\u{FFFD}b", "\u{FFFD}", "\u{FFFD}A", "\u{FFFD}😀"])
    }

    @Test func theLastOfRepeatedKeysCounts() throws {
        let folder = try TemporaryFolder()
        try folder.write(
            "a.jsonl", "{\"text\":\"no\",\"text\":\"yes\"}\n{\"text\":\"no\",\"text\":null}\n{\"text\":null,\"text\":\"too\"}")
        #expect(try Self.documents([folder("a.jsonl")], in: folder) == ["yes", "too"])
    }

    @Test(arguments: [
        ("[1]", "a line must be one JSON object"), ("{\"text\":\"x\"", "the line ends too early"),
        ("{\"text\":\"x", "a string has no end"),
        ("{\"text\":\"x\"} {}", "more follows the object"), ("{\"text\":\"\\x\"}", "a backslash must be followed"),
        ("{\"text\":\"\\u12g4\"}", "four hexadecimal digits"), ("{\"text\":12}", "the field 'text' is not a string"),
        ("{\"a\":[1,2}", "',' or a closing bracket is wanted"), ("{\"a\":tru}", "a value is wanted"),
        ("{\"a\" 1}", "':' is wanted"),
        ("{a:1}", "a key in quotes is wanted"), ("{\"a\":1,}", "a key in quotes is wanted"),
        ("{\"a\":\"\u{1}\"}", "control character"),
        ("{\"text\":\"\u{1}\"}", "control character"), ("{\"a\":{\"b\":}}", "a value is wanted"),
        ("{\"a\":[1,]}", "a value is wanted"),
        ("{\"a\":" + String(repeating: "[", count: 2000), "nested too deeply"), ("{\"a\":\"\\", "a string has no end"),
    ]) func aMalformedLineIsNamed(line: String, reason: String) throws {
        let folder = try TemporaryFolder()
        let file = try folder.write("a.jsonl", "{\"text\":\"fine\"}\n\n" + line + "\n")
        let text = message { try Self.documents([file], in: folder) }
        #expect(text.hasPrefix("cannot use '\(file)': line 3, column "))
        #expect(text.contains(reason))
        #expect(folder.names().allSatisfy { $0 == "a.jsonl" })
    }

    @Test func aCutOffGzipFileIsAnError() throws {
        let folder = try TemporaryFolder()
        let whole = gzip((0..<9999).map { UInt8($0 * 7 % 90 + 33) })
        let file = try folder.write("a.txt.gz", Array(whole.dropLast(9)))
        let text = message { try Self.documents([file], in: folder) }
        #expect(text.contains(file) && text.contains("cut off"), "\(text)")
        let garbage = try folder.write("b.txt.zst", "this is no zstd file")
        #expect(message { try Self.documents([garbage], in: folder) }.contains("cannot decompress the zstd stream"))
    }

    @Test func tooLongDocumentsAreRefusedByName() throws {
        let folder = try TemporaryFolder()
        let file = try folder.write("a.txt", String(repeating: "x", count: 3000))
        let other = try folder.write("b.txt", "y")
        let text = message {
            try Self.documents([file, other], in: folder) {
                $0.reading.largestDocument = 2000; $0.reading.pieceSize = 100
            }
        }
        #expect(text.contains(file) && text.contains("--separator"))
        let lines = try folder.write("c.jsonl", "{\"text\":\"short\"}\n{\"text\":\"\(String(repeating: "x", count: 3000))\"}")
        let second = message {
            try Self.documents([lines], in: folder) {
                $0.reading.largestDocument = 2000; $0.reading.pieceSize = 100
            }
        }
        #expect(second.contains("line 2 is longer than"))
    }

    @Test func sourcesThatCannotBeReadAreExplained() throws {
        let folder = try TemporaryFolder()
        func refusal(_ sources: [String]) -> String { message { try Self.documents(sources, in: folder) } }
        #expect(refusal([]).contains("no source was given"))
        #expect(refusal([folder("none.txt")]) == "there is no file or folder '\(folder("none.txt"))'; check the path")
        #expect(refusal([folder("*.txt")]) == "no file matches '\(folder("*.txt"))'; check the pattern")
        let table = try folder.write("t.csv", "a,b")
        #expect(refusal([table]).contains("is of no known kind; known are .txt, .md, .jsonl"))
        try folder.write("empty/readme.rst", "x")
        #expect(refusal([folder("empty")]).contains("holds nothing that can be read"))
        #expect(refusal(["stories:0"]).contains("stories:N takes a number of stories"))
        #expect(refusal(["stories:x"]).contains("stories:N takes a number of stories"))
        #expect(refusal(["https://example.org/a.txt"]).contains("is an address, but nothing may be downloaded here"))
        #expect(refusal(["hf://datasets/one/two/x.parquet"]).contains("is an address, but nothing may be downloaded here"))
        #expect(refusal([try folder.write("empty.txt", "")]).contains("there is no text in it"))
        #expect(refusal([try folder.write("p.parquet", "PAR1 is not enough")]).contains("p.parquet"))
    }

    @Test func aFieldThatNoLineHasIsExplainedWithThoseItHas() throws {
        let folder = try TemporaryFolder()
        let file = try folder.write("a.jsonl", "{\"content\":\"x\",\"id\":3}\n{\"content\":\"y\"}")
        let text = message { try Self.documents([file], in: folder) }
        #expect(text.contains("none of its 2 rows has text in the field 'text'. The first line has: content, id."))
        #expect(try Self.documents([file], in: folder) { $0.textField = "content" } == ["x", "y"])
    }
}
