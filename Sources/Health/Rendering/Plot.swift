// SPDX-License-Identifier: MIT
import Foundation

/// A line chart as HTML: an SVG that stretches to any width, with the labels beside it as text of a fixed size.
///
/// An SVG that scales as a whole has unreadable numbers on a phone. Here only the drawing stretches (its strokes keep their
/// width), while ticks are positioned by percentages.
struct Plot {
    struct Line {
        var points: [(x: Double, y: Double)]
        /// The CSS class that gives it its colour: "val", "train", "forecast", "plain".
        var style: String
        /// Its name in the legend; nil for none.
        var name: String?
        /// Draws a dot on every point, for lines of few points.
        var dots = false
    }

    /// An area between two curves over the same x.
    struct Area {
        var points: [(x: Double, low: Double, high: Double)]
        var style: String
        var name: String?
    }

    var id: String
    var title: String
    /// What the plot shows, in words, for those who cannot see it.
    var description: String
    var lines: [Line] = []
    var areas: [Area] = []
    /// A value on the y axis and the distance of two ticks, which says how many digits are of use.
    var yLabel: (Double, Double) -> String
    var xLabel: (Double) -> String
    /// Height in CSS pixels.
    var height = 180
    /// The upper end of the y axis when the lines may run out of the picture.
    var top: Double?
    /// Whether the y axis starts at 0.
    var fromZero = false

    private static let width = 1000.0, tall = 1000.0

    private struct Frame {
        var x0: Double, x1: Double, y0: Double, y1: Double

        func px(_ x: Double) -> Double { (x - x0) / (x1 - x0) * Plot.width }
        func py(_ y: Double) -> Double { (y1 - y) / (y1 - y0) * Plot.tall }
    }

    private func frame() -> Frame? {
        let points = lines.flatMap(\.points).filter { $0.x.isFinite && $0.y.isFinite }
        let shapes = areas.flatMap(\.points).filter { $0.x.isFinite && $0.low.isFinite && $0.high.isFinite }
        let xs = points.map(\.x) + shapes.map(\.x)
        let ys = points.map(\.y) + shapes.flatMap { [$0.low, $0.high] }
        guard let x0 = xs.min(), let x1 = xs.max(), x1 > x0, var y0 = ys.min(), var y1 = ys.max() else { return nil }
        if let top, top > y0 { y1 = min(y1, top) }
        if fromZero { y0 = min(0, y0) }
        let margin = max((y1 - y0) * 0.06, abs(y1) * 1e-3, 1e-12)
        // Room for half a dot at the end.
        return Frame(x0: x0, x1: x1 + (x1 - x0) * 0.012, y0: fromZero && y0 == 0 ? 0 : y0 - margin, y1: y1 + margin)
    }

    /// The figure's inner HTML; nil when there is nothing to draw.
    func html() -> String? {
        guard let frame = frame() else { return nil }
        let ticks = Self.ticks(frame.y0, frame.y1, count: height > 220 ? 7 : 4)
        let xTicks = Self.ticks(frame.x0, frame.x1, count: 4)
        var svg =
            "<svg viewBox=\"0 0 1000 1000\" preserveAspectRatio=\"none\" role=\"img\" aria-labelledby=\"\(id)-t \(id)-d\">"
            + "<title id=\"\(id)-t\">\(Markup.escape(title))</title><desc id=\"\(id)-d\">\(Markup.escape(description))</desc>"
        for tick in ticks { svg += "<path class=\"grid\" d=\"M0 \(Markup.number(frame.py(tick)))H1000\"/>" }
        for area in areas { svg += path(area, frame) }
        for line in lines { svg += path(line, frame) }
        svg += "</svg>"
        var labels = ""
        let step = ticks.count > 1 ? ticks[1] - ticks[0] : 1
        for tick in ticks {
            let place = Markup.number(frame.py(tick) / 10)
            labels += "<span class=\"y\" style=\"top:\(place)%\">\(Markup.escape(yLabel(tick, step)))</span>"
        }
        for tick in xTicks {
            let place = frame.px(tick) / 10
            // The first and the last must not run out of the picture.
            let style = place > 96 ? "x end" : place < 3 ? "x start" : "x"
            labels += "<span class=\"\(style)\" style=\"left:\(Markup.number(place))%\">\(Markup.escape(xLabel(tick)))</span>"
        }
        return legend() + "<div class=\"plot\" style=\"height:\(height)px\">\(svg)"
            + "<div class=\"ticks\" aria-hidden=\"true\">\(labels)</div></div>"
    }

    private func legend() -> String {
        let items =
            lines.compactMap { line in line.name.map { (line.style, $0, "line") } }
            + areas.compactMap { area in area.name.map { (area.style, $0, "area") } }
        guard !items.isEmpty else { return "" }
        return "<ul class=\"legend\">"
            + items.map { "<li><span class=\"key \($0.2) \($0.0)\"></span>\(Markup.escape($0.1))</li>" }.joined() + "</ul>"
    }

    /// Runs of finite points become one path each: a hole in the data is a hole in the line.
    private func path(_ line: Line, _ frame: Frame) -> String {
        var d = ""
        var isDrawing = false
        for point in line.points {
            guard point.x.isFinite, point.y.isFinite else {
                isDrawing = false
                continue
            }
            d += (isDrawing ? "L" : "M") + Markup.number(frame.px(point.x)) + " " + Markup.number(frame.py(point.y))
            isDrawing = true
        }
        var result = "<path class=\"line \(line.style)\" d=\"\(d)\"/>"
        if line.dots {
            // A line of no length with round ends is a dot, and stays one when the drawing is stretched.
            let dots = line.points.filter { $0.x.isFinite && $0.y.isFinite }
                .map { "M\(Markup.number(frame.px($0.x))) \(Markup.number(frame.py($0.y)))h0" }.joined()
            result += "<path class=\"dot \(line.style)\" d=\"\(dots)\"/>"
        }
        return result
    }

    private func path(_ area: Area, _ frame: Frame) -> String {
        let points = area.points.filter { $0.x.isFinite && $0.low.isFinite && $0.high.isFinite }
        guard points.count > 1 else { return "" }
        let upper = points.map { Markup.number(frame.px($0.x)) + " " + Markup.number(frame.py($0.high)) }
        let lower = points.reversed().map { Markup.number(frame.px($0.x)) + " " + Markup.number(frame.py($0.low)) }
        return "<path class=\"area \(area.style)\" d=\"M" + (upper + lower).joined(separator: "L") + "Z\"/>"
    }

    /// Round values from a range: steps of 1, 2 or 5 times a power of ten.
    static func ticks(_ low: Double, _ high: Double, count: Int) -> [Double] {
        guard low.isFinite, high.isFinite, high > low, count > 0 else { return [] }
        let raw = (high - low) / Double(count)
        let unit = pow(10, log10(raw).rounded(.down))
        guard unit > 0, unit.isFinite else { return [] }
        let share = raw / unit
        let step = unit * (share <= 1 ? 1 : share <= 2 ? 2 : share <= 5 ? 5 : 10)
        let first = (low / step - 1e-9).rounded(.up), last = (high / step + 1e-9).rounded(.down)
        guard last >= first, last - first < 100 else { return [] }
        return stride(from: first, through: last, by: 1).map { $0 * step }
    }
}
