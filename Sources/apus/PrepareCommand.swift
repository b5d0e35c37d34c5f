// SPDX-License-Identifier: MIT
import ArgumentParser
import Corpus
import Foundation
import RunLog

/// `apus prepare`: sources -> a token dataset; or an audit of one that exists.
struct PrepareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prepare", abstract: "Turn text into a token dataset, or audit one that exists.",
        usage: """
            apus prepare SOURCE... --out DIR [--tokenizer gpt2|char|bpe:N|FILE]
            apus prepare --merge DIR... --out DIR
            apus prepare --audit PATH
            """,
        discussion: """
            A source is a .txt, .md, .jsonl (each also as .gz or .zst) or .parquet file, a folder of them, a quoted pattern \
            such as 'data/*.jsonl', or the built-in `stories` (`stories:N` for N of them). An https:// address of such a file, \
            or hf://datasets/OWNER/NAME[@REVISION]/PATH with a file, folder or pattern, is downloaded first (curl does it; \
            HF_TOKEN and HF_ENDPOINT are honoured).
            A text file is one document unless --separator cuts it. Every document ends with <|endoftext|>. \
            One single text file is split into train and val by position instead, without end-of-text; and so is each of a few \
            documents when by chance none of them would be for val.

            DIR gets train.bin, val.bin (little-endian ids), dataset.json, tokenizer.json and data-card.md. It must not exist; \
            it appears whole when all is done. The output does not depend on --workers. A run that was interrupted or killed \
            is gone on with by the same command; until then its work is in DIR.tmp.

            For a job array, run `apus prepare SOURCE... --part i/N --out PART` on each machine, then --merge all N parts: \
            the result is what one run would have made.
            """)

    @Argument(help: ArgumentHelp("Files, folders, patterns, or `stories`.", valueName: "source"))
    var sources: [String] = []
    @Option(help: "The folder to write.")
    var out: String?
    @Option(help: "gpt2, char, bpe:N (N ids, trained on the sources), or a tokenizer file.")
    var tokenizer = "gpt2"
    @Option(help: "A folder with GPT-2's vocab.bpe and encoder.json.")
    var vocab: String?
    @Option(
        help: """
            Share of the documents for validation, 0 to below 1 (default: 0.0005, more for small sources so that about \
            100k tokens are for validation, at most 0.1; 0.1 of a single document).
            """)
    var valFraction: Double?
    @Option(help: "Seed of the built-in stories. It shuffles nothing: that is the loader's work.")
    var seed: UInt64 = 0
    @Option(help: "Threads that encode (default: one a core).")
    var workers: Int?
    @Option(help: "JSONL field or Parquet column with the text.")
    var textField = "text"
    @Option(help: "Cut text files into documents here; \\n, \\t and \\\\ are understood.")
    var separator: String?
    @Option(help: ArgumentHelp("Write shards of this many tokens, train_000001.bin and so on.", valueName: "n"))
    var shardTokens: Int?
    @Option(help: ArgumentHelp("Prepare only the i-th of N parts of the sources.", valueName: "i/N"))
    var part: String?
    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("Join these parts, all N of them, into one dataset.", valueName: "dir"))
    var merge: [String] = []
    @Option(help: "Keep downloads in this folder and take them from there (default: each is removed when it was used).")
    var cache: String?
    @Option(help: ArgumentHelp("Bytes of text between two places to go on from.", visibility: .hidden))
    var checkpointBytes: Int?
    @Option(help: "Audit this dataset folder or token file (nanoGPT's and llm.c's too) instead of making one.")
    var audit: String?
    @Flag(help: "With --audit: also look for documents that nearly repeat another one (MinHash).")
    var nearDuplicates = false
    @Option(
        help: ArgumentHelp("Tokens that the planned run will see: the audit then says how many epochs that is.", valueName: "n"))
    var planTokens: Double?
    @Flag(help: "Print the result as JSON.")
    var json = false
    @Flag(help: "Print no progress and no notes.")
    var quiet = false

    /// 3e9 is a number of tokens to whoever types it.
    private var plannedTokens: Int? {
        get throws {
            guard let planTokens else { return nil }
            guard planTokens >= 1, planTokens < 1e15, planTokens == planTokens.rounded() else {
                throw UsageError("--plan-tokens must be a whole number from 1 to 1e15, for example 3e9")
            }
            return Int(planTokens)
        }
    }

    func run() throws {
        guard let audit else { return merge.isEmpty ? try runPrepare() : try runMerge() }
        guard sources.isEmpty, out == nil, merge.isEmpty else {
            throw UsageError("--audit takes no sources and no --out; it only reads '\(audit)'")
        }
        let result = try DatasetAudit.run(path: audit, nearDuplicates: nearDuplicates, planTokens: plannedTokens)
        if json { Console.print(try result.json()) } else { Console.print(result.text) }
        if !result.errors.isEmpty { throw ExitCode(1) }
    }

    private func runPrepare() throws {
        guard let out else { throw UsageError("--out is missing; name the folder to write, for example --out data/mine") }
        var options = PrepareOptions(sources: sources, out: out, tokenizer: try TokenizerChoice(tokenizer, vocab: vocab))
        options.valFraction = valFraction
        options.seed = seed
        if let workers { options.workers = workers }
        options.textField = textField
        options.separator = separator.map(Self.unescaped)
        options.shardTokens = shardTokens
        options.part = try part.map { try PreparePart($0) }
        options.cache = cache
        options.planTokens = try plannedTokens
        if let checkpointBytes { options.checkpointBytes = checkpointBytes }
        options.version = apusVersion
        options.download = Downloads.fetch
        StopSignal.listen()
        let display = PrepareDisplay(isQuiet: quiet)
        options.network = Network(note: Self.networkNote(isQuiet: quiet))
        var preparer = Preparer(options: options)
        preparer.progress = display.show
        preparer.note = display.note
        preparer.isCancelled = { StopSignal.isSet }
        defer { display.clear() }
        try show(try preparer.run(), out, display)
    }

    private func runMerge() throws {
        guard let out else { throw UsageError("--out is missing; name the folder to write, for example --out data/mine") }
        guard sources.isEmpty, part == nil, shardTokens == nil, valFraction == nil else {
            throw UsageError("--merge takes only parts and --out; all else was decided when the parts were prepared")
        }
        StopSignal.listen()
        let display = PrepareDisplay(isQuiet: quiet)
        var merger = DatasetMerger(folders: merge, out: out)
        merger.progress = { share in
            display.show(PrepareProgress(phase: "merging", fraction: share, documents: 0, tokens: 0, bytes: 0))
        }
        merger.isCancelled = { StopSignal.isSet }
        merger.planTokens = try plannedTokens
        defer { display.clear() }
        try show(try merger.run(), out, display)
    }

    private func show(_ manifest: DatasetManifest, _ out: String, _ display: PrepareDisplay) throws {
        display.clear()
        if json { return Console.print(String(decoding: try manifest.encoded(), as: UTF8.self)) }
        Console.print(DatasetSummary.text(manifest, folder: out))
    }

    /// What downloads have to say, from any thread.
    static func networkNote(isQuiet: Bool) -> @Sendable (String) -> Void {
        { sentence in if !isQuiet { Console.note(sentence) } }
    }

    /// A separator as it is meant: `\n`, `\t` and `\\` stand for one character each.
    static func unescaped(_ text: String) -> String {
        var result = "", isEscaped = false
        for character in text {
            if isEscaped {
                switch character {
                case "n": result.append("\n")
                case "t": result.append("\t")
                case "r": result.append("\r")
                case "\\": result.append("\\")
                default: result += "\\\(character)"
                }
                isEscaped = false
            } else if character == "\\" {
                isEscaped = true
            } else {
                result.append(character)
            }
        }
        return isEscaped ? result + "\\" : result
    }
}

