// SPDX-License-Identifier: MIT
import Foundation

/// The four plots of a report: loss, learning rate, gradient norm, throughput.
struct HTMLPlots {
    private let report: HealthReport
    private let facts: RunFacts
    private let page: PageText
    /// Whether the x axis counts tokens; else steps.
    let isInTokens: Bool

    init(_ document: ReportDocument, _ page: PageText) {
        report = document.report
        facts = document.facts
        self.page = page
        isInTokens = report.run.tokensPerStep != nil || report.curve.contains { $0.tokens != nil && $0.step > 0 }
    }

    private func x(_ step: Int, _ tokens: Double?) -> Double {
        guard isInTokens else { return Double(step) }
        return tokens ?? report.run.tokensPerStep.map { $0 * Double(step) } ?? .nan
    }

    private func xLabel(_ value: Double) -> String { page.catalogue.number(value, .short) }

    private var xName: String { page.word(isInTokens ? "axis.tokens" : "axis.steps") }

    /// Loss against tokens, with the expected band and the forecast.
    func loss() -> Plot? {
        let validation = report.curve.compactMap { point in point.valLoss.map { (x: x(point.step, point.tokens), y: $0) } }
        var training = report.curve.compactMap { point in point.trainLoss.map { (x: x(point.step, point.tokens), y: $0) } }
        let single = report.series.map { (x: x($0.step, $0.tokens), y: $0.loss ?? .nan) }
        let isFine = single.count(where: { $0.y.isFinite }) > 2 * training.count
        if isFine { training = single }
        guard validation.count + training.count > 1 else { return nil }
        var plot = Plot(
            id: "loss", title: page.word("plot.loss"), description: "",
            yLabel: { page.catalogue.number($0, .fixed($1 < 0.0999 ? 2 : $1 < 0.999 ? 1 : 0)) }, xLabel: xLabel,
            height: 300)
        plot.lines = [
            Plot.Line(
                points: training, style: isFine ? "train fine" : "train", name: page.word("legend.train"),
                dots: training.count <= 40)
        ]
        if !validation.isEmpty {
            plot.lines.append(
                Plot.Line(points: validation, style: "val", name: page.word("legend.val"), dots: validation.count <= 40))
        }
        plot.lines.removeAll { $0.points.isEmpty }
        addForecast(to: &plot)
        addExpectation(to: &plot)
        plot.top = top(plot)
        plot.description = description(validation.isEmpty ? training : validation, isCut: plot.top != nil)
        return plot
    }

    private func addForecast(to plot: inout Plot) {
        let points = report.forecastCurve
        guard points.count > 1 else { return }
        plot.areas.append(
            Plot.Area(
                points: points.map { (x: x($0.step, $0.tokens), low: $0.valLoss.low, high: $0.valLoss.high) }, style: "forecast",
                name: nil))
        plot.lines.append(
            Plot.Line(
                points: points.map { (x: x($0.step, $0.tokens), y: $0.valLoss.mid) }, style: "forecast",
                name: page.word("legend.forecast")))
    }

    /// The band belongs to the end of the run: it fills the last fifth of the picture.
    private func addExpectation(to plot: inout Plot) {
        guard let band = report.expected.valLoss else { return }
        let xs = plot.lines.flatMap { $0.points.map(\.x) }.filter(\.isFinite)
        guard let first = xs.min(), let last = xs.max(), last > first else { return }
        let from = last - (last - first) * 0.22
        plot.areas.insert(
            Plot.Area(
                points: [(x: from, low: band.low, high: band.high), (x: last, low: band.low, high: band.high)], style: "expected",
                name: page.word("legend.expected", ["band": .text(page.band(band))])), at: 0)
    }

