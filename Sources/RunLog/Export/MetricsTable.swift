// SPDX-License-Identifier: MIT

/// A run's updates and evaluations as comma-separated values (RFC 4180 with line feeds), one event a row.
///
/// Columns are named as in metrics.jsonl and always the same; what an event does not have is empty. Numbers are written so that they
/// are read back exactly; those that are not finite as `NaN`, `inf` and `-inf`, which pandas, R and numpy read.
public enum MetricsTable {
    /// The text of the whole table, header first.
    public static func csv(_ events: [RunEvent]) -> String {
        var text = (["event", "step", "time"] + RunScalar.all.map(\.key)).joined(separator: ",") + "\n"
        for event in events {
            let values = RunScalar.all.map { $0.value(in: event) }
            guard values.contains(where: { $0 != nil }) else { continue }
            let cells = [event.event.rawValue, String(event.step), quoted(event.time)] + values.map { $0.map(number) ?? "" }
            text += cells.joined(separator: ",") + "\n"
        }
        return text
    }

    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        // Counts stay whole numbers: 2048, not 2048.0.
        if let whole = Int64(exactly: value), abs(value) < 1e15 { return String(whole) }
        return "\(value)"
    }

    /// The time comes from a file, so it may hold anything.
    private static func quoted(_ cell: String) -> String {
        guard cell.contains(where: { ",\"\n\r".contains($0) || $0.isNewline }) else { return cell }
        return "\"" + cell.replacing("\"", with: "\"\"") + "\""
    }
}
