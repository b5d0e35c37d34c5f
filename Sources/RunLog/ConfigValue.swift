// SPDX-License-Identifier: MIT

/// A value of a configuration key as it was written, before its key says what it must be.
public enum ConfigValue: Sendable, Equatable, CustomStringConvertible {
    /// Also stands where a key wants a number, and 0 or 1 where it wants true or false.
    case integer(Int)
    /// Also stands where a key wants a whole number, when it is one: 6e3.
    case number(Double)
    /// Typed as true or false in any case.
    case boolean(Bool)
    /// Anything else, as it was written.
    case text(String)

    /// Reads a value typed on the command line: `12`, `1e-3`, `true`, `False`, anything else is text.
    public init(typed text: String) {
        if let value = Int(text) {
            self = .integer(value)
        } else if let value = Double(text), value.isFinite {
            self = .number(value)
        } else if let value = ["true": true, "false": false][text.lowercased()] {
            self = .boolean(value)
        } else {
            self = .text(text)
        }
    }

    public var description: String {
        switch self {
        case .integer(let value): String(value)
        case .number(let value): String(value)
        case .boolean(let value): String(value)
        case .text(let value): "\"\(value)\""
        }
    }
}

/// Says which configuration key is wrong, what it was given, what is valid, and where that was written.
public struct ConfigError: Error, CustomStringConvertible, Equatable {
    /// As on disk, such as `n_layer`.
    public let key: String
    /// A sentence without a full stop: what was given and what is valid.
    public let reason: String
    /// Where the value came from, such as "config/a.toml" or "--n-layer"; empty when it follows from several keys.
    public let source: String

    public init(key: String, reason: String, source: String = "") {
        self.key = key
        self.reason = reason
        self.source = source
    }

    public var description: String {
        (source.isEmpty ? "" : "\(source): ") + reason
    }
}

/// The name nearest to a mistyped one by edit distance (Levenshtein), when it is near enough to be meant.
public func nearestName(to name: String, among names: some Sequence<String>) -> String? {
    func distance(_ a: [Character], _ b: [Character]) -> Int {
        var row = Array(0...b.count)
        for (i, x) in a.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, y) in b.enumerated() {
                let above = row[j + 1]
                row[j + 1] = min(above + 1, row[j] + 1, diagonal + (x == y ? 0 : 1))
                diagonal = above
            }
        }
        return row[b.count]
    }
    let wanted = Array(name)
    let scored = names.map { (name: $0, distance: distance(wanted, Array($0))) }
    guard let best = scored.min(by: { ($0.distance, $0.name) < ($1.distance, $1.name) }) else { return nil }
    return best.distance <= max(2, name.count / 3) ? best.name : nil
}
