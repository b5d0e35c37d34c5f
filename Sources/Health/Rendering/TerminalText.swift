// SPDX-License-Identifier: MIT

/// Colours of the terminal report; plain when the caller wants no colour (NO_COLOR, a pipe).
struct TerminalStyle: Sendable {
    let colour: Bool

    enum Ink: String { case bold = "1", dim = "2", red = "31", green = "32", yellow = "33", cyan = "36" }

    func paint(_ text: String, _ inks: Ink...) -> String {
        colour && !text.isEmpty ? "\u{1B}[\(inks.map(\.rawValue).joined(separator: ";"))m\(text)\u{1B}[0m" : text
    }

    func ink(_ status: CheckStatus) -> Ink {
        switch status {
        case .pass: .green
        case .warn: .yellow
        case .fail: .red
        case .info: .cyan
        case .cannotTell: .dim
        }
    }
}

/// Text in columns: widths count characters, not bytes or colour codes.
enum TerminalText {
    /// Words of a sentence with their style, ready to wrap; a command keeps its spaces.
    struct Word { var text: String, isCommand: Bool, spaceBefore: Bool }

    static func words(_ segments: [Catalogue.Segment]) -> [Word] {
        var words: [Word] = []
        var pendingSpace = false
        for segment in segments {
            if segment.isCommand {
                words.append(Word(text: segment.text, isCommand: true, spaceBefore: pendingSpace))
                pendingSpace = false
                continue
            }
            var word = ""
            for character in segment.text {
                // A no-break space stays inside its word.
                if character == " " {
                    if !word.isEmpty { words.append(Word(text: word, isCommand: false, spaceBefore: pendingSpace)) }
                    if !word.isEmpty { pendingSpace = false }
                    word = ""
                    pendingSpace = true
                } else {
                    word.append(character)
                }
            }
            if !word.isEmpty {
                words.append(Word(text: word, isCommand: false, spaceBefore: pendingSpace))
                pendingSpace = false
            }
        }
        return words
    }

    /// Wraps to lines of at most `width` characters; a word longer than that stands alone and longer.
    static func wrap(_ segments: [Catalogue.Segment], width: Int, style: TerminalStyle) -> [String] {
        var lines: [String] = []
        var line = "", length = 0
        // Pieces without a space between them ("word" and the full stop behind a command) break together.
        var groups: [[Word]] = []
        for word in words(segments) {
            if word.spaceBefore || groups.isEmpty { groups.append([word]) } else { groups[groups.count - 1].append(word) }
        }
        for group in groups {
            let size = group.reduce(0) { $0 + $1.text.count }
            let text = group.map { $0.isCommand ? style.paint($0.text, .bold) : $0.text }.joined()
            if length > 0, length + 1 + size > width {
                lines.append(line)
                (line, length) = ("", 0)
            }
            line += (length > 0 ? " " : "") + text
            length += size + (length > 0 ? 1 : 0)
        }
        if length > 0 { lines.append(line) }
        return lines
    }

    static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }
    static func padded(left text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }

    /// Cut to a width with an ellipsis.
    static func clipped(_ text: String, _ width: Int) -> String {
        text.count <= width ? text : String(text.prefix(max(0, width - 1))) + "…"
    }
}
