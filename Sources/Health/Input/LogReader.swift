// SPDX-License-Identifier: MIT
import RunLog

/// Reads a trainer's text output: nanoGPT's, llm.c's stdout and llm.c's main.log, with whatever else lies between the lines.
///
/// One pass; each line is told by its first bytes. Torn and foreign lines are passed over.
struct LogReader {
    var segments: [LogSegment] = []
    var current = LogSegment()
    /// Lines of each form, to tell which program wrote the log.
    var nanoLines = 0, llmcLines = 0, mainLogLines = 0, moddedLines = 0
    private var inTraceback = false
    /// Lines since the last step that may print a configuration file.
    private var configNames: [String: ConfigValue] = [:]

    static func read(_ bytes: UnsafeBufferPointer<UInt8>) -> LogReader {
        var reader = LogReader()
        var cursor = LineCursor(bytes)
        while cursor.nextLine() { reader.line(&cursor) }
        reader.close()
        return reader
    }

    private mutating func line(_ cursor: inout LineCursor) {
        switch cursor.first {
        case UInt8(ascii: "i"):
            if cursor.take("iter "), nanoIter(&cursor) { return }
        case UInt8(ascii: "s"):
            if cursor.take("step ") {
                if step(&cursor) { return }
            } else if cursor.take("step:"), moddedLine(&cursor) {
                return
            } else if cursor.take("s:"), mainLog(&cursor) {
                return
            }
        case UInt8(ascii: "v"):
            if cursor.take("val loss "), llmcEval(&cursor) { return }
        case UInt8(ascii: "|"):
            llmcTable(&cursor)
            return
        default: break
        }
        cursor.position = cursor.start
        if !other(&cursor) { prefixed(&cursor) }
    }

    /// A step line behind a time stamp or a rank, such as "[rank0]: iter 10: loss ...".
    private mutating func prefixed(_ cursor: inout LineCursor) {
        cursor.position = cursor.start
        if cursor.skip(past: "iter ", within: 60), nanoIter(&cursor) { return }
        cursor.position = cursor.start
        if cursor.skip(past: "step ", within: 60) { _ = step(&cursor) }
    }

    private mutating func step(_ cursor: inout LineCursor) -> Bool {
        guard let number = cursor.integer() else { return false }
        switch cursor.first {
        case UInt8(ascii: ":"): return nanoEval(&cursor, step: number)
        case UInt8(ascii: "/"): return llmcStep(&cursor, step: number)
        default: return false
        }
    }

    /// A line of the head, an incident, or nothing that matters.
    private mutating func other(_ cursor: inout LineCursor) -> Bool {
        guard let first = cursor.first else { return true }
        switch first {
        case UInt8(ascii: "O"), UInt8(ascii: "t"), UInt8(ascii: "n"), UInt8(ascii: "I"), UInt8(ascii: "R"), UInt8(ascii: "f"),
            UInt8(ascii: "d"), UInt8(ascii: "T"), UInt8(ascii: "K"):
            if head(&cursor) { return true }
        default: break
        }
        if inTraceback || first == UInt8(ascii: "t") || first == UInt8(ascii: "R"), error(&cursor) { return true }
        return assignment(&cursor) || commandLine(&cursor)
    }

    private mutating func head(_ cursor: inout LineCursor) -> Bool {
        if cursor.take("Overriding: ") {
            begin(cursor)
            return assignment(&cursor)
        }
        if cursor.take("Overriding config with ") {
            begin(cursor)
            configNames = [:]
            current.printsConfiguration = true
            return true
        }
        if cursor.take("tokens per iteration will be:") {
            begin(cursor)
            current.tokensPerStep = cursor.real(commas: true)
            return true
        }
        if cursor.take("number of parameters:") {
            begin(cursor)
            let count = cursor.real(commas: true)
            current.parameters = count.map { $0 * (cursor.take("M") ? 1e6 : cursor.take("B") ? 1e9 : cursor.take("K") ? 1e3 : 1) }
            return true
        }
        if cursor.take("Initializing a new model from scratch") {
            begin(cursor)
            current.config["init_from"] = .text("scratch")
            return true
        }
        if cursor.take("Initializing from OpenAI GPT-2 weights:") {
            begin(cursor)
            cursor.skipSpaces()
            current.config["init_from"] = .text(cursor.rest(40))
            return true
        }
        if cursor.take("Resuming training from") {
            begin(cursor)
            current.saysResumed = true
            return true
        }
        if cursor.take("found vocab_size = ") || cursor.take("defaulting to vocab_size of GPT-2 to ") {
            begin(cursor)
            if let size = cursor.integer() { current.config["vocab_size"] = .integer(size) }
            return true
        }
        if cursor.take("Traceback (most recent call last)") {
            inTraceback = true
            return true
        }
        if cursor.take("KeyboardInterrupt") {
            inTraceback = false
            current.incidents.append(RunIncident(.interrupted, step: current.lastStep, detail: "line \(cursor.number)"))
            return true
        }
        return false
    }