    /// Cuts off the steep start, which would press everything that matters into the last millimetres.
    private func top(_ plot: Plot) -> Double? {
        let all = plot.lines.flatMap(\.points).filter { $0.x.isFinite && $0.y.isFinite }
        guard let x0 = all.map(\.x).min(), let x1 = all.map(\.x).max(), let highest = all.map(\.y).max(),
            let lowest = all.map(\.y).min()
        else { return nil }
        let later = all.filter { $0.x >= x0 + (x1 - x0) * 0.06 }.map(\.y)
        guard let level = later.max() else { return nil }
        let cut = max(level, lowest + 0.5) + 0.15
        return highest > cut + 0.4 * (cut - lowest) ? cut : nil
    }

    private func description(_ points: [(x: Double, y: Double)], isCut: Bool) -> String {
        let finite = points.filter { $0.y.isFinite && $0.x.isFinite }
        guard let first = finite.first, let last = finite.last else { return "" }
        var text = page.word(
            isInTokens ? "plot.loss-text" : "plot.loss-text-steps",
            [
                "first": .number(first.y, .fixed(2)), "last": .number(last.y, .fixed(2)),
                "at": .number(last.x, .short),
            ])
        if isCut { text += " " + page.word("plot.cut") }
        if let end = report.forecastCurve.last {
            text += " " + page.word("plot.loss-forecast", ["band": .text(page.band(end.valLoss))])
        }
        if let band = report.expected.valLoss { text += " " + page.word("plot.loss-expected", ["band": .text(page.band(band))]) }
        return text
    }

    /// Learning rate: as logged, else by the schedule that the settings say.
    func learningRate() -> Plot? {
        var points = report.series.compactMap { point in point.lr.map { (x: x(point.step, point.tokens), y: $0) } }
        if points.count < 30, let schedule = RateSchedule.of(facts), schedule.total > 0 {
            points = (0...240).map { index in
                let step = schedule.total / 240 * index + schedule.total % 240 * index / 240
                return (x: x(step, nil), y: schedule.rate(step))
            }
        }
        return small("lr", points, style: "plain", fromZero: true) { page.catalogue.number($0, .rate) }
    }

    func gradientNorm() -> Plot? {
        let points = report.series.compactMap { point in point.gradNorm.map { (x: x(point.step, point.tokens), y: $0) } }
        var plot = small("grad-norm", points, style: "plain fine", fromZero: true) { page.catalogue.number($0, .significant(2)) }
        // A single spike must not flatten the rest.
        if let usual = Statistics.quantile(points.map(\.y).filter(\.isFinite), 0.97) { plot?.top = usual * 1.6 }
        return plot
    }

    func throughput() -> Plot? {
        let points = report.series.compactMap { point in point.tokensPerSecond.map { (x: x(point.step, point.tokens), y: $0) } }
        var plot = small("throughput", points, style: "plain fine", fromZero: true) { page.catalogue.number($0, .short) }
        if let usual = Statistics.quantile(points.map(\.y).filter(\.isFinite), 0.97) { plot?.top = usual * 1.3 }
        return plot
    }

    private func small(
        _ id: String, _ points: [(x: Double, y: Double)], style: String, fromZero: Bool, label: @escaping (Double) -> String
    ) -> Plot? {
        let finite = points.filter { $0.x.isFinite && $0.y.isFinite }
        guard finite.count >= 3, let first = finite.first, let last = finite.last, let high = finite.map(\.y).max() else {
            return nil
        }
        let text = page.word(
            "plot.series-text", ["first": .text(label(first.y)), "last": .text(label(last.y)), "high": .text(label(high))])
        return Plot(
            id: id, title: page.word("plot." + id), description: text,
            lines: [Plot.Line(points: points, style: style, name: nil)],
            yLabel: { value, _ in label(value) }, xLabel: xLabel, height: 150, fromZero: fromZero)
    }

    /// The plot as a figure; nil when there is nothing to draw.
    func figure(_ plot: Plot?, details: String = "") -> String? {
        guard let plot, let body = plot.html() else { return nil }
        return "<figure class=\"\(plot.id)\"><h3>\(Markup.escape(plot.title)) <small>\(Markup.escape(xName))</small></h3>\(body)"
            + "<figcaption>\(Markup.escape(plot.description))</figcaption>\(details)</figure>\n"
    }
}
