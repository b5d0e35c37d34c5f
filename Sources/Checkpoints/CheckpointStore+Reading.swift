// SPDX-License-Identifier: MIT
import Foundation
import Storage

extension CheckpointStore {
    /// The checkpoints with a valid manifest and files of the right sizes, the one committed last first.
    ///
    /// - Complexity: reads manifests only; `verify` reads everything.
    public func list() -> [CheckpointInfo] { scan(checkSizes: true).valid }

    /// The folders that look like checkpoints and are none, with the reasons.
    public func invalid() -> [SkippedCheckpoint] { scan(checkSizes: true).invalid }

    /// The checkpoint committed last of those that pass complete verification, and those newer ones that do not.
    ///
    /// - Parameter weightsOnly: leave out the optimizer's tensors, two thirds of the bytes, for who does not train on
    /// - Returns: nil when the run has no checkpoint at all.
    /// - Throws: `FileError` with every reason when there are checkpoints and none is valid.
    public func latestValid(weightsOnly: Bool = false) throws -> (info: CheckpointInfo, skipped: [SkippedCheckpoint])? {
        let (valid, invalid) = scan(checkSizes: true)
        var skipped: [SkippedCheckpoint] = []
        for info in valid {
            do {
                try verify(info, weightsOnly: weightsOnly)
                let newer = invalid.filter { $0.name >= info.name }
                return (info, newer + skipped)
            } catch {
                skipped.append(SkippedCheckpoint(name: info.name, reason: "\(error)"))
            }
        }
        skipped += invalid
        if skipped.isEmpty { return nil }
        let reasons = skipped.map { "\($0.name): \($0.reason)" }.joined(separator: "; ")
        throw FileError(
            path: folder, operation: "find a valid checkpoint in", reason: "none of the \(skipped.count) is valid: \(reasons)")
    }

    /// The checkpoint that `best` names; nil when there is none or it is not valid.
    public func best() -> CheckpointInfo? { list().first { $0.isBest } }

    /// The checkpoint of a step.
    ///
    /// - Throws: `FileError` naming the steps there are.
    public func checkpoint(step: Int) throws -> CheckpointInfo {
        let all = list()
        if let info = all.first(where: { $0.step == step }) { return info }
        if let damaged = invalid().first(where: { $0.name == Self.name(step: step) }) {
            throw FileError(path: folder + "/" + damaged.name, operation: "use the checkpoint", reason: damaged.reason)
        }
        let steps = all.map(\.step).sorted().map(String.init).joined(separator: ", ")
        throw FileError(
            path: folder, operation: "find the checkpoint of step \(step) in",
            reason: steps.isEmpty ? "there is no checkpoint" : "there are checkpoints of the steps \(steps)")
    }

    /// Reads every byte of a checkpoint and compares sizes, checksums and contents with its manifest.
    ///
    /// - Parameters:
    ///   - info: one of `list()`
    ///   - weightsOnly: leave out the optimizer's tensors
    /// - Throws: `FileError` naming the file that is wrong.
    public func verify(_ info: CheckpointInfo, weightsOnly: Bool = false) throws {
        for file in info.manifest.files where !(weightsOnly && file.name == Self.optimizerFile) {
            let path = info.path + "/" + file.name
            let (bytes, crc) = try Self.checksum(path, pause)
            guard bytes == file.bytes, CRC32C.text(crc) == file.crc32c else {
                throw FileError(
                    path: path, operation: "verify",
                    reason: bytes != file.bytes
                        ? "it has \(bytes) bytes, its manifest says \(file.bytes)"
                        : "its checksum is \(CRC32C.text(crc)), its manifest says \(file.crc32c); it changed after it was written"
                )
            }
        }
        if weightsOnly { _ = try Self.openWeights(info) } else { _ = try open(info) }
    }

    /// Verifies the checkpoint in a folder of this run, such as "step-00000500".
    public func verify(name: String) throws {
        let info = try check(name: name, checkSizes: true).get()
        try verify(info)
    }

    /// Opens a checkpoint's files; the tensors are mapped, not read.
    ///
    /// - Throws: `FileError` when one cannot be opened or breaks its format.
    public func open(_ info: CheckpointInfo) throws -> LoadedCheckpoint { try Self.open(info) }

    static func open(_ info: CheckpointInfo) throws -> LoadedCheckpoint {
        let (model, state) = try openWeights(info)
        return LoadedCheckpoint(
            info: info, model: model, optimizer: try SafetensorsFile(path: info.path + "/" + optimizerFile), state: state)
    }

