// SPDX-License-Identifier: MIT

/// What to do next, the most useful first, with command and price.
enum NextSteps {
    static func of(
        verdict: Verdict, checks: [Check], forecast: [HealthReport.Scenario], context: RunContext
    ) -> [HealthReport.NextStep] {
        var steps: [HealthReport.NextStep] = []
        // What is broken or suspect comes before any plan, as does a run that never trained at its rate.
        let first = ["warmup.outlasts", "schedule-end.late-warmup"]
        let urgent = VerdictRule.weighty(checks).filter { check in
            check.advice != nil
                && (check.status == .fail || check.id == "documents" || forecast.isEmpty || first.contains(check.why.key))
        }
        for check in urgent.prefix(2) {
            guard let advice = check.advice else { continue }
            steps.append(
                HealthReport.NextStep(
                    title: advice, why: check.why, command: check.command, valLoss: nil, hours: nil, discouraged: false))
        }
        if verdict == .unhealthy, urgent.contains(where: { $0.status == .fail && $0.id != "documents" }), !context.isUnderWay {
            return steps
        }

        if context.isUnderWay, context.predictedEnd == nil, verdict != .unhealthy { steps.append(letItRun(context)) }

        let suspected = forecast.contains { $0.id == "better-data" }
        let order =
            suspected
            ? ["better-data", "better-data-lr", "next-size-better-data"]
            : context.isUnderWay
                ? ["finish", "better-lr", "restart-2x", "next-size"]
                : ["better-lr", "next-size", "restart-2x", "restart-3x", "rewarm"]
        let wanted = order.compactMap { id in forecast.first { $0.id == id } }
        let best = wanted.first { $0.best } ?? forecast.first { $0.best }
        var chosen = Array(wanted.prefix(3))
        if let best, !context.isUnderWay || suspected, !chosen.contains(where: { $0.id == best.id }) {
            chosen = [best] + chosen.prefix(2)
        }
        for scenario in chosen { steps.append(step(scenario, discouraged: false)) }
        if suspected, let end = forecast.first(where: { $0.id == "finish" }) { steps.append(step(end, discouraged: true)) }
        // The same again on data that is not sound is named with its price, since it is the obvious thing to try.
        if suspected, let again = forecast.first(where: { $0.id == "restart-2x" }) {
            steps.append(step(again, discouraged: true))
        }
        // To keep training at a rate that has come down is what everyone tries first; it is named when it gives little.
        if let more = forecast.first(where: { $0.id == "continue" }), let end = context.finalLoss, end - more.valLoss.mid < 0.07 {
            steps.append(step(more, discouraged: true))
        }
        if steps.isEmpty, verdict != .healthy {
            for check in VerdictRule.weighty(checks).prefix(2) {
                guard let advice = check.advice else { continue }
                steps.append(
                    HealthReport.NextStep(
                        title: advice, why: check.why, command: check.command, valLoss: nil, hours: nil, discouraged: false))
            }
        }
        return steps
    }

    /// What remains while the curve is too short for a forecast.
    private static func letItRun(_ context: RunContext) -> HealthReport.NextStep {
        HealthReport.NextStep(
            title: Message("next.too-early"), why: Message("next.too-early.why"), command: nil, valLoss: nil,
            hours: context.hoursLeft, discouraged: false, continues: true)
    }

    private static func step(_ scenario: HealthReport.Scenario, discouraged: Bool) -> HealthReport.NextStep {
        HealthReport.NextStep(
            title: Message((discouraged ? "next." : "scenario.") + scenario.id, scenario.title.arguments), why: scenario.basis,
            command: scenario.command, valLoss: scenario.valLoss, hours: scenario.hours, discouraged: discouraged,
            continues: scenario.continues)
    }
}
