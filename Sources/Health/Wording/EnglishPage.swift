// SPDX-License-Identifier: MIT

extension Catalogue {
    /// This catalogue with the words of pages; a language that lacks them gets the English ones.
    package var withPageWords: Catalogue {
        guard !has("doc.title") else { return self }
        return Catalogue(
            language: language, decimalMark: decimalMark, groupMark: groupMark, listLast: listLast, shortUnits: shortUnits,
            hourUnit: hourUnit,
            minuteUnit: minuteUnit,
            templates: templates.merging(Self.englishPage) { own, _ in own }.merging(Self.englishPlan) { own, _ in own })
    }

    /// The words of the HTML and Markdown reports.
    static let englishPage: [String: String] = [
        "doc.title": "Health of {run}",
        "doc.source.apus": "Apus run", "doc.source.nanogpt": "nanoGPT log", "doc.source.llm.c": "llm.c log",
        "doc.source.huggingface": "Hugging Face trainer state", "doc.source.csv": "CSV",
        "doc.parameters": "{count} parameters", "doc.tokens": "{count} tokens", "doc.steps": "{steps} steps",
        "doc.steps-of": "{steps} of {planned} steps",
        "doc.verdict.healthy": "Healthy", "doc.verdict.watch": "Watch", "doc.verdict.unhealthy": "Unhealthy",
        "doc.verdict.cannot_tell": "Cannot tell",
        "doc.section.next": "What to do next", "doc.section.curve": "Course of the training", "doc.section.checks": "Checks",
        "doc.section.forecast": "Expectation and forecast", "doc.section.speed": "Speed", "doc.section.settings": "Settings",
        "doc.section.sources": "Sources", "doc.section.record": "The record",
        "doc.record.parameters": "Parameters", "doc.record.tokens": "Tokens seen",
        "doc.loss": "loss", "doc.not-worth-it": "Not worth it", "doc.best": "best use of ten hours",
        "doc.column.step": "Step", "doc.column.tokens": "Tokens", "doc.column.train-loss": "Training loss",
        "doc.column.val-loss": "Validation loss", "doc.column.status": "Result", "doc.column.check": "Check",
        "doc.column.value": "Value",
        "doc.column.expected": "Expected", "doc.column.finding": "Finding", "doc.column.scenario": "Scenario",
        "doc.column.hours": "Time",
        "doc.column.confidence": "Confidence", "doc.column.name": "Name",
        "doc.status.pass": "pass", "doc.status.warn": "watch", "doc.status.fail": "fail", "doc.status.info": "note",
        "doc.status.cannot_tell": "cannot tell",
        "doc.confidence": "Confidence: {level}.", "doc.confidence.low": "low", "doc.confidence.fair": "fair",
        "doc.confidence.good": "good",
        "doc.rule": "Rule and source", "doc.checks-count": "{count} checks", "doc.loss-table": "The numbers",
        "doc.expected": "Expected: {band}.",
        "doc.bits-per-byte": "The loss is {bits} bits a byte, which can be compared over tokenizers.",
        "doc.origin.option": "given as option", "doc.origin.config": "from the configuration file",
        "doc.origin.derived": "computed",
        "doc.origin.assumed": "assumed", "doc.origin.log": "from the log",
        "doc.true": "yes", "doc.false": "no",
        "doc.axis.tokens": "against tokens", "doc.axis.steps": "against steps",
        "doc.plot.loss": "Loss in nats a token", "doc.plot.lr": "Learning rate", "doc.plot.grad-norm": "Gradient norm",
        "doc.plot.throughput": "Tokens a second",
        "doc.plot.loss-text": "The loss goes from {first} to {last} after {at} tokens.",
        "doc.plot.loss-text-steps": "The loss goes from {first} to {last} after {at} steps.",
        "doc.plot.cut": "The steep start lies above the picture.",
        "doc.plot.loss-forecast": "The curve leads to {band}.", "doc.plot.loss-expected": "At the end {band} is expected.",
        "doc.plot.series-text": "From {first} to {last}; the highest value is {high}.",
        "doc.legend.train": "training", "doc.legend.val": "validation", "doc.legend.forecast": "forecast, nine in ten",
        "doc.legend.expected": "expected at the end: {band}",
        "doc.speed.tokens": "Tokens a second", "doc.speed.step": "Time of a step", "doc.speed.p95": "19 of 20 within {ms}",
        "doc.speed.tflops": "Rate reached", "doc.speed.mfu-printed": "MFU as printed", "doc.speed.mfu": "MFU of the device",
        "doc.speed.of-peak": "{share} of {peak} TFLOP/s{name}", "doc.speed.ceiling": "Share of the measured matmul ceiling",
        "doc.speed.ceiling-busy": "(the machine was busy when it was measured)",
        "doc.speed.memory": "Memory taken", "doc.speed.hours": "Time of the steps",
    ]
}
