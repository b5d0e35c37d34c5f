// SPDX-License-Identifier: MIT
import Checkpoints
import Foundation
import Storage
import Testing

/// What SECURITY.md promises of checkpoints and models: names in them lead nowhere else, and nothing in them runs.
struct SecurityTests {
    /// Names that would lead out of a folder, or to something that is no file of it.
    static let escapes = [
        "../secret.safetensors", "/etc/passwd", "a/../../secret.safetensors", "..", ".", "", "a/b", "a\u{0}b", "a\nb",
    ]

    @Test(arguments: escapes) func anIndexOfPartsStaysInItsFolder(_ name: String) throws {
        let outer = try TemporaryFolder()
        try Folder.create(outer.file("model"))
        // The file it points at is there and could be read.
        try SafetensorsWriter.write(
            path: outer.file("secret.safetensors"), sources: [TensorSource(name: "a", shape: [1], values: [1])])
        let map = try JSONSerialization.data(withJSONObject: ["weight_map": ["a": name]])
        _ = try outer.write(Array(map), "model/model.safetensors.index.json")
        let error = #expect(throws: FileError.self) { try ShardedSafetensors(folder: outer.file("model")) }
        #expect(error?.reason == "the place of 'a' is no plain file name")
    }

    @Test(arguments: escapes + [".hidden"]) func aManifestStaysInItsFolder(_ name: String) throws {
        let folder = try TemporaryFolder()
        let store = CheckpointStore(runFolder: folder.path)
        let info = try store.commit(
            step: 1, model: modelSources(seed: 1), optimizer: optimizerSources(seed: 2), state: state(step: 1))
        let path = info.path + "/manifest.json"
        var object = try #require(
            JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: path))) as? [String: Any])
        let forged: [String: Any] = ["name": name, "bytes": 1, "crc32c": "00000000"]
        object["files"] = try #require(object["files"] as? [Any]) + [forged]
        object["manifest_crc32c"] = "00000000"
        var text = try JSONSerialization.data(withJSONObject: object, options: [.sortedKeys, .withoutEscapingSlashes])
        // With a right checksum of itself: whoever forges names forges that too.
        let zeros = try #require(text.range(of: Data("\"manifest_crc32c\":\"00000000\"".utf8)))
        let crc = text.withUnsafeBytes { CRC32C.text(CRC32C.of($0)) }
        text.replaceSubrange(zeros.upperBound - 9..<zeros.upperBound - 1, with: Data(crc.utf8))
        try text.write(to: URL(fileURLWithPath: path))
        let error = #expect(throws: FileError.self) { try CheckpointStore.checkpoint(folder: info.path) }
        #expect(error?.reason.contains("which is no plain file name") == true, "\(error?.reason ?? "")")
    }

    @Test func latestAndBestNameOnlyOwnCheckpoints() throws {
        let folder = try TemporaryFolder()
        let mine = CheckpointStore(runFolder: folder.file("mine")), other = CheckpointStore(runFolder: folder.file("other"))
        for store in [mine, other] {
            try store.commit(step: 1, model: modelSources(seed: 1), optimizer: optimizerSources(seed: 2), state: state(step: 1))
        }
        try other.commit(step: 2, model: modelSources(seed: 3), optimizer: optimizerSources(seed: 4), state: state(step: 2))
        for name in ["../../other/checkpoints/step-00000002", folder.file("other/checkpoints/step-00000002"), "..", "/"] {
            for pointer in ["latest", "best"] {
                try Data((name + "\n").utf8).write(to: URL(fileURLWithPath: folder.file("mine/" + pointer)))
            }
            #expect(mine.best() == nil)
            #expect(try mine.latestValid()?.info.step == 1)
            #expect(mine.list().allSatisfy { !$0.isLatest && !$0.isBest })
        }
    }

    /// A pickle that names a function, by every opcode that can; the file it would make is not there afterwards.
    @Test func aPickleRunsNothing() throws {
        let folder = try TemporaryFolder(), made = folder.file("made")
        let command = Array("touch \(made)".utf8)
        let text: [UInt8] = [0x58, UInt8(command.count), 0, 0, 0] + command  // BINUNICODE
        func short(_ name: String) -> [UInt8] { [0x8C, UInt8(name.utf8.count)] + Array(name.utf8) }
        let names: [[UInt8]] = [
            Array("cos\nsystem\n".utf8), Array("cposix\nsystem\n".utf8), Array("cbuiltins\nexec\n".utf8),
            Array("ctorch\nload\n".utf8), short("os") + short("system") + [0x93],  // STACK_GLOBAL
            Array("ctorch._utils\n_rebuild_tensor_v2\n".utf8),  // allowed, with arguments that are no tensor's
        ]
        let calls: [([UInt8]) -> [UInt8]] = [
            { $0 + text + [0x85, 0x52, 0x2E] },  // TUPLE1 REDUCE STOP
            { $0 + [0x28] + text + [0x74, 0x52, 0x2E] },  // MARK TUPLE REDUCE
            { $0 + text + [0x85, 0x81, 0x2E] },  // NEWOBJ
            { [0x28] + $0 + text + [0x6F, 0x2E] },  // OBJ
            { $0 + [0x29, 0x52] + text + [0x62, 0x2E] },  // REDUCE, then BUILD
        ]
        let inst: [UInt8] = [0x28] + text + Array("ios\nsystem\n".utf8) + [0x2E]  // INST
        for pickle in names.flatMap({ name in calls.map { $0(name) } }) + [inst] {
            let path = try folder.write(storedZip([("a/data.pkl", [0x80, 4] + pickle)]), "a.pt")
            #expect(throws: FileError.self) { try PyTorchCheckpoint(path: path) }
            #expect(!FileManager.default.fileExists(atPath: made))
        }
    }
}
