// SPDX-License-Identifier: MIT
import ArgumentParser
import Corpus
import Foundation
import Storage
import Tokenization

/// `apus tokenizer`: train, encode, decode, inspect.
struct TokenizerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tokenizer", abstract: "Train, use and look at tokenizers.",
        subcommands: [Train.self, Encode.self, Decode.self, Inspect.self])

    /// Which tokenizer a subcommand uses.
    struct Choice: ParsableArguments {
        @Option(help: "gpt2, or a tokenizer.json, *.tiktoken, vocab.bpe or vocab.json (with merges.txt), or their folder.")
        var tokenizer = "gpt2"
        @Option(help: "A folder with GPT-2's vocab.bpe and encoder.json.")
        var vocab: String?

        func load() throws -> any Tokenizer {
            try TokenizerLoader(download: Downloads.fetch).load(spec: tokenizer, vocabularyFolder: vocab)
        }
    }
}

extension TokenizerCommand {
    struct Train: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Learn a byte-level BPE vocabulary from text.",
            discussion: "Sources are those of `apus prepare`. The result does not depend on --workers.")

        @Argument(help: ArgumentHelp("Files, folders, patterns, or `stories`.", valueName: "source"))
        var sources: [String]
        @Option(help: "Ids of the vocabulary: 256 bytes, the merges, and <|endoftext|>.")
        var vocabSize: Int
        @Option(help: "The tokenizer.json to write; it must not exist.")
        var out: String
        @Option(help: "Threads that count words (default: one a core).")
        var workers: Int?
        @Option(help: "JSONL field or Parquet column with the text.")
        var textField = "text"
        @Option(help: "Seed of the built-in stories.")
        var seed: UInt64 = 0
        @Flag(help: "Print facts about the result as JSON.")
        var json = false
        @Flag(help: "Print no progress and no notes.")
        var quiet = false

        func run() throws {
            if FileManager.default.fileExists(atPath: out) {
                throw UsageError("'\(out)' exists already and is left as it is; choose another --out, or move it away")
            }
            var options = PrepareOptions(sources: sources, out: out, tokenizer: try TokenizerChoice("bpe:\(vocabSize)"))
            if let workers { options.workers = workers }
            options.textField = textField
            options.seed = seed
            options.network = Network(note: PrepareCommand.networkNote(isQuiet: quiet))
            StopSignal.listen()
            let display = PrepareDisplay(isQuiet: quiet)
            var preparer = Preparer(options: options)
            preparer.progress = display.show
            preparer.note = display.note
            preparer.isCancelled = { StopSignal.isSet }
            defer { display.clear() }
            let (tokenizer, training) = try preparer.makeTokenizer()
            try AtomicFileWriter.write(tokenizer.tokenizerJSON(), to: out)
            display.clear()
            if let training { display.note(training) }
            try Inspect.show(tokenizer, asJSON: json)
        }
    }

    struct Encode: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Text on standard input -> ids on standard output, with spaces between.",
            discussion: "With --jsonl: one {\"text\":...} a line in, one {\"ids\":[...]} a line out, in order, as they come.")

        @OptionGroup var choice: Choice
        @Flag(help: "Lines of JSON in and out.")
        var jsonl = false

        func run() throws {
            let encoder = try choice.load().makeEncoder()
            var output = OutputBuffer(), ids: [UInt32] = []
            if !jsonl {
                let text = try StandardInput.all()
                try text.withUnsafeBytes { try encoder.encode($0, into: &ids) }
                output.append(ids, separator: UInt8(ascii: " "))
                output.append("\n")
                return try output.flush()
            }
            var line = 0
            var text: [UInt8] = []
            try StandardInput.forEachLine { bytes in
                line += 1
                if bytes.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) { return }
                text.removeAll(keepingCapacity: true)
                try JSONText.field("text", of: bytes, line: line, into: &text)
                ids.removeAll(keepingCapacity: true)
                try text.withUnsafeBytes { try encoder.encode($0, into: &ids) }
                output.append("{\"ids\":[")
                output.append(ids, separator: UInt8(ascii: ","))
                output.append("]}\n")
            } atPause: {
                try output.flush()
            }
        }
    }

    struct Decode: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Ids on standard input -> text on standard output.",
            discussion: "With --jsonl: one {\"ids\":[...]} a line in, one {\"text\":...} a line out, in order, as they come.")

        @OptionGroup var choice: Choice
        @Flag(help: "Lines of JSON in and out.")
        var jsonl = false

        func run() throws {
            let tokenizer = try choice.load()
            var output = OutputBuffer(), line = 0
            var decoder = StreamingDecoder(tokenizer)
            try StandardInput.forEachLine { bytes in
                line += 1
                if jsonl {
                    if bytes.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) { return }
                    let text = tokenizer.decode(try Self.idsOfJSON(bytes, line: line, below: tokenizer.vocabularySize))
                    output.append(try JSONText.object("text", text))
                    output.append("\n")
                } else {
                    for word in bytes.split(whereSeparator: { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) {
                        let text = String(decoding: word, as: UTF8.self)
                        output.append(decoder.decode(try Self.checked(text, line: line, below: tokenizer.vocabularySize)))
                    }
                }
            } atPause: {
                try output.flush()
            }
            output.append(decoder.finish())
            try output.flush()
        }

        /// An id from its digits.
        static func checked(_ text: String, line: Int, below size: Int) throws -> UInt32 {
            guard let id = UInt32(text), Int(id) < size else {
                throw CorpusError(
                    .data,
                    "standard input, line \(line): '\(text.prefix(40))' is no id; ids of this tokenizer are 0 to \(size - 1)")
            }
            return id
        }

        private static func idsOfJSON(_ bytes: UnsafeRawBufferPointer, line: Int, below size: Int) throws -> [UInt32] {
            let object = try? JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any]
            guard let numbers = object?["ids"] as? [NSNumber] else {
                throw CorpusError(
                    .data, "standard input, line \(line): one object such as {\"ids\":[1,2]} is wanted on each line")
            }
            return try numbers.map { try checked($0.stringValue, line: line, below: size) }
        }
    }

    struct Inspect: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Say what a tokenizer is.")

        @Argument(help: "gpt2, or a tokenizer file or folder.")
        var tokenizer: String
        @Option(help: "A folder with GPT-2's vocab.bpe and encoder.json.")
        var vocab: String?
        @Flag(help: "Print JSON.")
        var json = false

        func run() throws {
            try Self.show(TokenizerLoader(download: Downloads.fetch).load(spec: tokenizer, vocabularyFolder: vocab), asJSON: json)
        }

        struct Facts: Codable {
            var name: String
            var vocab_size: Int
            var end_of_text: Int?
            var merges: Int?
            var split_pattern: String?
            /// Bytes of the longest id.
            var longest: Int
            /// Of tokenizer.json.
            var sha256: String
        }

        static func show(_ tokenizer: any Tokenizer, asJSON: Bool) throws {
            let bpe = tokenizer as? BPETokenizer
            let longest = (0..<UInt32(clamping: tokenizer.vocabularySize)).map { tokenizer.bytes(of: $0).count }.max() ?? 0
            let facts = Facts(
                name: tokenizer.name, vocab_size: tokenizer.vocabularySize, end_of_text: tokenizer.endOfText.map(Int.init),
                merges: bpe?.mergeCount, split_pattern: bpe?.splitPattern.rawValue, longest: longest,
                sha256: SHA256.hex(of: try tokenizer.tokenizerJSON()))
            if asJSON {
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
                return Console.print(String(decoding: try encoder.encode(facts), as: UTF8.self))
            }
            Console.print(
                "\(facts.name): \(facts.vocab_size) ids, " + (facts.end_of_text.map { "end-of-text \($0)" } ?? "no end-of-text"))
            if let merges = facts.merges, let pattern = facts.split_pattern {
                Console.print("merges \(merges), split pattern \(pattern)")
            }
            Console.print("longest id \(facts.longest) bytes; tokenizer.json SHA-256 \(facts.sha256)")
        }
    }
}

