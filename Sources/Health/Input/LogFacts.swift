// SPDX-License-Identifier: MIT
import RunLog

extension LogReader {
    /// The chosen run as facts; nil when the log holds no line of a training run.
    func facts(name: String, options: InputOptions) throws -> RunFacts? {
        let chains = RunAssembly.chains(segments)
        guard let index = RunAssembly.chosen(chains) else { return nil }
        let chain = chains[index]
        let isLlmc = llmcLines + mainLogLines > nanoLines
        var facts = RunFacts(source: isLlmc ? .llmc : .nanogpt, name: name)
        if chains.count > 1 {
            facts.notes.append(
                Message(
                    index == chains.count - 1 ? "note.several-runs-last" : "note.several-runs",
                    [
                        "count": .integer(chains.count), "index": .integer(index + 1),
                        "line": .integer(chain.segments[0].firstLine), "steps": .integer(chain.lastStep),
                    ]))
        }
        if chain.segments.count > 1 { facts.notes.append(Message("note.resumed", ["count": .integer(chain.segments.count - 1)])) }
        (facts.steps, facts.evals, facts.incidents) = RunAssembly.join(chain)

        var mapping = ConfigMapping()
        // A printed configuration leaves out what has the program's default; without one a default is only a guess.
        let printed = chain.segments.contains(where: \.printsConfiguration)
        let isTold = printed || options.configuration != nil
        mapping.add(isLlmc ? ConfigMapping.llmcDefaults : ConfigMapping.nanoGPTDefaults, isTold ? .derived : .assumed)
        if printed, !isLlmc { mapping.add("dataset", .text("openwebtext"), .derived) }
        // A head without steps (a crash at the start, then a fresh try) says nothing of this run, so only the chain counts.
        for segment in chain.segments { mapping.add(segment.config, .log) }
        if moddedLines * 2 > nanoLines, !isLlmc {
            // These scripts share nanoGPT's name and little else; what they train with is not printed.
            for key in ["optimizer", "architecture", "lr_schedule"] { mapping.add(key, .text("unknown"), .log) }
        }
        // Heads that stand alone before the first step, when a log was cut or the table follows its configuration.
        if chain.segments.allSatisfy({ $0.config.isEmpty }), let first = segments.first, first.isEmpty {
            mapping.add(first.config, .log)
        }
        try options.apply(to: &mapping)
        facts.config = mapping.facts()
        if let parameters = chain.segments.compactMap(\.parameters).last, parameters > 0 {
            facts.config.parameters = Fact(parameters, .log)
        }
        if let tokens = chain.segments.compactMap(\.tokensPerStep).last, tokens > 0 {
            facts.config.tokensPerStep = Fact(tokens, .log)
        }
        facts.config.derive()
        if let dataset = mapping.text("dataset") { facts.dataset.name = dataset }
        if let path = chain.segments.compactMap(\.trainPath).last { facts.dataset.name = facts.dataset.name ?? Fact(path, .log) }
        if facts.config.initFrom?.value.hasPrefix("gpt2") == true, facts.config.initFrom?.origin == .log {
            facts.notes.append(Message("note.fine-tuned"))
        }
        if let device = chain.segments.compactMap(\.deviceName).last { facts.device.name = Fact(device, .log) }
        if isLlmc {
            facts.device.printedPeakTflops = chain.segments.compactMap(\.devicePeakTflops).last
            facts.device.printedPeakName = facts.device.name?.value
        } else {
            facts.device.printedPeakTflops = 312
            facts.device.printedPeakName = "A100"
        }
        options.apply(to: &facts)
        facts.deriveRate()
        facts.fillTokens()
        return facts
    }
}

extension RunFacts {
    /// The peak rate from logged rates, once they have fallen from it, where no configuration names it.
    mutating func deriveRate() {
        guard config.learningRate == nil || config.learningRate?.origin == .assumed else { return }
        let rates = (steps.compactMap(\.lr) + futureRates.map(\.lr)).filter { $0.isFinite && $0 > 0 }
        guard let peak = rates.max(), let last = rates.last, rates.count >= 20,
            last < peak || rates.count(where: { $0 > peak * 0.999 }) >= 10
        else { return }
        config.learningRate = Fact(peak, .derived)
    }

    /// Tokens seen at every point where the log does not give them: between those that it gives in a straight line, since a resume
    /// may have changed the batch; behind the last by the tokens of a step.
    mutating func fillTokens() {
        guard let tokensPerStep = config.tokensPerStep?.value, tokensPerStep > 0 else { return }
        let given = steps.map { ($0.step, $0.tokens) } + evals.map { ($0.step, $0.tokens) }
        var known = given.compactMap { step, tokens in tokens.map { (step: step, tokens: $0) } }.sorted { $0.step < $1.step }
        known.removeAll { $0.step <= 0 }
        known.insert((step: 0, tokens: 0), at: 0)
        func tokens(at step: Int) -> Double {
            var low = 0, high = known.count
            while high - low > 1 {
                let middle = (low + high) / 2
                if known[middle].step <= step { low = middle } else { high = middle }
            }
            let before = known[low], way = Double(step - before.step)
            guard high < known.count else { return before.tokens + way * tokensPerStep }
            return before.tokens + (known[high].tokens - before.tokens) * way / Double(known[high].step - before.step)
        }
        for index in steps.indices where steps[index].tokens == nil { steps[index].tokens = tokens(at: steps[index].step) }
        for index in evals.indices where evals[index].tokens == nil { evals[index].tokens = tokens(at: evals[index].step) }
    }
}
