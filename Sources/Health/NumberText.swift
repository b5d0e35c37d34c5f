// SPDX-License-Identifier: MIT
import Foundation

extension Catalogue {
    /// Writes a number in a style with this language's marks; a count that is unknown (NaN) is a dash.
    public func number(_ value: Double, _ style: NumberStyle) -> String {
        if value.isNaN, style == .short { return "–" }
        guard value.isFinite else { return value.isNaN ? "NaN" : value < 0 ? "-∞" : "∞" }
        switch style {
        case .fixed(let digits): return fixed(value, digits)
        case .signed(let digits): return (value < 0 ? "" : "+") + fixed(value, digits)
        case .significant(let digits): return significant(value, digits)
        case .integer: return fixed(value, 0)
        case .short: return short(value)
        case .percent(let digits): return fixed(value * 100, digits) + (language == "de" ? " %" : "%")
        case .rate: return rate(value)
        case .bytes: return bytes(value)
        case .hours:
            if value > 0, value * 60 < 0.95 { return "< 1" + minuteUnit }
            if value < 0.95 { return fixed(value * 60, 0) + minuteUnit }
            return fixed(value, value < 99.95 ? 1 : 0) + hourUnit
        }
    }

    /// Digits after the mark, thousands grouped from 10,000 on (1024 stays 1024, as configurations write it).
    private func fixed(_ value: Double, _ digits: Int) -> String {
        var text = String(format: "%.\(max(0, min(digits, 12)))f", value)
        // A rounded negative zero would read "-0.00".
        if text.hasPrefix("-"), !text.contains(where: { ("1"..."9").contains($0) }) { text.removeFirst() }
        let sign = text.hasPrefix("-") ? "-" : ""
        let body = sign.isEmpty ? text[...] : text.dropFirst()
        let parts = body.split(separator: ".", maxSplits: 1)
        var whole = String(parts.first ?? "0")
        if whole.count > 4, !groupMark.isEmpty {
            var grouped = ""
            for (index, digit) in whole.enumerated() {
                if index > 0, (whole.count - index) % 3 == 0 { grouped += groupMark }
                grouped.append(digit)
            }
            whole = grouped
        }
        return sign + whole + (parts.count > 1 ? decimalMark + parts[1] : "")
    }

    private func significant(_ value: Double, _ digits: Int) -> String {
        guard value != 0 else { return "0" }
        let magnitude = Int(log10(abs(value)).rounded(.down))
        return fixed(value, max(0, digits - 1 - magnitude))
    }

    /// Three digits of the largest unit that leaves no nought before the mark.
    private func bytes(_ value: Double) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        var index = 0, scaled = value
        while index < units.count - 1, abs(scaled) >= 999.5 {
            scaled /= 1024
            index += 1
        }
        return (index == 0 ? fixed(scaled, 0) : significant(scaled, 3)) + " " + units[index]
    }

    private func short(_ value: Double) -> String {
        let steps: [(Double, String)] = [(1e9, shortUnits[2]), (1e6, shortUnits[1]), (1e3, shortUnits[0])]
        for (unit, suffix) in steps where abs(value) >= unit * 0.9995 {
            return trimmed(significant(value / unit, 3)) + suffix
        }
        return abs(value) < 10 ? trimmed(fixed(value, 2)) : fixed(value, 0)
    }

    private func trimmed(_ text: String) -> String {
        guard text.contains(decimalMark) else { return text }
        var result = text
        while result.hasSuffix("0") { result.removeLast() }
        if result.hasSuffix(decimalMark) { result.removeLast(decimalMark.count) }
        return result
    }

    /// 0.0005 is 5e-4 to everybody who sets one.
    private func rate(_ value: Double) -> String {
        guard value != 0 else { return "0" }
        var exponent = Int(log10(abs(value)).rounded(.down))
        var mantissa = (value / pow(10, Double(exponent)) * 100).rounded() / 100
        if abs(mantissa) >= 10 {
            mantissa /= 10
            exponent += 1
        }
        return trimmed(fixed(mantissa, 2)) + "e\(exponent)"
    }
}
