// SPDX-License-Identifier: MIT
import Foundation

/// Evaluates Python's arithmetic on literals: precedence and results as Python's, integers refused when they overflow 64 bits.
struct ExpressionParser {
    private let text: [UInt8]
    private let names: [String: ConfigValue]
    private var position = 0
    private var depth = 0
    /// The names that the expression reads.
    private(set) var usedNames: Set<String> = []

    init(text: [UInt8], names: [String: ConfigValue]) {
        self.text = text
        self.names = names
    }

    typealias Failure = NanoGPTConfigReader.ExpressionError

    mutating func parse() throws -> ConfigValue {
        let value = try sum()
        skipSpaces()
        if position < text.count, text[position] != UInt8(ascii: "#") {
            throw Failure(
                reason: "cannot read '\(rest())' after a value; only literals and + - * / // % ** are read, nothing is executed")
        }
        return value
    }

    private mutating func sum() throws -> ConfigValue {
        var value = try product()
        while true {
            if take("+") {
                value = try combine(value, try product(), "+")
            } else if take("-") {
                value = try combine(value, try product(), "-")
            } else {
                return value
            }
        }
    }

    private mutating func product() throws -> ConfigValue {
        var value = try signed()
        while true {
            skipSpaces()
            // `**` binds tighter and was taken by `power`, so a star here is a product.
            if take("//") {
                value = try combine(value, try signed(), "//")
            } else if take("*") {
                value = try combine(value, try signed(), "*")
            } else if take("/") {
                value = try combine(value, try signed(), "/")
            } else if take("%") {
                value = try combine(value, try signed(), "%")
            } else {
                return value
            }
        }
    }

    private mutating func signed() throws -> ConfigValue {
        try deeper()
        defer { depth -= 1 }
        if take("-") { return try combine(.integer(0), try signed(), "-") }
        if take("+") { return try signed() }
        return try power()
    }

    private mutating func power() throws -> ConfigValue {
        let base = try atom()
        // Right-associative, and `2 ** -1` is allowed: the exponent may carry a sign.
        if take("**") { return try combine(base, try signed(), "**") }
        return base
    }

