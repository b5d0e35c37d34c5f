// SPDX-License-Identifier: MIT
import RunLog

/// Turns an Apus run's record and metrics into facts.
enum ApusRun {
    static func facts(record: RunRecord, metrics: MetricsFile, manifest: DatasetManifest?, samples: [String], name: String)
        -> RunFacts
    {
        var facts = RunFacts(source: .apus, name: name)
        let config = record.config.resolved()
        var mapping = ConfigMapping()
        for (key, value) in config.values { mapping.add(key, value, .log) }
        mapping.add("optimizer", .text("AdamW"), .log)
        mapping.add("architecture", .text("gpt2"), .log)
        facts.config = mapping.facts()
        facts.config.tokensPerStep = Fact(Double(config.tokensPerStep), .log)
        facts.config.derive()
        // Our wsd decays over the last fifth of what follows the warm-up.
        if facts.config.schedule?.value == .wsd, let end = facts.config.lrDecayIters?.value {
            facts.config.cooldownIters = Fact(max(1, (end - (facts.config.warmupIters?.value ?? 0)) / 5), .derived)
        }
        facts.samples = samples
        facts.device.isHostMemory = config.device == "cpu"
        facts.dataset = dataset(record: record, manifest: manifest)
        // Failures that a resume went on from are no longer among the events that stand; they come first.
        let failures = metrics.lines.filter(isFailure)
        for event in failures.prefix(failures.count - metrics.events.count(where: isFailure)) { add(event, to: &facts) }
        for event in metrics.events { add(event, to: &facts) }
        if metrics.unreadable > 0 {
            facts.notes.append(Message("note.unreadable-lines", ["count": .integer(metrics.unreadable)]))
        }
        facts.fillTokens()
        return facts
    }

    private static func dataset(record: RunRecord, manifest: DatasetManifest?) -> DatasetFacts {
        var dataset = DatasetFacts()
        let config = record.config
        let named = config.dataset.isEmpty ? config.data : config.dataset
        if !named.isEmpty { dataset.name = Fact(named, .log) }
        dataset.path = config.data.isEmpty ? nil : config.data
        if let data = record.data {
            dataset.tokenizer = Fact(data.tokenizer, .log)
            dataset.trainTokens = Fact(Double(data.trainTokens), .log)
            dataset.valTokens = Fact(Double(data.valTokens), .log)
            if let bytes = data.valBytes, data.valTokens > 0 {
                dataset.bytesPerToken = Fact(Double(bytes) / Double(data.valTokens), .log)
            }
            dataset.unigramEntropy = data.unigramEntropy.map { Fact($0, .log) }
            dataset.trainDocuments = data.trainDocuments
            dataset.valDocuments = data.valDocuments
            var audit = AuditRecord()
            audit.unigramEntropy = data.unigramEntropy
            audit.tokensPerDocumentMean = data.tokensPerDocument
            dataset.audit = audit
            // The source says what the data is when the folder's name does not.
            if DatasetKind(dataset.name?.value) == .unknown,
                let source = data.sources?.first(where: { DatasetKind($0) != .unknown })
            {
                dataset.name = Fact(source, .log)
            }
        }
        if let manifest { dataset.add(manifest, origin: .log) }
        return dataset
    }

    private static func add(_ event: RunEvent, to facts: inout RunFacts) {
        switch event.event {
        case .step:
            var point = StepPoint(step: event.step)
            point.tokens = event.tokens.map(Double.init)
            point.loss = event.loss
            point.lr = event.lr
            point.gradNorm = event.gradNorm
            point.stepMs = event.stepMs
            point.dataMs = event.dataMs
            point.mfuPrinted = event.mfu
            point.ceilingFraction = event.ceilingFraction
            point.tokensPerSecond = event.tokensPerSecond
            point.memoryBytes = event.memoryBytes
            facts.steps.append(point)
            if facts.device.isHostMemory, let memory = event.memoryBytes {
                facts.device.memoryUsedBytes = max(memory, facts.device.memoryUsedBytes ?? 0)
            }
        case .eval:
            var point = EvalPoint(step: event.step)
            point.tokens = event.tokens.map(Double.init)
            point.trainLoss = event.trainLoss
            point.valLoss = event.valLoss
            point.valStderr = event.valStderr
            point.valBitsPerByte = event.valBitsPerByte
            point.ms = event.evalMs
            if facts.evals.last?.step == event.step { facts.evals.removeLast() }
            facts.evals.append(point)
            if let tokens = event.evalTokens { facts.config.evalTokens = Fact(Double(tokens), .log) }
        case .start: begin(event, in: &facts)
        case .resume:
            facts.incidents.append(RunIncident(.resume, step: event.step, detail: event.message ?? ""))
            begin(event, in: &facts)
        case .rollback: facts.incidents.append(RunIncident(.rollback, step: event.step, detail: event.message ?? ""))
        case .skip: facts.incidents.append(RunIncident(.skip, step: event.step, detail: event.message ?? event.code ?? ""))
        case .warning: facts.incidents.append(RunIncident(.warning, step: event.step, detail: event.message ?? event.code ?? ""))
        case .end:
            if event.message?.hasPrefix("interrupted") == true {
                facts.incidents.append(RunIncident(.interrupted, step: event.step, detail: ""))
            } else if isFailure(event) {
                let reason = event.code ?? ""
                let memory = reason.contains("ran out of memory")
                facts.incidents.append(RunIncident(memory ? .outOfMemory : .failed, step: event.step, detail: reason))
            }
        case .checkpoint: break
        }
    }

    private static func isFailure(_ event: RunEvent) -> Bool { event.event == .end && event.message == "failed" }

    /// A start or resume: the device, and what the run planned to take of a card's memory.
    private static func begin(_ event: RunEvent, in facts: inout RunFacts) {
        if let device = event.device, facts.device.name == nil || event.event == .start {
            facts.device.name = Fact(device, .log)
        }
        // The memory that steps log is the process's, which says nothing of a card's. A plan for another card is left out.
        if !facts.device.isHostMemory, event.device == facts.device.name?.value {
            facts.device.memoryUsedBytes = event.plannedBytes.map(Double.init)
        }
    }
}

extension DatasetFacts {
    /// Adds what dataset.json says; a stated name stays.
    mutating func add(_ manifest: DatasetManifest, origin: FactOrigin) {
        tokenizer = Fact(manifest.tokenizer.name, origin)
        if manifest.tokenizer.vocabSize > 0 { tokenizerSize = Fact(manifest.tokenizer.vocabSize, origin) }
        trainTokens = Fact(Double(manifest.train.tokens), origin)
        valTokens = Fact(Double(manifest.val.tokens), origin)
        if manifest.val.tokens > 0, manifest.val.bytes > 0 {
            bytesPerToken = Fact(Double(manifest.val.bytes) / Double(manifest.val.tokens), origin)
        } else {
            bytesPerToken = manifest.audit.bytesPerToken.map { Fact($0, origin) }
        }
        unigramEntropy = manifest.audit.unigramEntropy.map { Fact($0, origin) }
        validationStderr = manifest.audit.validationStderr.map { Fact($0, origin) }
        trainDocuments = manifest.train.documents
        valDocuments = manifest.val.documents
        audit = manifest.audit
        if DatasetKind(name?.value) == .unknown, let source = manifest.sources.first(where: { DatasetKind($0.name) != .unknown })
        {
            name = Fact(source.name, origin)
        }
    }
}
