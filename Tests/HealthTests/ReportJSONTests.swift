// SPDX-License-Identifier: MIT
import Foundation
import Health
import Testing

@Suite struct ReportJSONTests {
    private func object(_ report: HealthReport) throws -> [String: Any] {
        try #require(JSONSerialization.jsonObject(with: report.json()) as? [String: Any])
    }

    @Test func schemaOne() throws {
        let json = try object(try ReferenceRunTests.report())
        #expect(json["schema"] as? Int == 1)
        let run = try #require(json["run"] as? [String: Any])
        #expect(
            run["source"] as? String == "nanogpt" && run["steps"] as? Int == 6000 && run["tokens_seen"] as? Int == 3_145_728_000)
        let model = try #require(json["model"] as? [String: Any])
        #expect(model["intended"] as? String == "124M" && model["parameters"] as? Int == 40_560_000)
        #expect(model["parameters_non_embedding"] is Int)
        #expect(json["verdict"] as? String == "watch")
        let checks = try #require(json["checks"] as? [[String: Any]])
        #expect(checks.count == HealthRules.all.count)
        for check in checks {
            for key in ["id", "status", "why", "source", "rule", "name", "confidence", "unit"] {
                #expect(check[key] is String, "\(key)")
            }
            #expect(["pass", "warn", "fail", "info", "cannot_tell"].contains(check["status"] as? String))
            #expect((check["source"] as? String)?.isEmpty == false)
        }
        let curve = try #require(json["curve"] as? [[String: Any]])
        #expect(curve.count == 8 && curve.last?["val_loss"] as? Double == 4.17 && curve.last?["tokens"] as? Int == 3_145_728_000)
        let expected = try #require(json["expected"] as? [String: Any]),
            band = try #require(expected["val_loss"] as? [String: Double])
        #expect(Set(band.keys) == ["low", "mid", "high"])
        #expect((expected["basis"] as? String)?.isEmpty == false)
        let forecast = try #require(json["forecast"] as? [[String: Any]])
        #expect(
            Set(forecast.compactMap { $0["id"] as? String }).isSuperset(of: [
                "restart-2x", "restart-3x", "continue", "rewarm", "better-data",
            ]))
        for scenario in forecast {
            #expect(
                scenario["scenario"] is String && scenario["steps"] is Int && scenario["tokens"] != nil
                    && scenario["val_loss"] is [String: Double])
        }
        let throughput = try #require(json["throughput"] as? [String: Any])
        #expect(throughput["mfu_printed_peak_tflops"] as? Int == 312 && throughput["device_peak_tflops"] as? Double == 58.3)
        for step in try #require(json["next_steps"] as? [[String: Any]]) {
            #expect(step["title"] is String && step["why"] is String)
        }
    }

    /// The same facts give the same bytes.
    @Test func isDeterministic() throws {
        let first = try ReferenceRunTests.report().json(), second = try ReferenceRunTests.report().json()
        #expect(first == second)
    }

    /// Broken runs still give JSON: NaN has no place in it.
    @Test func brokenRunsGiveJSON() throws {
        for harm in CatalogueTests.harms {
            var facts = SyntheticRun().facts()
            harm(&facts)
            #expect(try object(HealthReport.make(facts: facts))["verdict"] is String)
        }
    }

    @Test func noReferenceIsNull() throws {
        var facts = SyntheticRun().facts()
        facts.dataset.name = nil
        let expected = try #require(try object(HealthReport.make(facts: facts))["expected"] as? [String: Any])
        #expect(expected["val_loss"] is NSNull)
    }
}
