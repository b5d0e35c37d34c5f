// SPDX-License-Identifier: MIT
import Checkpoints
import Compute
import Foundation
import Storage

/// A folder that is removed when the test ends.
final class TemporaryFolder {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "apus-checkpoints-\(UUID().uuidString)"
        try Folder.create(path)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { path + "/" + name }

    func write(_ bytes: [UInt8], _ name: String) throws -> String {
        try overwrite(file(name), Data(bytes))
        return file(name)
    }
}

/// Replaces a file by a new one: some file systems flush a file that is truncated, which takes milliseconds.
func overwrite(_ path: String, _ data: Data) throws {
    unlink(path)
    try data.write(to: URL(fileURLWithPath: path))
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, seeded, and the same everywhere.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

/// Values that depend on a seed only.
func values(_ count: Int, seed: UInt64) -> [Float] {
    var generator = SeededGenerator(seed)
    return (0..<count).map { _ in Float.random(in: -1...1, using: &generator) }
}

/// Two small tensors under real names.
func modelSources(seed: UInt64) -> [TensorSource] {
    [
        TensorSource(name: "transformer.wte.weight", shape: [10, 4], values: values(40, seed: seed)),
        TensorSource(name: "transformer.ln_f.weight", shape: [4], values: values(4, seed: seed &+ 1)),
    ]
}

func optimizerSources(seed: UInt64) -> [TensorSource] {
    modelSources(seed: seed).flatMap { source in
        ["exp_avg", "exp_avg_sq"].map {
            TensorSource(name: "\(source.name).\($0)", dtype: source.dtype, shape: source.shape, fill: source.fill)
        }
    }
}

func state(step: Int) -> CheckpointState {
    CheckpointState(
        step: step, tokensSeen: step * 1024, nextSample: step * 8, seed: 1337, bestValLoss: 4.25, bestStep: step,
        configFingerprint: "abc", extra: ["note": "ä \"x\""])
}

/// The golden folder beside the repository; nil when this clone has none.
func golden(_ name: String) -> String? {
    // The sources may be reached through a link; the data stand beside the real repository.
    var folder = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
    for _ in 0..<4 { folder.deleteLastPathComponent() }
    let path = folder.appendingPathComponent("shared/golden/\(name)").path
    if FileManager.default.fileExists(atPath: path) { return path }
    print("skipped: a check of \(name) needs ../shared/golden/\(name)")
    return nil
}

extension SafetensorsFile {
    func floats(_ name: String) throws -> [Float] {
        let bytes = try bytes(name)
        return (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self) }
    }
}
