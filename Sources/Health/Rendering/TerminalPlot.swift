// SPDX-License-Identifier: MIT
import Foundation

/// The loss curve in a few lines, with the band it should end in and the forecast of what is to come.
struct TerminalPlot {
    let columns: Int
    let style: TerminalStyle
    let catalogue: Catalogue

    func lines(_ report: HealthReport) -> [String] {
        let points = report.curve.compactMap { point in (point.valLoss ?? point.trainLoss).map { (step: point.step, loss: $0) } }
            .filter { $0.loss.isFinite }
        guard points.count >= 3, let top = points.map(\.loss).max(), let lowest = points.map(\.loss).min() else { return [] }
        let forecast = report.forecastCurve.map { (step: $0.step, loss: $0.valLoss.mid) }
        let end = max(points.last?.step ?? 1, forecast.last?.step ?? 1, 1)
        let band = report.expected.valLoss
        let bottom = min(lowest, forecast.map(\.loss).min() ?? lowest, band?.low ?? lowest)
        guard top > bottom else { return [] }
        let scale = Scale(top: top, bottom: bottom - 0.02 * (top - bottom))

        let rows = 7, margin = 12
        var plot = BraillePlot(columns: min(columns - margin - 2, 72), rows: rows)
        if let band {
            plot.shade(fromX: 0.72, low: scale.place(band.low), high: scale.place(band.high))
        }
        func place(_ point: (step: Int, loss: Double)) -> (x: Double, y: Double) {
            (Double(point.step) / Double(end), scale.place(point.loss))
        }
        for (from, to) in zip(points, points.dropFirst()) { plot.line(place(from), place(to)) }
        // Every other piece of the forecast, so that it reads as dots.
        for (index, point) in forecast.enumerated() where index % 2 == 1 { plot.dot(place(point).x, place(point).y) }

        var labels: [Int: Double] = [0: top]
        if let last = points.last { labels[scale.row(last.loss, rows)] = last.loss }
        if let band, labels[scale.row(band.mid, rows)] == nil { labels[scale.row(band.mid, rows)] = band.mid }
        var lines: [String] = []
        for row in 0..<rows {
            let label = labels[row].map { catalogue.number($0, .fixed($0 >= 10 ? 1 : 2)) } ?? ""
            let head = row == 0 ? catalogue.text(Message("page.loss")) : ""
            var line =
                " " + TerminalText.padded(head, 5) + TerminalText.padded(left: label, 5) + (label.isEmpty ? " │" : " ┤")
                + plot.row(row)
            if row == 0 { line = legend(line, hasBand: band != nil) }
            lines.append(line)
        }
        let axis: String
        if let tokens = report.forecastCurve.last?.tokens ?? report.run.tokensSeen {
            axis = catalogue.text(Message("page.tokens", ["count": .number(tokens, .short)]))
        } else {
            axis = catalogue.text(Message("page.steps", ["count": .integer(end)]))
        }
        lines.append(
            String(repeating: " ", count: margin) + "└" + String(repeating: "─", count: max(0, plot.columns - axis.count - 1))
                + " " + axis)
        return lines
    }

    private func legend(_ line: String, hasBand: Bool) -> String {
        guard hasBand else { return line }
        let legend = catalogue.text(Message("page.expected")) + " ▒▒▒"
        var plain = line
        while plain.last == " " { plain.removeLast() }
        let width = min(columns - 2, 84)
        return plain.count + legend.count + 2 <= width
            ? TerminalText.padded(plain, width - legend.count) + style.paint(legend, .dim) : line
    }

    /// A logarithmic distance from a floor under the curve, so that the end of the curve has room.
    private struct Scale {
        let top: Double, bottom: Double
        private let floor: Double

        init(top: Double, bottom: Double) {
            self.top = top
            self.bottom = bottom
            floor = bottom - 0.06 * (top - bottom)
        }

        func place(_ loss: Double) -> Double {
            (log(max(loss - floor, 1e-9)) - log(bottom - floor)) / (log(top - floor) - log(bottom - floor))
        }

        func row(_ loss: Double, _ rows: Int) -> Int {
            // Where top and bottom are next to each other the place is no number.
            let place = place(loss)
            return place.isNaN ? rows - 1 : max(0, min(rows - 1, Int((1 - max(0, min(1, place))) * Double(rows))))
        }
    }
}
