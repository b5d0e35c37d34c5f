// SPDX-License-Identifier: MIT
import Foundation
import Remote
import Storage
import TestKit
import Testing

/// The hub's listing, asked of a server that answers as the hub does.
struct HuggingFaceTests {
    static let commit = "0123456789abcdef0123456789abcdef01234567"

    /// Two pages of a listing; the files' content is their path.
    private func hub(requiring token: String? = nil) throws -> LocalServer {
        try LocalServer { request in
            if let token, request.headers["authorization"] != "Bearer \(token)" { return ServedResponse(status: 401) }
            if request.path == "/api/datasets/me/set/revision/main" || request.path == "/api/datasets/me/set/revision/refs%2Fx" {
                return ServedResponse(body: Array("{\"sha\":\"\(Self.commit)\",\"id\":\"me/set\"}".utf8))
            }
            let tree = "/api/datasets/me/set/tree/\(Self.commit)"
            func entry(_ path: String) -> String {
                let digest = SHA256.hex(of: Array(path.utf8))
                return "{\"type\":\"file\",\"path\":\"\(path)\",\"size\":\(path.utf8.count),\"oid\":\"a1\","
                    + "\"lfs\":{\"oid\":\"\(digest)\",\"size\":\(path.utf8.count),\"pointerSize\":133}}"
            }
            if request.path.hasPrefix(tree), request.path.hasSuffix("?recursive=true") {
                let port = request.headers["host"] ?? ""
                let list =
                    "[{\"type\":\"directory\",\"path\":\"data\",\"size\":0,\"oid\":\"d\"},\(entry("data/b 2.parquet")),"
                    + "\(entry("data/deep/c.parquet"))]"
                return ServedResponse(
                    headers: ["Link": "<http://\(port)\(tree)?page=2>; rel=\"next\""], body: Array(list.utf8))
            }
            if request.path == tree + "?page=2" {
                return ServedResponse(
                    body: Array("[\(entry("data/a.parquet")),\(entry("readme.md")),\(entry("README.md"))]".utf8))
            }
            let files = "/datasets/me/set/resolve/\(Self.commit)/"
            if request.path.hasPrefix(files) {
                let path = request.path.dropFirst(files.count).removingPercentEncoding ?? ""
                return .file(Array(path.utf8), request)
            }
            return ServedResponse(status: 404)
        }
    }

    private func downloader(_ hub: HuggingFace) -> Downloader {
        var downloader = hub.downloader()
        downloader.firstPause = 0.01
        downloader.tries = 2
        return downloader
    }

    @Test func patternsFoldersAndFilesAreListed() throws {
        let server = try hub()
        let hub = HuggingFace(environment: ["HF_ENDPOINT": server.address + "/"])
        let downloader = downloader(hub)
        func paths(_ path: String) throws -> [String] {
            let prefix = "hf://datasets/me/set@\(Self.commit)/"
            return try hub.files("hf://datasets/me/set" + path, downloader: downloader).map {
                #expect($0.name.hasPrefix(prefix))
                return String($0.name.dropFirst(prefix.count))
            }
        }
        #expect(try paths("/data/*.parquet") == ["data/a.parquet", "data/b 2.parquet"])
        #expect(try paths("/data") == ["data/a.parquet", "data/b 2.parquet", "data/deep/c.parquet"])
        #expect(try paths("/**.parquet") == ["data/a.parquet", "data/b 2.parquet", "data/deep/c.parquet"])
        #expect(try paths("") == ["data/a.parquet", "data/b 2.parquet", "data/deep/c.parquet", "readme.md"])
        // The card is no text of the set, unless someone asks for it.
        #expect(try paths("/*") == ["readme.md"])
        #expect(try paths("/README.md") == ["README.md"] && paths("/*.md") == ["README.md", "readme.md"])
        #expect(try paths("@refs%2Fx/data/deep/c.parquet") == ["data/deep/c.parquet"])
        let file = try #require(try hub.files("hf://datasets/me/set/data/b*", downloader: downloader).first)
        #expect(file.size == 16 && file.sha256 == SHA256.hex(of: "data/b 2.parquet") && file.tag == file.sha256)
        let path = NSTemporaryDirectory() + "apus-remote-" + UUID().uuidString
        defer { for name in [path, path + ".lock"] { try? FileManager.default.removeItem(atPath: name) } }
        try downloader.fetch(file, to: path)
        #expect(FileManager.default.contents(atPath: path).map { Array($0) } == Array("data/b 2.parquet".utf8))
    }

