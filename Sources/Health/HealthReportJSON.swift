// SPDX-License-Identifier: MIT
import Foundation

extension HealthReport {
    /// The report as JSON, schema 1 of the design document; sentences in the catalogue's language.
    ///
    /// Numbers that are not finite are left out, since JSON has none.
    public func json(catalogue: Catalogue = .english) throws -> Data {
        try JSONSerialization.data(
            withJSONObject: jsonObject(catalogue), options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
    }

    private func jsonObject(_ catalogue: Catalogue) -> [String: Any] {
        [
            "schema": Self.schema,
            "language": catalogue.language,
            "run": object([
                "source": run.source.rawValue, "name": run.name, "steps": run.steps, "planned_steps": run.plannedSteps,
                "tokens_seen": run.tokensSeen, "tokens_per_step": run.tokensPerStep, "dataset": run.dataset,
                "final_train_loss": run.finalTrainLoss, "final_val_loss": run.finalValLoss,
            ]),
            "model": object([
                "parameters": model.parameters, "parameters_non_embedding": model.parametersNonEmbedding, "name": model.name,
                "intended": model.intended ?? NSNull(), "n_layer": model.nLayer, "n_head": model.nHead, "n_embd": model.nEmbd,
                "block_size": model.blockSize, "vocab_size": model.vocabSize, "flops_per_token": model.flopsPerToken,
            ]),
            "verdict": verdict.rawValue,
            "headline": catalogue.text(headline),
            "reasons": reasons.map { ["label": catalogue.text($0.label), "text": catalogue.text($0.text)] },
            "checks": checks.map { json($0, catalogue) },
            "curve": curve.map {
                object(["step": $0.step, "tokens": $0.tokens, "train_loss": $0.trainLoss, "val_loss": $0.valLoss])
            },
            "expected": object([
                "val_loss": expected.valLoss.map(json) ?? NSNull(), "basis": catalogue.text(expected.basis),
                "confidence": expected.confidence.rawValue, "source": expected.source, "unigram_entropy": expected.unigramEntropy,
                "bits_per_byte": expected.bitsPerByte,
            ]),
            "forecast": forecast.map { json($0, catalogue) },
            "forecast_curve": forecastCurve.map { object(["step": $0.step, "tokens": $0.tokens, "val_loss": json($0.valLoss)]) },
            "throughput": throughput.map(json) ?? [:],
            "next_steps": nextSteps.map {
                object([
                    "title": catalogue.text($0.title), "why": catalogue.text($0.why), "command": $0.command,
                    "val_loss": $0.valLoss.map(json), "hours": $0.hours, "discouraged": $0.discouraged,
                ])
            },
            "notes": notes.map(catalogue.text),
        ]
    }

    private func json(_ check: Check, _ catalogue: Catalogue) -> [String: Any] {
        object([
            "id": check.id, "status": check.status.rawValue, "value": check.value,
            "expected": check.expected.map { object(["low": $0.low, "high": $0.high]) }, "unit": check.unit,
            "name": catalogue.text(Message("check." + check.id)), "rule": catalogue.text(Message("rule." + check.id)),
            "why": catalogue.text(check.why), "source": check.source, "confidence": check.confidence.rawValue,
            "advice": check.advice.map(catalogue.text), "command": check.command,
        ])
    }

    private func json(_ scenario: Scenario, _ catalogue: Catalogue) -> [String: Any] {
        object([
            "id": scenario.id, "scenario": catalogue.text(scenario.title), "steps": scenario.steps, "tokens": scenario.tokens,
            "val_loss": json(scenario.valLoss), "hours": scenario.hours, "basis": catalogue.text(scenario.basis),
            "confidence": scenario.confidence.rawValue, "continues": scenario.continues, "command": scenario.command,
            "best": scenario.best,
        ])
    }

    private func json(_ throughput: Throughput) -> [String: Any] {
        object([
            "tokens_per_second": throughput.tokensPerSecond, "step_ms_median": throughput.stepMsMedian,
            "step_ms_p95": throughput.stepMsP95, "mfu_printed": throughput.mfuPrinted,
            "mfu_printed_peak_tflops": throughput.mfuPrintedPeakTflops, "mfu": throughput.mfu, "tflops": throughput.tflops,
            "device": throughput.device, "device_peak_tflops": throughput.devicePeakTflops,
            "memory_used_bytes": throughput.memoryUsedBytes, "device_memory_bytes": throughput.deviceMemoryBytes,
            "hours": throughput.hours,
        ])
    }

    private func json(_ band: Band) -> [String: Any] { object(["low": band.low, "mid": band.mid, "high": band.high]) }

    /// Drops what is missing or not finite; rounds to what a reader can use, so that equal reports give equal bytes.
    private func object(_ pairs: [String: Any?]) -> [String: Any] {
        var result: [String: Any] = [:]
        for (key, value) in pairs {
            guard let value else { continue }
            if let number = value as? Double {
                guard number.isFinite else { continue }
                let whole = number.rounded()
                if abs(number) < 1e15, number == whole { result[key] = Int(whole) } else { result[key] = rounded(number) }
            } else {
                result[key] = value
            }
        }
        return result
    }

    private func rounded(_ value: Double) -> Double {
        guard value != 0 else { return 0 }
        return Double(String(format: "%.6g", value)) ?? value
    }
}
