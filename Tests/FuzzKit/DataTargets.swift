// SPDX-License-Identifier: MIT
import CCodecs
import Corpus
import Foundation
import Parquet
import RunLog
import Storage
import Tokenization

/// The parsers of documents, token files and tokenizers.
public enum DataTargets {
    public static let all: [FuzzTarget] = [
        FuzzTarget("parquet", longest: 8192, parquet), FuzzTarget("snappy", snappy), FuzzTarget("lz4", lz4),
        FuzzTarget("decompressor", decompressor), FuzzTarget("jsonl", jsonLines), FuzzTarget("text", plainText),
        FuzzTarget("token-file", tokenFile), FuzzTarget("dataset", dataset), FuzzTarget("dataset-part", datasetPart),
        FuzzTarget("tokenizer-json", longest: 16384, tokenizerJSON), FuzzTarget("gpt2-files", longest: 16384, gpt2Files),
        FuzzTarget("slow-tokenizer", longest: 16384, slowTokenizer), FuzzTarget("tiktoken", longest: 8192, tiktoken),
        FuzzTarget("nanogpt-meta", nanoGPTMeta),
    ]

    /// Footer, pages, codecs: every column that can be read, in every row group.
    private static func parquet(_ input: UnsafeRawBufferPointer, _ folder: FuzzFolder) throws {
        let file = try ParquetFile(path: folder.write("input.parquet", input))
        let buffers = DecodeBuffers()
        var sum = 0
        _ = (file.createdBy, file.keyValueMetadata.count, file.rowCount)
        for column in file.schema.prefix(8) {
            let handle = try file.byteArrayColumn(named: column.path)
            for group in file.rowGroups.indices.prefix(8) {
                try file.forEachValue(column: handle, rowGroup: group, buffers: buffers) { value in
                    // Touches the ends, where a range that is too long would show.
                    sum &+= Int(value?.first ?? 0) &+ Int(value?.last ?? 0)
                }
            }
        }
    }

    /// The first two bytes are the size that the page header would have claimed.
    private static func block(
        _ input: UnsafeRawBufferPointer, _ decode: (UnsafeRawBufferPointer, UnsafeMutableRawPointer, Int) -> Int32
    ) {
        guard input.count >= 2 else { return }
        let claimed = Int(input[0]) | Int(input[1]) << 8
        // Exactly as large as claimed, so that the address sanitizer sees one byte too many.
        let output = UnsafeMutableRawPointer.allocate(byteCount: claimed, alignment: 1)
        defer { output.deallocate() }
        _ = decode(UnsafeRawBufferPointer(rebasing: input[2...]), output, claimed)
    }

    private static func snappy(_ input: UnsafeRawBufferPointer, _ folder: FuzzFolder) {
        block(input) { apus_snappy_decode($0.baseAddress, $0.count, $1, $2) }
    }

    private static func lz4(_ input: UnsafeRawBufferPointer, _ folder: FuzzFolder) {
        block(input) { apus_lz4_decode($0.baseAddress, $0.count, $1, $2) }
    }

    /// gzip and zstd streams in small pieces.
    private static func decompressor(_ input: UnsafeRawBufferPointer, _ folder: FuzzFolder) throws {
        let (kind, stream) = head(input)
        do {
            let decompressor = try Decompressor(kind: kind & 1 == 0 ? .gzip : .zstd, bufferSize: 4096)
            let size = max(1, Int(kind >> 1))
            var position = 0, written = 0
            while position < stream.count {
                let end = min(position + size, stream.count)
                try decompressor.decompress(UnsafeRawBufferPointer(rebasing: stream[position..<end])) {
                    written += $0.count
                    // What a bomb unpacks to is bounded by who reads it; here it only takes time.
                    if written > 1 << 20 { throw ExplainedError("the input unpacks to more than a megabyte") }
                }
                position = end
            }
            try decompressor.finish()
        } catch let error as DecompressionError {
            guard error.offset >= 0, error.offset <= stream.count else { throw error }
            throw ExplainedError("input: \(error)")
        }
    }

    private static func jsonLines(_ input: UnsafeRawBufferPointer, _ folder: FuzzFolder) throws {
        var options = ReadingOptions()
        options.pieceSize = 64
        options.largestDocument = 2048
        try documents(folder.write("input.jsonl", input), options)
    }

    private static func plainText(_ input: UnsafeRawBufferPointer, _ folder: FuzzFolder) throws {
        let (kind, body) = head(input)
        var options = ReadingOptions()
        options.pieceSize = 1 + Int(kind >> 3)
        options.largestDocument = 2048
        if kind & 1 == 1 { options.separator = kind & 2 == 2 ? Array("<|endoftext|>".utf8) : [0x0A, 0x0A] }
        try documents(folder.write("input.txt", body), options)
    }

    private static func documents(_ path: String, _ options: ReadingOptions) throws {
        var characters = 0
        try DocumentReading.forEachDocument(of: path, options: options) { document in
            // What readers promise: well-formed UTF-8.
            guard UTF8Text.firstIllFormed(document) == nil else { throw CocoaError(.fileReadCorruptFile) }
            characters += UTF8Text.codePoints(document) + UTF8Text.nonTextBytes(document)
        }
    }