/// Standard input as bytes.
enum StandardInput {
    /// All of it.
    static func all() throws -> [UInt8] {
        var all: [UInt8] = []
        try forEachPiece { all.append(contentsOf: $0) }
        return all
    }

    /// Calls a function with each line, without its end; and another whenever no line is waiting.
    static func forEachLine(_ body: (UnsafeRawBufferPointer) throws -> Void, atPause: () throws -> Void) throws {
        var pending: [UInt8] = []
        try forEachPiece { piece in
            let searched = pending.count
            pending.append(contentsOf: piece)
            var start = 0
            try pending.withUnsafeBytes { bytes in
                var from = searched
                while let base = bytes.baseAddress, from < bytes.count, let hit = memchr(base + from, 0x0A, bytes.count - from) {
                    let end = UnsafeRawPointer(hit) - base
                    try body(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
                    start = end + 1
                    from = start
                }
            }
            pending.removeSubrange(..<start)
            try atPause()
        }
        if !pending.isEmpty { try pending.withUnsafeBytes { try body($0) } }
        try atPause()
    }

    private static func forEachPiece(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
        defer { piece.deallocate() }
        while true {
            let count = read(STDIN_FILENO, piece.baseAddress, piece.count)
            if count < 0 && errno == EINTR { continue }
            if count < 0 { throw FileError(path: "standard input", operation: "read", errno: errno) }
            if count == 0 { return }
            try body(UnsafeRawBufferPointer(rebasing: piece[..<count]))
        }
    }
}

/// Collects output, so that many short pieces cost one system call.
struct OutputBuffer {
    private var bytes: [UInt8] = []

    mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

    /// Appends ids as decimal digits.
    mutating func append(_ ids: [UInt32], separator: UInt8) {
        var digits = [UInt8](repeating: 0, count: 10)
        for (index, id) in ids.enumerated() {
            if index > 0 { bytes.append(separator) }
            var rest = id, count = 0
            repeat {
                digits[count] = UInt8(ascii: "0") + UInt8(rest % 10)
                rest /= 10
                count += 1
            } while rest > 0
            while count > 0 {
                count -= 1
                bytes.append(digits[count])
            }
        }
    }

    /// Writes what was collected to standard output.
    mutating func flush() throws {
        try bytes.withUnsafeBytes { all in
            var done = 0
            while done < all.count, let base = all.baseAddress {
                let count = write(STDOUT_FILENO, base + done, all.count - done)
                if count < 0 && errno == EINTR { continue }
                // A reader that has seen enough (`| head`) is no failure.
                if count < 0 && errno == EPIPE { throw ExitCode(0) }
                if count <= 0 { throw FileError(path: "standard output", operation: "write", errno: errno) }
                done += count
            }
        }
        bytes.removeAll(keepingCapacity: true)
    }
}