    private mutating func atom() throws -> ConfigValue {
        skipSpaces()
        guard position < text.count else { throw Failure(reason: "a value is missing") }
        let byte = text[position]
        if byte == UInt8(ascii: "(") {
            try deeper()
            defer { depth -= 1 }
            position += 1
            let value = try sum()
            guard take(")") else { throw Failure(reason: "a closing parenthesis is missing") }
            return value
        }
        if byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\"") { return try quoted(byte) }
        if isDigit(byte) || byte == UInt8(ascii: ".") { return try number() }
        return try name()
    }

    /// Text between quotes; the usual escapes are understood, others stay as they are.
    private mutating func quoted(_ quote: UInt8) throws -> ConfigValue {
        position += 1
        var bytes: [UInt8] = []
        while position < text.count {
            let byte = text[position]
            position += 1
            if byte == quote { return .text(String(decoding: bytes, as: UTF8.self)) }
            if byte == UInt8(ascii: "\\"), position < text.count {
                let escapes: [UInt8: UInt8] = [
                    UInt8(ascii: "n"): 10, UInt8(ascii: "t"): 9, UInt8(ascii: "\\"): 92, UInt8(ascii: "'"): 39,
                    UInt8(ascii: "\""): 34,
                ]
                if let plain = escapes[text[position]] {
                    bytes.append(plain)
                    position += 1
                    continue
                }
            }
            bytes.append(byte)
        }
        throw Failure(reason: "text is not closed by its quote")
    }

    private mutating func number() throws -> ConfigValue {
        let start = position
        var isReal = false
        while position < text.count {
            let byte = text[position]
            if isDigit(byte) || byte == UInt8(ascii: "_") {
                position += 1
            } else if byte == UInt8(ascii: ".") {
                isReal = true
                position += 1
            } else if byte == UInt8(ascii: "e") || byte == UInt8(ascii: "E") {
                isReal = true
                position += 1
                if position < text.count, text[position] == UInt8(ascii: "-") || text[position] == UInt8(ascii: "+") {
                    position += 1
                }
            } else {
                break
            }
        }
        let literal = String(decoding: text[start..<position].filter { $0 != UInt8(ascii: "_") }, as: UTF8.self)
        if !isReal, let value = Int(literal) { return .integer(value) }
        guard let value = Double(literal), value.isFinite else { throw Failure(reason: "'\(literal)' is not a number") }
        return .number(value)
    }

    private mutating func name() throws -> ConfigValue {
        let start = position
        while position < text.count, isDigit(text[position]) || isLetter(text[position]) { position += 1 }
        let word = String(decoding: text[start..<position], as: UTF8.self)
        switch word {
        case "": throw Failure(reason: "cannot read '\(rest())'; only literals and + - * / // % ** are read, nothing is executed")
        case "True": return .boolean(true)
        case "False": return .boolean(false)
        case "None": return .text("None")
        default: break
        }
        skipSpaces()
        if position < text.count, text[position] == UInt8(ascii: "(") || text[position] == UInt8(ascii: ".") {
            throw Failure(reason: "'\(word)' would have to be executed; write its value instead")
        }
        guard let value = names[word] else { throw Failure(reason: "'\(word)' is not assigned before this line") }
        usedNames.insert(word)
        return value
    }

    private func combine(_ a: ConfigValue, _ b: ConfigValue, _ operation: String) throws -> ConfigValue {
        if case .text(let x) = a, case .text(let y) = b, operation == "+" { return .text(x + y) }
        if let x = integer(a), let y = integer(b), operation != "/" { return try integers(x, y, operation) }
        guard let x = real(a), let y = real(b) else { throw Failure(reason: "'\(operation)' needs two numbers") }
        if y == 0, ["/", "//", "%"].contains(operation) { throw Failure(reason: "division by zero") }
        let value: Double
        switch operation {
        case "+": value = x + y
        case "-": value = x - y
        case "*": value = x * y
        case "/": value = x / y
        case "//": value = (x / y).rounded(.down)
        case "%": value = x - y * (x / y).rounded(.down)
        default: value = pow(x, y)
        }
        guard value.isFinite else { throw Failure(reason: "the result is not a finite number") }
        return .number(value)
    }

    private func integers(_ x: Int, _ y: Int, _ operation: String) throws -> ConfigValue {
        let result: (partialValue: Int, overflow: Bool)
        switch operation {
        case "+": result = x.addingReportingOverflow(y)
        case "-": result = x.subtractingReportingOverflow(y)
        case "*": result = x.multipliedReportingOverflow(by: y)
        case "**":
            if y < 0 { return .number(pow(Double(x), Double(y))) }
            var total = 1
            // |x| >= 2 overflows within 64 rounds; 0, 1 and -1 would spin for nothing.
            for _ in 0..<min(y, x.magnitude < 2 ? 2 - y % 2 : 64) {
                let next = total.multipliedReportingOverflow(by: x)
                if next.overflow { throw Failure(reason: "the result does not fit in 64 bits") }
                total = next.partialValue
            }
            if y > 64, x.magnitude >= 2 { throw Failure(reason: "the result does not fit in 64 bits") }
            return .integer(total)
        default:
            if y == 0 { throw Failure(reason: "division by zero") }
            // Python rounds down, Swift towards zero.
            let quotient = x.dividedReportingOverflow(by: y)
            if quotient.overflow { throw Failure(reason: "the result does not fit in 64 bits") }
            let remainder = x % y
            let adjust = remainder != 0 && (remainder < 0) != (y < 0)
            return .integer(operation == "//" ? quotient.partialValue - (adjust ? 1 : 0) : remainder + (adjust ? y : 0))
        }
        if result.overflow { throw Failure(reason: "the result does not fit in 64 bits") }
        return .integer(result.partialValue)
    }

    private func integer(_ value: ConfigValue) -> Int? {
        switch value {
        case .integer(let number): number
        case .boolean(let flag): flag ? 1 : 0
        default: nil
        }
    }

    private func real(_ value: ConfigValue) -> Double? {
        if case .number(let number) = value { return number }
        return integer(value).map(Double.init)
    }

    // Parentheses and signs nest on the call stack, so their depth has a limit.
    private mutating func deeper() throws {
        depth += 1
        if depth > 200 { throw Failure(reason: "the expression is nested too deeply") }
    }

    private mutating func take(_ token: String) -> Bool {
        skipSpaces()
        let bytes = Array(token.utf8)
        guard position + bytes.count <= text.count, text[position..<position + bytes.count].elementsEqual(bytes) else {
            return false
        }
        // A single star must not eat half of a power.
        if token == "*", position + 1 < text.count, text[position + 1] == UInt8(ascii: "*") { return false }
        position += bytes.count
        return true
    }

    private mutating func skipSpaces() {
        while position < text.count, text[position] == 32 || text[position] == 9 || text[position] == 13 { position += 1 }
    }

    private func rest() -> String { String(decoding: text[position...].prefix(40), as: UTF8.self) }
    private func isDigit(_ byte: UInt8) -> Bool { byte >= 48 && byte <= 57 }
    private func isLetter(_ byte: UInt8) -> Bool { byte == 95 || (byte >= 65 && byte <= 90) || (byte >= 97 && byte <= 122) }
}
