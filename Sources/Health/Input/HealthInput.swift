// SPDX-License-Identifier: MIT
import Foundation
import RunLog

/// Says in a sentence why there is nothing to report on.
public struct HealthInputError: Error, CustomStringConvertible, Equatable {
    /// The file or folder as it was asked for.
    public let path: String
    /// A clause for people, mostly with what to do about it.
    public let reason: String

    /// `description` puts both into one sentence.
    public init(path: String, reason: String) {
        self.path = path
        self.reason = reason
    }

    public var description: String { "cannot report on '\(path)': \(reason)" }
}

/// Reads run records from disk; the one file of this module that touches the file system.
public enum HealthInput {
    /// - Parameters:
    ///   - path: an Apus run folder, or a file: nanoGPT's or llm.c's output, llm.c's main.log, trainer_state.json, CSV.
    ///   - options: what the record lacks
    /// - Throws: `HealthInputError` with one clear sentence; `ConfigError` when `options.configuration` cannot be read.
    public static func load(path: String, options: InputOptions = InputOptions()) throws -> RunFacts {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw HealthInputError(path: path, reason: "no such file or folder; check the path")
        }
        var facts: RunFacts
        if isFolder.boolValue {
            facts = try loadFolder(path, options)
        } else {
            guard let data = try? Data(contentsOf: URL(fileURLWithPath: path), options: .mappedIfSafe) else {
                throw HealthInputError(path: path, reason: "it cannot be read; check its permissions")
            }
            facts = try parse(data, name: path, options: options)
        }
        if let data = options.dataPath {
            do {
                facts.dataset.add(try DatasetManifest.read(path: data + "/dataset.json"), origin: .option)
            } catch {
                facts.notes.append(
                    Message("note.no-manifest", ["path": .text(data), "command": .command("apus prepare --audit \(data)")]))
            }
        }
        return facts
    }

    private static func loadFolder(_ path: String, _ options: InputOptions) throws -> RunFacts {
        let folder = RunFolder(path)
        guard folder.exists else {
            // A Hugging Face checkpoint folder, or an llm.c log folder, named by their folder.
            for name in ["trainer_state.json", "main.log", "train.log", "log.txt"] {
                let file = path + "/" + name
                if FileManager.default.fileExists(atPath: file) { return try load(path: file, options: options) }
            }
            throw HealthInputError(
                path: path,
                reason:
                    "the folder has no run.json; name an Apus run folder, a log of nanoGPT or llm.c, trainer_state.json or a CSV"
            )
        }
        do {
            let record = try folder.readRecord()
            let metrics = try folder.readMetrics()
            let manifest =
                record.config.data.isEmpty ? nil : try? DatasetManifest.read(path: record.config.data + "/dataset.json")
            var facts = ApusRun.facts(
                record: record, metrics: metrics, manifest: manifest, samples: samples(folder.samples), name: path)
            options.apply(to: &facts)
            if facts.steps.isEmpty, facts.evals.isEmpty {
                throw HealthInputError(
                    path: path, reason: "the run has not made a step yet; report again after its first evaluation")
            }
            return facts
        } catch let error as HealthInputError {
            throw error
        } catch {
            throw HealthInputError(path: path, reason: "\(error)")
        }
    }

    /// The newest samples, a few of them.
    private static func samples(_ folder: String) -> [String] {
        let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted().suffix(4)
        return names.compactMap { name in
            FileManager.default.contents(atPath: folder + "/" + name).map { String(decoding: $0.prefix(65536), as: UTF8.self) }
        }
    }

    /// Reads a record from bytes; the form is told by the content, not by the name.
    /// - Throws: `HealthInputError`, `ConfigError`.
    public static func parse(_ data: Data, name: String, options: InputOptions = InputOptions()) throws -> RunFacts {
        guard !data.isEmpty else {
            throw HealthInputError(path: name, reason: "the file is empty; was the run's output redirected into it?")
        }
        let head = data.prefix(4096)
        let firstByte = head.first { ![32, 9, 10, 13].contains($0) }
        if firstByte == UInt8(ascii: "{"), let facts = try TrainerState.read(data, name: name, options: options) {
            return try checked(facts)
        }
        // SAFETY: the buffer is read inside this call only.
        let facts: RunFacts? = try data.withUnsafeBytes { raw in
            let bytes = raw.bindMemory(to: UInt8.self)
            if let table = try CurveTable.read(bytes, name: name, options: options) { return table }
            return try LogReader.read(bytes).facts(name: name, options: options)
        }
        if let facts { return try checked(facts) }
        // A NUL byte does not occur in text.
        if head.contains(0) {
            throw HealthInputError(
                path: name,
                reason: "it is a binary file, not a log; name the text that the training program printed, or an Apus run folder")
        }
        throw HealthInputError(
            path: name,
            reason: "no line of a training run was found; understood are nanoGPT's and llm.c's output, llm.c's main.log, "
                + "Hugging Face's trainer_state.json, CSV with columns step and train_loss or val_loss, and Apus run folders")
    }

    private static func checked(_ facts: RunFacts) throws -> RunFacts {
        if facts.steps.isEmpty, facts.evals.isEmpty {
            throw HealthInputError(path: facts.name, reason: "it holds no loss yet; report again after the first evaluation")
        }
        return facts
    }
}
