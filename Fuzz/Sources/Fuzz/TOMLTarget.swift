// SPDX-License-Identifier: MIT
import FuzzKit
import RunLog

/// The command's mistake of usage, which its reader of configurations throws.
struct UsageError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// The TOML configuration as `apus train` reads it; its reader belongs to the command and is linked in from there.
let tomlTarget = FuzzTarget("toml-config") { input, folder in
    do {
        var config = RunConfig()
        for entry in try ConfigFile.read(folder.write("input.toml", input)) {
            try config.set(entry.key, entry.value, source: entry.source)
        }
        RunTargets.exercise(config)
    } catch let error as UsageError { throw ExplainedError(error.description) }
}
