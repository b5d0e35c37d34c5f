// SPDX-License-Identifier: MIT
import RunLog
import Testing

@Suite struct ConfigReaderTests {
    private func value(_ expression: String) throws -> ConfigValue {
        try #require(NanoGPTConfigReader.read("x = \(expression)", name: "a.py").first).value
    }

    private func error(_ text: String) -> String {
        do {
            _ = try NanoGPTConfigReader.read(text, name: "a.py")
            return "read"
        } catch { return "\(error)" }
    }

    @Test func aConfigurationFile() throws {
        let text = """
            # train a miniature
            '''a docstring
            n_layer = 99
            '''
            import time
            out_dir = 'out-char' # where
            eval_interval = 250

            wandb_run_name = 'gpt2-' + str(time.time())
            batch_size = 64
            block_size = 256
            tokens = batch_size * block_size
            gradient_accumulation_steps = 5 * 8
            learning_rate = 1e-3
            min_lr = learning_rate / 10
            compile = False
            """
        let read = try NanoGPTConfigReader.read(text, name: "a.py")
        // The same file from Windows.
        #expect(
            try NanoGPTConfigReader.read(
                text.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\r\n"), name: "a.py") == read)
        #expect(
            read.map(\.key) == [
                "out_dir", "eval_interval", "wandb_run_name", "batch_size", "block_size", "tokens", "gradient_accumulation_steps",
                "learning_rate", "min_lr", "compile",
            ])
        // What wandb_ keys call is not looked at; what later lines compute with needs no meaning of its own.
        #expect(read[2] == .init(key: "wandb_run_name", value: .text(""), line: 9))
        #expect(read.filter(\.isUsed).map(\.key) == ["batch_size", "block_size", "learning_rate"])
        #expect(read.first == .init(key: "out_dir", value: .text("out-char"), line: 6))
        #expect(read[5].value == .integer(16384))
        #expect(read[8].value == .number(1e-4))
        #expect(read[9] == .init(key: "compile", value: .boolean(false), line: 16))
    }

    /// Python's own results.
    @Test(arguments: [
        ("2 ** 3 ** 2", ConfigValue.integer(512)), ("-2 ** 2", .integer(-4)), ("2 ** -1", .number(0.5)), ("7 // 2", .integer(3)),
        ("-7 // 2", .integer(-4)), ("-7 % 3", .integer(2)), ("7 / 2", .number(3.5)), ("(1 + 2) * 3", .integer(9)),
        ("600_000", .integer(600_000)),
        ("1e-1", .number(0.1)), (".5", .number(0.5)), ("5.", .number(5)), ("True", .boolean(true)), ("None", .text("None")),
        ("'a' + \"b\"", .text("ab")), ("'it\\'s'", .text("it's")), ("'# no comment'", .text("# no comment")),
        ("3 # comment", .integer(3)),
        ("--3", .integer(3)), ("1 - -1", .integer(2)), ("0 ** 100", .integer(0)), ("(-1) ** 101", .integer(-1)),
        ("1 ** 64", .integer(1)),
        ("2 * 3 ** 2", .integer(18)), ("8 * 1024 * 64", .integer(524_288)),
    ]) func arithmetic(expression: String, expected: ConfigValue) throws {
        #expect(try value(expression) == expected)
    }

    @Test func errorsNameFileAndLine() {
        #expect(error("a = 1\nb = foo") == "a.py:2: b: 'foo' is not assigned before this line")
        #expect(error("a = open('x')").hasPrefix("a.py:1: a: 'open' would have to be executed"))
        #expect(error("if True:").hasPrefix("a.py:1: 'if True:' is not an assignment"))
        #expect(error("  a = 1").hasPrefix("a.py:1: indented code is not read"))
        #expect(error("a = 1 / 0") == "a.py:1: a: division by zero")
        #expect(error("a = 1 // 0") == "a.py:1: a: division by zero")
        #expect(error("a = 9223372036854775807 + 1") == "a.py:1: a: the result does not fit in 64 bits")
        #expect(error("a = 2 ** 100") == "a.py:1: a: the result does not fit in 64 bits")
        #expect(error("a = 10.0 ** 400") == "a.py:1: a: the result is not a finite number")
        #expect(error("a = 'b") == "a.py:1: a: text is not closed by its quote")
        #expect(error("a = (1") == "a.py:1: a: a closing parenthesis is missing")
        #expect(error("a =") == "a.py:1: a: a value is missing")
        #expect(error("a = [1, 2]").hasPrefix("a.py:1: a: cannot read '[1, 2]'"))
        #expect(error("a = 'x' * 3") == "a.py:1: a: '*' needs two numbers")
        #expect(error("a == 1").hasPrefix("a.py:1: 'a == 1' is not an assignment"))
        #expect(error("'''open").contains("is not closed"))
        #expect(error("a = " + String(repeating: "(", count: 5000)).contains("nested too deeply"))
        #expect(error("a = " + String(repeating: "-", count: 5000) + "1").contains("nested too deeply"))
    }
}
