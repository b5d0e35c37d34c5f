// SPDX-License-Identifier: MIT
import Foundation
import Storage

extension CheckpointStore {
    /// Removes all checkpoints but the `keep` committed last, and those that `latest` and `best` name.
    ///
    /// Before the first is removed, one of those that stay must pass complete verification; otherwise nothing is removed.
    /// Folders without a valid manifest are left alone: what they hold may be worth saving by hand.
    /// - Parameters:
    ///   - keep: at least 1
    ///   - dryRun: only say what would be removed
    /// - Returns: what was removed, oldest first.
    /// - Throws: `FileError` when `keep` is not positive, no checkpoint that stays is valid, or one cannot be removed.
    @discardableResult
    public func prune(keep: Int, dryRun: Bool = false) throws -> [CheckpointInfo] {
        guard keep >= 1 else {
            throw FileError(
                path: folder, operation: "prune", reason: "keeping \(keep) checkpoints would lose the run; keep at least 1")
        }
        let all = list()
        let removed = Array(all.dropFirst(keep).filter { !$0.isLatest && !$0.isBest }.reversed())
        if removed.isEmpty || dryRun { return removed }
        let staying = all.filter { info in !removed.contains { $0.name == info.name } }
        var reasons: [String] = []
        let oneIsSound = staying.contains { info in
            do {
                try verify(info)
                return true
            } catch {
                reasons.append("\(error)")
                return false
            }
        }
        guard oneIsSound else {
            throw FileError(
                path: folder, operation: "prune",
                reason:
                    "none of the checkpoints that would stay is valid, so nothing was removed (\(reasons.joined(separator: "; ")))"
            )
        }
        for info in removed {
            // Renamed first: a removal that is cut short leaves rubbish that the next start clears, not half a checkpoint.
            let rubbish = folder + "/" + Self.temporaryPrefix + "removed-" + info.name
            try? FileManager.default.removeItem(atPath: rubbish)
            try rename(info.path, rubbish)
            do {
                try FileManager.default.removeItem(atPath: rubbish)
            } catch {
                throw FileError(path: rubbish, operation: "remove", reason: "\(error)")
            }
        }
        return removed
    }
}
