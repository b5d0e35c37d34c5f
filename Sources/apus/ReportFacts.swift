// SPDX-License-Identifier: MIT
import Foundation
import Health
import RunLog
import Storage

/// Refuses facts about a run that no run can have, before a report rests on them.
enum ReportFacts {
    /// Keys that the report takes besides those of the configuration.
    static let keys = [
        "total_batch_size", "cooldown_iters", "optimizer", "architecture", "parameters", "train_tokens", "tokenizer",
    ]

    private static let architectures = ["gpt2", "modern"]
    /// Public data sets by the names that people give them.
    private static let datasets = ["fineweb", "fineweb-edu", "openwebtext", "shakespeare_char", "shakespeare", "tinystories"]

    /// A value of `--KEY VALUE`; as a name where it is typed as a number but meant as one.
    ///
    /// - Throws: `UsageError` or `ConfigError` saying what was given and what is valid.
    static func checked(_ value: ConfigValue, key: String, option: String) throws -> ConfigValue {
        func refuse(_ valid: String) -> UsageError { UsageError("\(option) \(typed(value)) is not valid: \(valid)") }
        switch key {
        case "total_batch_size", "cooldown_iters", "parameters", "train_tokens":
            let number: Double? =
                switch value {
                case .integer(let whole): Double(whole)
                case .number(let number): number
                default: nil
                }
            guard let number, number >= 1, number <= 1e15 else { throw refuse("a number from 1 to 1e15, such as 40.6e6") }
            return value
        case "architecture":
            guard case .text(let name) = value, architectures.contains(name) else {
                let near = nearestName(to: typed(value), among: architectures).map { "; did you mean \($0)?" } ?? ""
                throw refuse("one of " + architectures.joined(separator: ", ") + near)
            }
            return value
        case "optimizer", "tokenizer":
            guard case .text = value else { return .text(typed(value)) }
            return value
        default:
            // The run's own key: what training would refuse is refused here, in the same words.
            var config = RunConfig()
            var value = value
            if case .text? = RunConfig.fieldsByKey[key]?.get(config), case .integer(let name) = value {
                value = .text(String(name))
            }
            // Other programs' runs have types that ours does not train with.
            if key == "dtype", case .text(let name) = value, ["float16", "fp16", "fp32", "tf32"].contains(name) { return value }
            try config.set(key, value, source: option)
            return value
        }
    }

    /// - Throws: `UsageError` with what is known, for a card that is not in the table, a name that is nearly a data set's, or a folder
    ///   that does not exist.
    static func check(device: String?, dataset: String?, data: String?) throws {
        if let device, device.lowercased() != "cpu", GPU.named(device) == nil {
            throw unknownDevice(device)
        }
        // Any name may be that of one's own data; one that is nearly a known name is a slip that would cost the comparison.
        if let dataset, DatasetKind(dataset) == .unknown, let near = nearestName(to: dataset.lowercased(), among: datasets),
            dataset.count > 3
        {
            throw UsageError("unknown data set '\(dataset)'; did you mean \(near)? Known are \(datasets.joined(separator: ", "))")
        }
        if let data, !Folder.exists(data) {
            throw UsageError("--data \(data) is no folder; name the dataset folder that holds dataset.json")
        }
    }

    /// For a card that is not in the table: the names that are nearest.
    static func unknownDevice(_ name: String) -> UsageError {
        let near = PlanDevice.suggestions(for: name)
        let hint =
            near.isEmpty
            ? "name a graphics card such as \"RTX 4070\", or cpu" : "close names: \(near.joined(separator: ", ")); or cpu"
        return UsageError("unknown device '\(name)'; \(hint)")
    }

    private static func typed(_ value: ConfigValue) -> String {
        if case .text(let text) = value { return "'\(text)'" }
        return value.description
    }
}