    static func openWeights(_ info: CheckpointInfo) throws -> (model: SafetensorsFile, state: CheckpointState) {
        let state = try CheckpointState.read(path: info.path + "/" + stateFile)
        guard state.step == info.step else {
            throw FileError(
                path: info.path, operation: "use the checkpoint",
                reason: "its state says step \(state.step), its manifest \(info.step)")
        }
        return (try SafetensorsFile(path: info.path + "/" + modelFile), state)
    }

    /// Reads a checkpoint folder by itself, wherever it lies.
    ///
    /// - Throws: `FileError` when its manifest is missing or damaged or a file has the wrong size.
    public static func checkpoint(folder path: String, isLatest: Bool = false, isBest: Bool = false) throws -> CheckpointInfo {
        let manifest = try CheckpointManifest.read(folder: path)
        for file in manifest.files {
            var status = stat()
            guard stat(path + "/" + file.name, &status) == 0 else {
                throw FileError(path: path + "/" + file.name, operation: "read", errno: errno)
            }
            guard Int(status.st_size) == file.bytes else {
                throw FileError(
                    path: path + "/" + file.name, operation: "use",
                    reason: "it has \(status.st_size) bytes, its manifest says \(file.bytes)")
            }
        }
        let name = (path as NSString).lastPathComponent
        return CheckpointInfo(name: name, path: path, manifest: manifest, isLatest: isLatest, isBest: isBest)
    }

    /// The checkpoint folder that `latest` or `best` names; nil when there is no such file.
    func pointer(_ name: String) -> String? {
        guard let data = FileManager.default.contents(atPath: runFolder + "/" + name), data.count < 256 else { return nil }
        return String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Checks one folder of this run.
    func check(name: String, checkSizes: Bool, latest: String? = nil, best: String? = nil) -> Result<CheckpointInfo, FileError> {
        let path = folder + "/" + name
        do {
            // A checkpoint that is being replaced answers under the name it had.
            let own = name.hasPrefix(Self.replacedPrefix) ? String(name.dropFirst(Self.replacedPrefix.count)) : name
            let info = CheckpointInfo(
                name: own, path: path,
                manifest: checkSizes ? try Self.checkpoint(folder: path).manifest : try CheckpointManifest.read(folder: path),
                isLatest: own == latest, isBest: own == best)
            guard Self.name(step: info.step) == own else {
                throw FileError(path: path, operation: "use the checkpoint", reason: "its manifest is of step \(info.step)")
            }
            return .success(info)
        } catch let error as FileError {
            return .failure(error)
        } catch {
            return .failure(FileError(path: path, operation: "use the checkpoint", reason: "\(error)"))
        }
    }

    /// Sorts the folders into valid ones, the last commit first, and invalid ones, the highest step first.
    func scan(checkSizes: Bool) -> (valid: [CheckpointInfo], invalid: [SkippedCheckpoint]) {
        let latest = pointer("latest"), best = pointer("best")
        var valid: [CheckpointInfo] = [], invalid: [SkippedCheckpoint] = []
        // Plain names first ("." sorts before "s"), so that a replaced checkpoint only counts when its successor does not.
        for name in Folder.names(folder).reversed() {
            let isReplaced = name.hasPrefix(Self.replacedPrefix)
            guard isReplaced || name.hasPrefix("step-") else { continue }
            switch check(name: name, checkSizes: checkSizes, latest: latest, best: best) {
            case .success(let info): if !valid.contains(where: { $0.name == info.name }) { valid.append(info) }
            case .failure(let error): if !isReplaced { invalid.append(SkippedCheckpoint(name: name, reason: "\(error)")) }
            }
        }
        valid.sort { ($0.manifest.sequence, $0.step) > ($1.manifest.sequence, $1.step) }
        return (valid, invalid)
    }

    /// Size and CRC-32C of a file, read by calls that report a failing disk instead of ending the process.
    private static func checksum(_ path: String, _ pause: () -> Void) throws -> (bytes: Int, crc: UInt32) {
        let file = Foundation.open(path, O_RDONLY | O_CLOEXEC)
        if file < 0 { throw FileError(path: path, operation: "open", errno: errno) }
        defer { close(file) }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4 << 20, alignment: 64)
        defer { buffer.deallocate() }
        var crc = CRC32C(), total = 0
        while true {
            let count = read(file, buffer.baseAddress, buffer.count)
            if count < 0 {
                if errno == EINTR { continue }
                throw FileError(path: path, operation: "read", errno: errno)
            }
            if count == 0 { return (total, crc.value) }
            crc.update(UnsafeRawBufferPointer(rebasing: buffer[0..<count]))
            total += count
            pause()
        }
    }
}
