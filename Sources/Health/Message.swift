// SPDX-License-Identifier: MIT

/// A sentence before it has a language: the key of a template and the typed values that go into it.
///
/// Checks and forecasts speak only in messages, so that a report reads in English or German without any rule knowing it.
public struct Message: Sendable, Equatable {
    /// Key of the template in a `Catalogue`.
    public var key: String
    /// Values by the names that the template uses.
    public var arguments: [String: MessageArgument]

    /// A key that no catalogue has is written as itself with its values.
    public init(_ key: String, _ arguments: [String: MessageArgument] = [:]) {
        self.key = key
        self.arguments = arguments
    }

    /// A text that is the same in every language, such as the name of a file or an error that came from elsewhere.
    public static func verbatim(_ text: String) -> Message { Message("verbatim", ["text": .text(text)]) }
}

/// A value inside a message, with what a catalogue must know to write it.
public indirect enum MessageArgument: Sendable, Equatable {
    /// NaN and infinity are written as such, an unknown count (NaN in `short`) as a dash.
    case number(Double, NumberStyle)
    /// A name, path or other text that is not translated.
    case text(String)
    /// A command or configuration line to type; renderers set it apart.
    case command(String)
    /// A part that has its own template.
    case message(Message)
    /// Parts joined the way the language joins a list.
    case list([Message])

    /// A number in the style `integer`: whole, grouped from 10,000 on.
    public static func integer(_ value: Int) -> MessageArgument { .number(Double(value), .integer) }
}

/// How a number is written; the catalogue decides about decimal and grouping marks.
public enum NumberStyle: Sendable, Equatable {
    /// Digits after the decimal mark.
    case fixed(Int)
    /// The same with a plus or minus sign.
    case signed(Int)
    /// Significant digits, no exponent.
    case significant(Int)
    /// A whole number in groups of three.
    case integer
    /// 40.6M, 3.15B, 120k.
    case short
    /// A share of one, written as a percentage with this many digits after the mark.
    case percent(Int)
    /// A learning rate: 5e-4.
    case rate
    /// Hours: one digit below 100, none above; minutes below one hour.
    case hours
    /// A number of bytes with the unit that fits it: B, KiB, MiB, GiB, TiB.
    case bytes
}

/// The templates of one language and its marks for numbers.
///
/// Template syntax: `{name}` is the argument `name`; `{name#one|many}` is `one` when the number `name` is 1 and `many` otherwise,
/// where `%` stands for the number.
public struct Catalogue: Sendable {
    /// ISO 639-1 code: "en", "de".
    public let language: String
    /// "." in English, "," in German.
    public let decimalMark: String
    /// Between groups of three digits from 10,000 on; empty for none.
    public let groupMark: String
    /// Before the last part of a list, with its spaces: " and ".
    public let listLast: String
    /// Suffixes of thousands, millions and billions (10^9), with a space where the language has one.
    public let shortUnits: [String]
    /// Units of time after a number.
    public let hourUnit: String
    /// Below one hour, with the space before it.
    public let minuteUnit: String
    /// By keys such as "check.<id>" and "scenario.<id>".
    public let templates: [String: String]

    /// Units are English unless given; `shortUnits` must have three.
    public init(
        language: String, decimalMark: String, groupMark: String, listLast: String, shortUnits: [String] = ["k", "M", "B"],
        hourUnit: String = " h", minuteUnit: String = " min", templates: [String: String]
    ) {
        self.language = language
        self.decimalMark = decimalMark
        self.groupMark = groupMark
        self.listLast = listLast
        self.shortUnits = shortUnits
        self.hourUnit = hourUnit
        self.minuteUnit = minuteUnit
        self.templates = templates
    }

    /// A piece of a finished sentence.
    public struct Segment: Sendable, Equatable {
        /// Never empty in what `segments` returns.
        public var text: String
        /// Whether it is something to type.
        public var isCommand: Bool
    }

    /// The sentence as plain text.
    public func text(_ message: Message) -> String { segments(message).map(\.text).joined() }

    /// Whether there is a template for a key.
    public func has(_ key: String) -> Bool { templates[key] != nil }

    /// The sentence in pieces, so that a renderer can set commands apart.
    ///
    /// A key without a template is written as itself with its values: ugly, but nothing is lost.
    public func segments(_ message: Message) -> [Segment] {
        if message.key == "verbatim", case .text(let text)? = message.arguments["text"] {
            return [Segment(text: text, isCommand: false)]
        }
        guard let template = templates[message.key] else {
            let values = message.arguments.sorted { $0.key < $1.key }.map { "\($0.key)=" + joined(segments(of: $0.value)) }
            return [Segment(text: ([message.key] + values).joined(separator: " "), isCommand: false)]
        }
        var result: [Segment] = []
        var plain = ""
        var rest = template[...]
        while let open = rest.firstIndex(of: "{") {
            plain += rest[..<open]
            guard let close = rest[open...].firstIndex(of: "}") else { break }
            let placeholder = rest[rest.index(after: open)..<close]
            rest = rest[rest.index(after: close)...]
            for segment in expand(placeholder, message.arguments) {
                if segment.isCommand {
                    result.append(Segment(text: plain, isCommand: false))
                    result.append(segment)
                    plain = ""
                } else {
                    plain += segment.text
                }
            }
        }
        plain += rest
        result.append(Segment(text: plain, isCommand: false))
        return result.filter { !$0.text.isEmpty }
    }

    private func expand(_ placeholder: Substring, _ arguments: [String: MessageArgument]) -> [Segment] {
        let parts = placeholder.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
        guard let argument = arguments[String(parts[0])] else { return [Segment(text: "{\(placeholder)}", isCommand: false)] }
        if parts.count == 2 {
            let forms = parts[1].split(separator: "|", maxSplits: 1, omittingEmptySubsequences: false)
            guard case .number(let value, let style) = argument, let one = forms.first, let many = forms.last else { return [] }
            let form = String(value == 1 ? one : many)
            return [
                Segment(
                    text: form.split(separator: "%", omittingEmptySubsequences: false).joined(separator: number(value, style)),
                    isCommand: false)
            ]
        }
        return segments(of: argument)
    }

    private func segments(of argument: MessageArgument) -> [Segment] {
        switch argument {
        case .number(let value, let style): return [Segment(text: number(value, style), isCommand: false)]
        case .text(let text): return [Segment(text: text, isCommand: false)]
        case .command(let text): return [Segment(text: text, isCommand: true)]
        case .message(let message): return segments(message)
        case .list(let messages):
            var result: [Segment] = []
            for (index, message) in messages.enumerated() {
                if index > 0 { result.append(Segment(text: index == messages.count - 1 ? listLast : ", ", isCommand: false)) }
                result += segments(message)
            }
            return result
        }
    }

    private func joined(_ segments: [Segment]) -> String { segments.map(\.text).joined() }
}
