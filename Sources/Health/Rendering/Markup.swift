// SPDX-License-Identifier: MIT
import Foundation

/// Escaping for HTML that is well-formed XML too.
enum Markup {
    /// Text content and attribute values: markup is escaped, control characters become U+FFFD.
    static func escape(_ text: String) -> String {
        var result = ""
        result.reserveCapacity(text.utf8.count + 16)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            case "\n", "\t": result.unicodeScalars.append(scalar)
            default:
                // C0 and C1 controls, and characters that turn the direction of the text around, have no place on a page.
                let value = scalar.value
                let isControl =
                    value < 0x20 || (0x7F...0x9F).contains(value) || (0x202A...0x202E).contains(value)
                    || (0x2066...0x2069).contains(value) || value == 0xFFFE || value == 0xFFFF
                result.unicodeScalars.append(isControl ? "\u{FFFD}" : scalar)
            }
        }
        return result
    }

    /// A source with its arXiv numbers as links, the only addresses on the page.
    static func citation(_ text: String) -> String {
        var result = ""
        var rest = Substring(text)
        while let found = rest.range(of: "arXiv ") {
            let number = rest[found.upperBound...].prefix { $0.isNumber || $0 == "." }
            let id = number.hasSuffix(".") ? number.dropLast() : number
            result += escape(String(rest[..<found.lowerBound]))
            let parts = id.split(separator: ".", omittingEmptySubsequences: false)
            if parts.count == 2, parts[0].count == 4, (4...5).contains(parts[1].count), id.allSatisfy({ $0.isASCII }) {
                result += "<a href=\"https://arxiv.org/abs/\(id)\" rel=\"noreferrer\">arXiv \(id)</a>"
            } else {
                result += "arXiv " + escape(String(id))
            }
            rest = rest[id.endIndex...]
        }
        return result + escape(String(rest))
    }

    /// Something to type: short lines are not broken, long ones not at the hyphens of their options.
    static func command(_ text: String) -> String {
        if text.count <= 24 { return "<span>\(escape(text))</span>" }
        return text.split(separator: " ", omittingEmptySubsequences: false).map { part in
            part.contains("-") ? "<span>\(escape(String(part)))</span>" : escape(String(part))
        }.joined(separator: " ")
    }

    /// A coordinate with at most two digits after the point, in the C locale.
    static func number(_ value: Double) -> String {
        guard value.isFinite else { return "0" }
        let hundredths = (max(-1e7, min(1e7, value)) * 100).rounded()
        let whole = Int(hundredths)
        let sign = whole < 0 ? "-" : ""
        let digits = abs(whole)
        let part = digits % 100
        if part == 0 { return sign + String(digits / 100) }
        let text = part < 10 ? "0\(part)" : String(part)
        return sign + String(digits / 100) + "." + (text.hasSuffix("0") ? String(text.prefix(1)) : text)
    }
}
