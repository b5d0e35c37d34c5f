// SPDX-License-Identifier: MIT
import Foundation
import Health
import RunLog
import Testing

/// A budget that no model can be recommended for.
@Suite struct PlanSearchTests {
    private func request(_ hours: Double) -> PlanRequest {
        var request = PlanRequest(RunConfig())
        request.hours = hours
        return request
    }

    private func planner() throws -> RunPlanner { RunPlanner(.gpu(try #require(GPU.named("RTX 4070")), dtype: "bfloat16")) }

    /// The time that is named is one for which a model is found.
    @Test(arguments: [(1e-4, "plan.search.too-short"), (1e9, "plan.search.too-long")])
    func sayWhatTimeWouldDo(hours: Double, key: String) throws {
        let planner = try planner()
        #expect(planner.search(request(hours)).isEmpty)
        let why = planner.whyNothingWasFound(request(hours))
        #expect(why.key == key)
        guard case .number(let enough, .hours)? = why.arguments["enough"] else {
            Issue.record("no time is named: \(why)")
            return
        }
        #expect(!planner.search(request(enough)).isEmpty)
    }

    @Test func noTimeHelpsWithoutAReference() throws {
        var question = request(10)
        question.tokenizer = "char"
        #expect(try planner().whyNothingWasFound(question).key == "plan.search.no-model")
        let unknown = PlanDevice.cpu(name: "CPU", ceilingFlops: nil, memoryBytes: nil, memory: PlanMemory.gpu)
        #expect(RunPlanner(unknown).whyNothingWasFound(request(10)).key == "plan.search.no-speed")
    }

    /// A plan has no --config: it says what it lacks by the key that is missing.
    @Test func aPlanWithoutALengthNamesMaxIters() throws {
        var config = RunConfig()
        config.maxIters = 0
        let basis = try planner().plan(PlanRequest(config)).expectation.basis
        #expect(Catalogue.english.withPageWords.text(basis).contains("max_iters is not set"))
    }
}