/// Shows on standard error how far a preparation is.
final class PrepareDisplay {
    private let isQuiet: Bool
    private let clock = ContinuousClock()
    private var phase = ""
    private var phaseStart: ContinuousClock.Instant
    private var lastShown: ContinuousClock.Instant

    init(isQuiet: Bool) {
        self.isQuiet = isQuiet
        phaseStart = clock.now
        lastShown = phaseStart
    }

    func note(_ sentence: String) {
        if isQuiet { return }
        clear()
        Console.note(sentence)
    }

    func clear() { if !isQuiet { Console.clearProgress() } }

    /// Replaces the progress line, at most ten times a second.
    func show(_ progress: PrepareProgress) {
        let now = clock.now
        if progress.phase != phase {
            phase = progress.phase
            phaseStart = now
        } else if now - lastShown < .milliseconds(100) {
            return
        }
        lastShown = now
        guard !isQuiet else { return }
        let seconds = Double((now - phaseStart).components.seconds) + Double((now - phaseStart).components.attoseconds) * 1e-18
        var line = "\(progress.phase) \(Int(progress.fraction * 100)) %"
        if progress.documents > 0 { line += ", \(Format.count(Double(progress.documents))) documents" }
        if progress.tokens > 0 { line += ", \(Format.count(Double(progress.tokens))) tokens" }
        if progress.bytes > 0, seconds > 0.5 { line += ", \(Format.decimals(Double(progress.bytes) / seconds / 1e6, 1)) MB/s" }
        // A forecast from less than a hundredth of the work would jump about.
        if progress.fraction > 0.01, seconds > 1 {
            line += ", \(Format.duration(seconds / progress.fraction * (1 - progress.fraction))) left"
        }
        Console.progress(line)
    }
}