    private static func tokenFile(_ input: UnsafeRawBufferPointer, _ folder: FuzzFolder) throws {
        let (kind, body) = head(input)
        let path = try folder.write("input.bin", body)
        let file = try TokenFile(path: path, type: kind & 1 == 0 ? .uint16 : .uint32)
        let split = TokenSplit(name: "train", files: [file])
        if kind & 30 == 0 { _ = try DatasetAudit.run(path: path, nearDuplicates: kind & 32 == 0).json() }
        try split.validate(vocabularySize: 50257)
        for order in [BatchOrder.Kind.shuffle, .sequential, .random] {
            let samples = try TokenSamples(split: split, kind: order, seed: 1, blockSize: 8)
            var tokens = [Int32](repeating: 0, count: 8), targets = tokens
            for index in [0, 1, 1 << 40] { samples.fill(sample: index, tokens: &tokens, targets: &targets) }
        }
    }

    /// dataset.json beside two small token files.
    private static func dataset(_ input: UnsafeRawBufferPointer, _ folder: FuzzFolder) throws {
        try folder.write("train.bin", [UInt8](repeating: 1, count: 200))
        try folder.write("val.bin", [UInt8](repeating: 2, count: 40))
        try folder.write("dataset.json", input)
        let dataset = try TokenDataset.open(folder: folder.path)
        _ = dataset.runData
        let audit = try DatasetAudit.run(path: folder.path)
        _ = try (audit.json(), audit.text)
        _ = try dataset.manifest?.encoded()
    }

    /// A part of a divided preparation: part.json and its dataset.json.
    private static func datasetPart(_ input: UnsafeRawBufferPointer, _ folder: FuzzFolder) throws {
        let parts = pieces(input, 2)
        try Folder.create(folder("part"))
        try folder.write("part/part.json", parts[0])
        try folder.write("part/dataset.json", parts[1])
        try folder.write("part/train.bin", [UInt8](repeating: 1, count: 200))
        try folder.write("part/val.bin", [UInt8](repeating: 2, count: 40))
        try folder.write("part/identities.bin", [UInt8](repeating: 3, count: 32))
        try folder.write("part/tokenizer.json", "{}\n")
        defer {
            for name in ["merged", "merged.tmp"] { try? FileManager.default.removeItem(atPath: folder(name)) }
        }
        do { _ = try DatasetMerger(folders: [folder("part")], out: folder("merged")).run() } catch let error as CorpusError {
            // Parts that are well formed and hold nothing: the error names their sources, as the input gave them.
            guard error.description.hasSuffix("there is no text in it") else { throw error }
            throw ExplainedError("input: \(error)")
        }
    }

    // ---- Tokenizers --------------------------------------------------------------------------------------------------

    private static func tokenizerJSON(_ input: UnsafeRawBufferPointer, _ folder: FuzzFolder) throws {
        try exercise(TokenizerLoader(environment: [:]).load(spec: folder.write("tokenizer.json", input)))
    }

    private static func gpt2Files(_ input: UnsafeRawBufferPointer, _ folder: FuzzFolder) throws {
        let files = pieces(input, 2)
        let path = try folder.write("vocab.bpe", files[0])
        if files[1].isEmpty { unlink(folder("encoder.json")) } else { try folder.write("encoder.json", files[1]) }
        try exercise(TokenizerLoader(environment: [:]).load(spec: path))
    }

    /// The files that transformers saves of a tokenizer written in Python; the last two may be missing.
    private static func slowTokenizer(_ input: UnsafeRawBufferPointer, _ folder: FuzzFolder) throws {
        let files = pieces(input, 4)
        try folder.write("merges.txt", files[0])
        try folder.write("vocab.json", files[1])
        for (name, bytes) in zip(["tokenizer_config.json", "added_tokens.json"], files[2...]) {
            if bytes.isEmpty { unlink(folder(name)) } else { try folder.write(name, bytes) }
        }
        try exercise(TokenizerLoader(environment: [:]).load(spec: folder("merges.txt")))
    }

    private static func tiktoken(_ input: UnsafeRawBufferPointer, _ folder: FuzzFolder) throws {
        let (kind, body) = head(input)
        let path = try folder.write("input.tiktoken", body)
        let split = SplitPattern.allCases[Int(kind) % SplitPattern.allCases.count]
        try exercise(TokenizerLoader(environment: [:]).load(spec: path, split: split))
    }

    /// meta.pkl beside a dataset: a pickle of a character vocabulary.
    private static func nanoGPTMeta(_ input: UnsafeRawBufferPointer, _ folder: FuzzFolder) throws {
        let meta = try NanoGPTMeta.read(folder.write("meta.pkl", input))
        if let tokenizer = meta.tokenizer { try exercise(tokenizer) }
    }

    private static let sample = Array("Hello, world's  12345\r\n\t élan 日本語 \u{1F600} <|endoftext|> aaaaaaaaaaaaaaaaaaaa".utf8)

    /// Whatever tables a file made: texts go in and out through them.
    static func exercise(_ tokenizer: any Tokenizer) throws {
        let encoder = tokenizer.makeEncoder()
        var ids: [UInt32] = []
        do { try sample.withUnsafeBytes { try encoder.encode($0, into: &ids) } } catch let error as TokenizerError {
            // A text may have characters that a character-level vocabulary lacks; that error names them, and no file.
            guard error.kind == .unknownCharacter else { throw error }
            return
        }
        _ = tokenizer.decode(ids)
        for id in [0, 1, 255, 256, UInt32(clamping: tokenizer.vocabularySize), .max] { _ = tokenizer.bytes(of: id) }
        _ = try tokenizer.tokenizerJSON()
    }
}