    /// The line that ends a traceback names the error.
    private mutating func error(_ cursor: inout LineCursor) -> Bool {
        cursor.position = cursor.start
        guard let first = cursor.first, first != 32, first != 9, cursor.skip(past: "Error", within: 120) else { return false }
        cursor.position = cursor.start
        let text = cursor.rest(200)
        inTraceback = false
        let memory = text.contains("OutOfMemory") || text.contains("out of memory")
        current.incidents.append(RunIncident(memory ? .outOfMemory : .traceback, step: current.lastStep, detail: text))
        return true
    }

    /// `n_embd = 384 # comment`, as nanoGPT prints its configuration file.
    private mutating func assignment(_ cursor: inout LineCursor) -> Bool {
        // Most foreign lines end here, before any text is made.
        guard cursor.hasAssignment() else { return false }
        let line = cursor.rest(400)
        guard let (key, expression) = NanoGPTConfigReader.split(line[...]), LogKeys.known.contains(key) else { return false }
        var value = try? NanoGPTConfigReader.evaluate(expression, names: configNames)
        // "Overriding: dataset = fineweb" prints texts without their quotes.
        if value == nil, let word = expression.split(whereSeparator: { $0 == " " || $0 == "\r" }).first {
            value = .text(String(word))
        }
        guard let value else { return false }
        begin(cursor)
        configNames[key] = value
        current.config[key] = value
        return true
    }

    /// The shell line that started the run, when it was logged: `python train.py config/x.py --n_embd=384`.
    private mutating func commandLine(_ cursor: inout LineCursor) -> Bool {
        cursor.position = cursor.start
        guard cursor.skip(past: "train.py", within: 200) else { return false }
        for word in cursor.rest().split(separator: " ") where word.hasPrefix("--") {
            let parts = word.dropFirst(2).split(separator: "=", maxSplits: 1)
            guard parts.count == 2, LogKeys.known.contains(String(parts[0])) else { continue }
            begin(cursor)
            current.config[String(parts[0])] = ConfigValue(typed: String(parts[1]))
        }
        return true
    }

    /// A head line after steps starts a new segment.
    mutating func begin(_ cursor: LineCursor) {
        guard !current.isEmpty else { return }
        close()
        current.firstLine = cursor.number
    }

    mutating func close() {
        if !current.isEmpty || !current.config.isEmpty || !current.incidents.isEmpty { segments.append(current) }
        current = LogSegment()
        inTraceback = false
        configNames = [:]
    }

    /// Starts a new segment when steps fall back without a head between them.
    mutating func expect(step: Int, _ cursor: LineCursor) {
        if let last = current.steps.last?.step, step < last {
            var next = LogSegment()
            // No new head: the configuration still stands.
            next.config = current.config
            next.printsConfiguration = current.printsConfiguration
            next.parameters = current.parameters
            next.tokensPerStep = current.tokensPerStep
            next.deviceName = current.deviceName
            next.devicePeakTflops = current.devicePeakTflops
            next.trainPath = current.trainPath
            // The evaluation of the same step was printed before it.
            if let eval = current.evals.last, eval.step <= step, eval.step + 1 >= step, current.evals.count > 1 {
                current.evals.removeLast()
                next.evals = [eval]
            }
            segments.append(current)
            current = next
            current.firstLine = cursor.number
        }
    }
}

/// The configuration keys that logs print.
enum LogKeys {
    static let known: Set<String> = Set(RunConfig.fieldsByKey.keys).union([
        "total_batch_size", "compile", "backend", "always_save_checkpoint",
    ])
}
