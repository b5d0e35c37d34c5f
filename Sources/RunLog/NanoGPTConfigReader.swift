// SPDX-License-Identifier: MIT

/// Reads a nanoGPT configuration file (`.py`): plain assignments of literals and arithmetic on them. Nothing is executed.
///
/// Understood: `name = expression` with numbers, text, True, False, earlier names, parentheses and `+ - * / // % **`; comments,
/// blank lines, text standing alone (a docstring) and `import` lines, which change nothing here. Keys that begin with `wandb_`
/// may hold anything, since they often call functions and mean nothing to training.
public enum NanoGPTConfigReader {
    /// One assignment: its key, value and line, counted from 1.
    public struct Assignment: Sendable, Equatable {
        /// The name left of `=`, whether or not Apus has such a key.
        public let key: String
        /// What the expression comes to.
        public let value: ConfigValue
        /// Counted from 1.
        public let line: Int
        /// Whether a later line computes with it: a name of the file's own then needs no meaning as a key.
        public internal(set) var isUsed = false

        public init(key: String, value: ConfigValue, line: Int) {
            self.key = key
            self.value = value
            self.line = line
        }
    }

    /// - Parameters:
    ///   - text: the file's text.
    ///   - name: the file's name, for errors.
    /// - Returns: the assignments in file order; a key may come twice, the last one holds.
    /// - Throws: `ConfigError` naming file and line for anything that is not a plain assignment.
    public static func read(_ text: String, name: String) throws -> [Assignment] {
        var result: [Assignment] = []
        var names: [String: ConfigValue] = [:]
        var openQuote: String?
        // CR LF is one Character in Swift, so lines end at any newline.
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let trimmed = trim(line)
            // A docstring over several lines: everything up to its closing quotes.
            if let quote = openQuote {
                if trimmed.hasSuffix(quote) || trimmed.contains(quote) { openQuote = nil }
                continue
            }
            if let quote = ["\"\"\"", "'''"].first(where: { trimmed.hasPrefix($0) }) {
                if !trimmed.dropFirst(3).contains(quote) { openQuote = quote }
                continue
            }
            if trimmed.isEmpty || trimmed.hasPrefix("#") || trimmed.hasPrefix("import ") || trimmed.hasPrefix("from ") {
                continue
            }
            let source = "\(name):\(index + 1)"
            guard let first = line.first, first != " ", first != "\t" else {
                throw ConfigError(key: "", reason: "indented code is not read; only lines like `n_layer = 12`", source: source)
            }
            guard let (key, expression) = split(line) else {
                throw ConfigError(
                    key: "",
                    reason:
                        "'\(trimmed.prefix(60))' is not an assignment; only lines like `n_layer = 12` are read",
                    source: source)
            }
            do {
                var parser = ExpressionParser(text: Array(expression.utf8), names: names)
                let value = try parser.parse()
                for used in parser.usedNames {
                    if let place = result.lastIndex(where: { $0.key == used }) { result[place].isUsed = true }
                }
                names[key] = value
                result.append(Assignment(key: key, value: value, line: index + 1))
            } catch let error as ExpressionError {
                if key.hasPrefix("wandb_") {
                    result.append(Assignment(key: key, value: .text(""), line: index + 1))
                    continue
                }
                throw ConfigError(key: key, reason: "\(key): \(error.reason)", source: source)
            }
        }
        if let openQuote {
            throw ConfigError(key: "", reason: "text opened with \(openQuote) is not closed", source: name)
        }
        return result
    }

    /// The key and right-hand side of `key = expression`; nil when a line is nothing of the kind.
    public static func split(_ line: Substring) -> (key: String, expression: Substring)? {
        guard let equals = line.firstIndex(of: "=") else { return nil }
        let key = trim(line[..<equals])
        let expression = line[line.index(after: equals)...]
        guard let first = key.first, first == "_" || first.isLetter && first.isASCII,
            key.allSatisfy({ $0 == "_" || $0.isASCII && ($0.isLetter || $0.isNumber) }), expression.first != "="
        else { return nil }
        return (String(key), expression)
    }

    /// Says why an expression cannot be read.
    public struct ExpressionError: Error, Equatable, Sendable {
        public let reason: String
    }

    /// The value of an expression of literals and arithmetic; a trailing comment is allowed.
    /// - Throws: `ExpressionError`.
    public static func evaluate(_ expression: Substring, names: [String: ConfigValue] = [:]) throws -> ConfigValue {
        var parser = ExpressionParser(text: Array(expression.utf8), names: names)
        return try parser.parse()
    }

    private static func trim(_ text: Substring) -> Substring {
        var text = text
        while let first = text.first, first == " " || first == "\t" { text.removeFirst() }
        while let last = text.last, last == " " || last == "\t" || last == "\r" { text.removeLast() }
        return text
    }
}
