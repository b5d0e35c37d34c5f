// SPDX-License-Identifier: MIT
import Storage

extension CheckpointStore {
    /// Names a committed checkpoint as the best so far.
    ///
    /// - Throws: `FileError` when there is no checkpoint of that step, or `best` cannot be written.
    public func markBest(step: Int) throws {
        let info = try checkpoint(step: step)
        try AtomicFileWriter.write(info.name + "\n", to: runFolder + "/best", calls: calls)
    }
}
