// SPDX-License-Identifier: MIT
import Foundation
import Remote
import Storage
import Synchronization
import TestKit
import Testing

/// Models of the hub, asked of a server that answers as the hub does.
struct HubModelsTests {
    static let commit = "89abcdef0123456789abcdef0123456789abcdef"

    /// A repository of these files, of which the large ones have a SHA-256.
    private func hub(
        _ files: [String: [UInt8]], repository: String = "openai-community/gpt2", revision: String = "main",
        corrupt: String? = nil
    ) throws -> LocalServer {
        try LocalServer { request in
            let api = "/api/models/\(repository)"
            if request.path == "\(api)/revision/\(revision)" {
                return ServedResponse(body: Array("{\"sha\":\"\(Self.commit)\"}".utf8))
            }
            if request.path == "\(api)/tree/\(Self.commit)?recursive=true" {
                let entries = files.keys.sorted().map { name -> String in
                    let bytes = files[name] ?? []
                    let large = bytes.count > 100 ? ",\"lfs\":{\"oid\":\"\(SHA256.hex(of: bytes))\",\"size\":\(bytes.count)}" : ""
                    return "{\"type\":\"file\",\"path\":\"\(name)\",\"size\":\(bytes.count),\"oid\":\"b1\"\(large)}"
                }
                return ServedResponse(body: Array("[\(entries.joined(separator: ","))]".utf8))
            }
            let place = "/\(repository)/resolve/\(Self.commit)/"
            guard request.path.hasPrefix(place), var bytes = files[String(request.path.dropFirst(place.count))] else {
                return ServedResponse(status: 404)
            }
            if let corrupt, request.path.hasSuffix(corrupt) { bytes[0] ^= 1 }
            return .file(bytes, request)
        }
    }

    private func models(_ server: LocalServer, _ folder: TemporaryFolder) -> HubModels {
        HubModels(environment: ["HF_ENDPOINT": server.address, "XDG_CACHE_HOME": folder.path])
    }

    private static let weights = (0..<5000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    private static let files: [String: [UInt8]] = [
        "config.json": Array("{}".utf8), "model.safetensors": weights, "pytorch_model.bin": [1, 2, 3], "tokenizer.json": [4],
        "vocab.json": [5], "merges.txt": [6], "README.md": [7], "onnx/config.json": [8], "tf_model.h5": [9],
    ]

    private func message(_ body: () throws -> Any?) -> String {
        do {
            _ = try body()
            Issue.record("an error was expected")
            return ""
        } catch { return "\(error)" }
    }

    @Test func aModelComesOnceAndWhole() throws {
        let server = try hub(Self.files), folder = try TemporaryFolder()
        let address = try #require(try HubModels.Address("gpt2"))
        #expect(models(server, folder).cached(address) == nil)
        let path = try models(server, folder).folder(address)
        #expect(path == folder("apus/models/openai-community--gpt2"))
        // What a model is read from, and nothing else.
        #expect(Folder.names(path) == ["apus-download.json", "config.json", "model.safetensors", "tokenizer.json"])
        #expect(FileManager.default.contents(atPath: path + "/model.safetensors").map { Array($0) } == Self.weights)
        let asked = server.requests.count
        #expect(try models(server, folder).folder(address) == path && server.requests.count == asked)
        // Without a server it is still there; a file that was cut off is fetched again.
        server.stop()
        #expect(models(server, folder).cached(address) == path)
        try Data(Self.weights.prefix(100)).write(to: URL(fileURLWithPath: path + "/model.safetensors"))
        #expect(models(server, folder).cached(address) == nil)
        let again = try hub(Self.files)
        #expect(try models(again, folder).folder(address) == path)
        #expect(FileManager.default.contents(atPath: path + "/model.safetensors").map { Array($0) } == Self.weights)
    }

    @Test func otherRepositoriesRevisionsAndForms() throws {
        let parts: [String: [UInt8]] = [
            "config.json": [1], "model.safetensors.index.json": [2], "model-00001-of-00002.safetensors": [3],
            "model-00002-of-00002.safetensors": [4], "vocab.json": [5], "merges.txt": [6],
        ]
        let server = try hub(parts, repository: "me/tiny.gpt", revision: "v1.0"), folder = try TemporaryFolder()
        let path = try models(server, folder).folder(try #require(try HubModels.Address("hf://me/tiny.gpt@v1.0")))
        #expect(path.hasSuffix("/me--tiny.gpt@v1.0"))
        #expect(Folder.names(path) == (["apus-download.json"] + parts.keys).sorted())
        let old = try hub(["config.json": [1], "pytorch_model.bin": [2]])
        let oldPath = try models(old, TemporaryFolder()).folder(try #require(try HubModels.Address("gpt2")))
        #expect(oldPath.hasSuffix("openai-community--gpt2"))
    }

    @Test func whatIsNoModelIsExplained() throws {
        let address = try #require(try HubModels.Address("gpt2"))
        for (files, reason) in [
            (["README.md": [UInt8(1)]], "it has no config.json"),
            (["config.json": [UInt8(1)], "tf_model.h5": [2]], "it has neither model.safetensors nor pytorch_model.bin"),
        ] {
            let server = try hub(files), folder = try TemporaryFolder()
            #expect(message { try models(server, folder).folder(address) }.contains(reason))
        }
        let server = try hub(Self.files, corrupt: "model.safetensors"), folder = try TemporaryFolder()
        #expect(message { try models(server, folder).folder(address) }.contains("twice its SHA-256 was not"))
        #expect(models(server, folder).cached(address) == nil)
        let nowhere = HubModels(environment: ["HF_ENDPOINT": server.address])
        #expect(message { try nowhere.folder(address) }.contains("neither XDG_CACHE_HOME nor HOME"))
    }

    /// A server that is not there is told at each try, not after all of them.
    @Test func everyTryIsTold() throws {
        let server = try LocalServer { _ in ServedResponse(status: 503, headers: ["Retry-After": "0"]) }
        let notes = Mutex<[String]>([]), folder = try TemporaryFolder()
        let models = HubModels(environment: ["HF_ENDPOINT": server.address, "XDG_CACHE_HOME": folder.path]) { note in
            notes.withLock { $0.append(note) }
        }
        let address = try #require(try HubModels.Address("gpt2"))
        #expect(message { try models.folder(address) }.contains("answered 503 (4 tries)"))
        #expect(server.requests.count == 4)
        #expect(notes.withLock { $0.filter { $0.contains("the server answered 503; trying again in 0 s") }.count } == 3)
    }

    @Test func addressesAreReadStrictly() throws {
        #expect(try HubModels.Address("gpt2-xl")?.repository == "openai-community/gpt2-xl")
        #expect(try HubModels.Address("hf://a/b@refs/pr/1")?.revision == "refs/pr/1")
        for text in ["runs/mine", "gpt3", "out", ""] { #expect(try HubModels.Address(text) == nil) }
        for text in ["hf://gpt2", "hf://a/b/c", "hf://../b", "hf://a/..", "hf://a/b@", "hf://a/b@../x", "hf://a b/c", "hf:///x"] {
            #expect(message { try HubModels.Address(text) }.contains("the form is hf://OWNER/NAME"), "\(text)")
        }
    }
}