    @Test func mistakesAreExplained() throws {
        let server = try hub()
        let hub = HuggingFace(environment: ["HF_ENDPOINT": server.address])
        func refusal(_ address: String) -> String {
            do {
                _ = try hub.files(address, downloader: downloader(hub))
                return ""
            } catch { return "\(error)" }
        }
        #expect(refusal("hf://datasets/me").contains("hf://datasets/OWNER/NAME[@REVISION]/PATH"))
        #expect(refusal("hf://models/me/set/x").contains("hf://datasets/OWNER/NAME"))
        #expect(refusal("hf://datasets/me/../x").contains("hf://datasets/OWNER/NAME"))
        #expect(refusal("hf://datasets/me/set@/x").contains("hf://datasets/OWNER/NAME"))
        #expect(refusal("hf://datasets/me/set/none*").contains("no file of the data set matches"))
        #expect(refusal("hf://datasets/me/other/x").contains("no such file on the server (404)"))
        let strange = try LocalServer { _ in ServedResponse(body: Array("<html>".utf8)) }
        let other = HuggingFace(environment: ["HF_ENDPOINT": strange.address])
        do {
            _ = try other.files("hf://datasets/me/set/x", downloader: downloader(other))
            Issue.record("an error was expected")
        } catch { #expect("\(error)".contains("did not answer as the hub does; check HF_ENDPOINT")) }
    }

    @Test func patternsGoNameByName() {
        func taken(_ pattern: String) -> String {
            ["x.j", "data/x.j", "data/a/x.j", "data/a/b/x.j", "data/a/b/y.k", "datum/b/x.j"].filter {
                PathPattern(pattern).matches($0)
            }.joined(separator: " ")
        }
        #expect(taken("data/**/*.j") == "data/x.j data/a/x.j data/a/b/x.j")
        #expect(taken("**/x.j") == "x.j data/x.j data/a/x.j data/a/b/x.j datum/b/x.j")
        #expect(taken("**.k") == "data/a/b/y.k" && taken("data/**/b/*") == "data/a/b/x.j data/a/b/y.k")
        // One star stays in its folder, whatever else the pattern has.
        #expect(taken("dat*/b/**") == "datum/b/x.j" && taken("data/*/x.j") == "data/a/x.j")
        #expect(taken("**/a/**/*.j") == "data/a/x.j data/a/b/x.j" && taken("data/a/**") == "data/a/x.j data/a/b/x.j data/a/b/y.k")
        #expect(taken("dat**") == "data/x.j data/a/x.j data/a/b/x.j data/a/b/y.k datum/b/x.j")
        #expect(taken("*") == "x.j" && taken("**/z").isEmpty && taken("data/?/[ab]/x.j") == "data/a/b/x.j")
    }

    @Test func theTokenComesFromTheUsualPlaces() throws {
        let server = try hub(requiring: "hf_abc"), elsewhere = try LocalServer { _ in ServedResponse() }
        let home = NSTemporaryDirectory() + "apus-remote-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: home) }
        try FileManager.default.createDirectory(atPath: home + "/.cache/huggingface", withIntermediateDirectories: true)
        try Data("hf_abc\n".utf8).write(to: URL(fileURLWithPath: home + "/.cache/huggingface/token"))
        try Data("hf_abc".utf8).write(to: URL(fileURLWithPath: home + "/token"))
        let endpoint = ["HF_ENDPOINT": server.address]
        for more in [
            ["HF_TOKEN": "hf_abc", "HOME": "/nowhere"], ["HOME": home], ["HF_HOME": home], ["HF_TOKEN_PATH": home + "/token"],
        ] {
            let hub = HuggingFace(environment: endpoint.merging(more) { $1 })
            #expect(try hub.files("hf://datasets/me/set/readme.md", downloader: downloader(hub)).count == 1)
            #expect(hub.token(for: server.address + "/x") == "hf_abc")
            #expect(hub.token(for: elsewhere.address + "/x") == nil && hub.token(for: "https://huggingface.co/x") == nil)
        }
        let none = HuggingFace(environment: endpoint.merging(["HOME": "/nowhere"]) { $1 })
        #expect(none.token(for: server.address) == nil)
        do {
            _ = try none.files("hf://datasets/me/set/readme.md", downloader: downloader(none))
            Issue.record("an error was expected")
        } catch { #expect("\(error)".contains("set HF_TOKEN")) }
        #expect(elsewhere.requests.isEmpty)
    }
}
