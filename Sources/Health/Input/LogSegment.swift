// SPDX-License-Identifier: MIT
import RunLog

/// One start of a training program inside a log file: what it printed until the next start or the end.
struct LogSegment {
    /// Configuration values by nanoGPT's keys, last one wins.
    var config: [String: ConfigValue] = [:]
    var steps: [StepPoint] = []
    var evals: [EvalPoint] = []
    var incidents: [RunIncident] = []
    /// The line at which the segment began.
    var firstLine = 1
    /// It printed its configuration file, so that what the file leaves out has the program's defaults.
    var printsConfiguration = false
    /// The program said that it went on from a checkpoint.
    var saysResumed = false
    var parameters: Double?
    var tokensPerStep: Double?
    var deviceName: String?
    var devicePeakTflops: Double?
    var trainPath: String?

    var isEmpty: Bool { steps.isEmpty && evals.isEmpty }
    var firstStep: Int? { [steps.first?.step, evals.first?.step].compactMap { $0 }.min() }
    var lastStep: Int? { [steps.last?.step, evals.last?.step].compactMap { $0 }.max() }
}

/// Joins segments to runs and picks the one to report on.
enum RunAssembly {
    /// A run is a chain of segments: a fresh start, then resumes.
    struct Chain {
        private(set) var segments: [LogSegment]
        /// The largest of the segments'; kept, since every segment of a file asks for it.
        private(set) var lastStep: Int

        init(_ segment: LogSegment) {
            segments = [segment]
            lastStep = segment.lastStep ?? 0
        }

        mutating func append(_ segment: LogSegment) {
            segments.append(segment)
            lastStep = max(lastStep, segment.lastStep ?? 0)
        }
    }

    static func chains(_ segments: [LogSegment]) -> [Chain] {
        var chains: [Chain] = []
        for segment in segments where !segment.isEmpty {
            let begins = segment.firstStep ?? 0
            // Steps that go on where the last run stopped, or fall back a little, belong to it even when the program does not
            // say so.
            let goesOn = begins > 1 && begins <= (chains.last?.lastStep ?? 0) + max(1, (chains.last?.lastStep ?? 0) / 10)
            if !chains.isEmpty, goesOn, segment.saysResumed || begins > 10 {
                chains[chains.count - 1].append(segment)
            } else {
                chains.append(Chain(segment))
            }
        }
        return chains
    }

    /// The last run that got at least half as far as the longest one: a short restart at the end does not hide the run before it.
    static func chosen(_ chains: [Chain]) -> Int? {
        guard let longest = chains.map(\.lastStep).max() else { return nil }
        return chains.lastIndex { $0.lastStep * 2 >= longest }
    }

    /// One series from a chain: what a later segment repeats is dropped from the earlier ones.
    ///
    /// Where a resume changed the tokens of a step, every point gets the tokens that its own segment and those before it tell.
    static func join(_ chain: Chain) -> (steps: [StepPoint], evals: [EvalPoint], incidents: [RunIncident]) {
        var steps: [StepPoint] = [], evals: [EvalPoint] = [], incidents: [RunIncident] = []
        let sizes = Set(chain.segments.compactMap(\.tokensPerStep).filter { $0 > 0 && $0.isFinite })
        var count = TokenCount(tokensPerStep: sizes.count > 1 ? chain.segments[0].tokensPerStep : nil)
        for (index, var segment) in chain.segments.enumerated() {
            if sizes.count > 1 {
                if index > 0 { count.goOn(from: segment.firstStep ?? 0, with: segment.tokensPerStep) }
                for at in segment.steps.indices { segment.steps[at].tokens = count.tokens(at: segment.steps[at].step) }
                for at in segment.evals.indices { segment.evals[at].tokens = count.tokens(at: segment.evals[at].step) }
            }
            if index > 0, let begins = segment.firstStep {
                while let last = steps.last, last.step >= begins { steps.removeLast() }
                while let last = evals.last, last.step >= begins, segment.evals.first.map({ $0.step <= last.step }) ?? false {
                    evals.removeLast()
                }
                incidents.append(RunIncident(.resume, step: begins, detail: "line \(segment.firstLine)"))
            }
            steps += segment.steps
            evals += segment.evals
            incidents += segment.incidents
        }
        return (steps, evals, incidents)
    }
}

/// Counts a run's tokens over resumes that change the tokens of a step.
private struct TokenCount {
    /// nil as long as they are not known.
    var tokensPerStep: Double?
    private var step = 0
    private var tokens = 0.0

    init(tokensPerStep: Double?) { self.tokensPerStep = tokensPerStep }

    func tokens(at step: Int) -> Double? { tokensPerStep.map { max(0, tokens + Double(step - self.step) * $0) } }

    /// - Parameter size: the tokens of a step from here on; nil: as before.
    mutating func goOn(from step: Int, with size: Double?) {
        guard let before = tokens(at: step) else { return }
        (self.step, tokens) = (step, before)
        tokensPerStep = size ?? tokensPerStep
    }
}
