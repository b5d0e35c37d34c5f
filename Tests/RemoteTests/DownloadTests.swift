// SPDX-License-Identifier: MIT
import Foundation
import Remote
import Storage
import TestKit
import Testing

/// Downloads from a server of the tests' own that behaves badly in every known way.
struct DownloadTests {
    /// A folder that is removed with everything in it when the test ends.
    final class Scratch {
        let path = NSTemporaryDirectory() + "apus-remote-" + UUID().uuidString
        init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
        deinit { try? FileManager.default.removeItem(atPath: path) }
        func bytes(_ name: String) -> [UInt8]? { FileManager.default.contents(atPath: path + "/" + name).map { Array($0) } }
        var names: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() }
    }

    static let content = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13) }
    static let digest = SHA256.hex(of: content)

    static func downloader(token: String? = nil) -> Downloader {
        var downloader = Downloader(token: { _ in token })
        downloader.firstPause = 0.01
        downloader.tries = 4
        return downloader
    }

    /// Fetches one file and gives its content, or the error's text.
    private func fetch(
        _ server: LocalServer, size: Int? = nil, sha256: String? = nil, validator: String? = nil, _ scratch: Scratch
    ) throws -> [UInt8]? {
        let file = RemoteFile(
            name: "f", url: server.address + "/f", size: size, sha256: sha256, tag: nil, validator: validator)
        try Self.downloader().fetch(file, to: scratch.path + "/f")
        return scratch.bytes("f")
    }

    private func message(_ body: () throws -> Any?) -> String {
        do {
            _ = try body()
            Issue.record("an error was expected")
            return ""
        } catch { return "\(error)" }
    }

    @Test func aFileComesWholeAndOnce() throws {
        let server = try LocalServer { .file(Self.content, $0) }, scratch = try Scratch()
        #expect(try fetch(server, size: Self.content.count, sha256: Self.digest, scratch) == Self.content)
        #expect(try fetch(server, size: Self.content.count, sha256: Self.digest, scratch) == Self.content)
        #expect(server.requests.count == 1 && scratch.names == ["f", "f.lock"])
        let looked = try Self.downloader().look(server.address + "/f")
        #expect(looked.size == Self.content.count && looked.sha256 == nil)
    }

    @Test func droppedConnectionsAreGoneOnWith() throws {
        let calls = CallCounter()
        // Every connection brings 70,000 bytes, then breaks: five are needed, more than the tries without progress.
        let server = try LocalServer { request in
            _ = calls.next()
            var response = ServedResponse.file(Self.content, request, tag: "\"v1\"")
            response.dropAfter = 70_000
            return response
        }
        let scratch = try Scratch()
        #expect(try fetch(server, size: Self.content.count, sha256: Self.digest, validator: "\"v1\"", scratch) == Self.content)
        let offsets = server.requests.map(\ServedRequest.offset)
        #expect(offsets.count >= 4 && offsets.first == 0 && zip(offsets, offsets.dropFirst()).allSatisfy { $0 <= $1 })
        #expect((offsets.last ?? 0) > 0)
        #expect(server.requests.dropFirst().allSatisfy { $0.offset == 0 || $0.headers["if-range"] == "\"v1\"" })
    }

    @Test func aFileThatChangesInBetweenBeginsAnew() throws {
        let calls = CallCounter(), old = [UInt8](repeating: 7, count: 300_000)
        let server = try LocalServer { request in
            guard calls.next() > 0 else {
                var response = ServedResponse.file(old, request, tag: "\"v1\"")
                response.dropAfter = 50_000
                return response
            }
            return .file(Self.content, request, tag: "\"v2\"")
        }
        #expect(try fetch(server, validator: "\"v1\"", try Scratch()) == Self.content)
    }

    @Test func aServerWithoutRangesBeginsAnew() throws {
        let calls = CallCounter()
        let server = try LocalServer { _ in
            ServedResponse(body: Self.content, dropAfter: calls.next() == 0 ? 100_000 : nil)
        }
        #expect(try fetch(server, sha256: Self.digest, try Scratch()) == Self.content)
        #expect(server.requests.count == 2 && server.requests[1].offset > 0)
    }

    @Test func shortBodiesAreNoticed() throws {
        let calls = CallCounter()
        // Without Content-Length a short body looks whole; only the announced size tells.
        let server = try LocalServer { request in
            var response = ServedResponse.file(Self.content, request)
            if calls.next() == 0 {
                response.statedLength = -1
                response.body = Array(response.body.prefix(1000))
            }
            return response
        }
        #expect(try fetch(server, size: Self.content.count, try Scratch()) == Self.content)
        #expect(server.requests.map(\ServedRequest.offset) == [0, 1000])
        let always = try LocalServer { _ in ServedResponse(body: Array(Self.content.prefix(500)), statedLength: 600) }
        #expect(message { try fetch(always, try Scratch()) }.contains("4 tries); what came so far is kept"))
        let long = try LocalServer { _ in ServedResponse(body: Self.content) }
        #expect(message { try fetch(long, size: 1000, try Scratch()) }.contains("more than the announced 1000 bytes came"))
    }

    @Test func wrongContentIsRefused() throws {
        let calls = CallCounter()
        var wrong = Self.content
        wrong[5] ^= 1
        let bad = wrong
        let server = try LocalServer { .file(calls.next() == 0 ? bad : Self.content, $0) }
        #expect(try fetch(server, sha256: Self.digest, try Scratch()) == Self.content)
        let always = try LocalServer { .file(bad, $0) }
        let scratch = try Scratch()
        #expect(message { try fetch(always, sha256: Self.digest, scratch) }.contains("twice its SHA-256 was not"))
        #expect(scratch.names == ["f.lock"])
    }

    @Test func refusalsAreToldAtOnce() throws {
        for (status, text) in [(404, "there is no such file on the server (404)"), (403, "set HF_TOKEN"), (400, "answered 400")] {
            let server = try LocalServer { _ in ServedResponse(status: status, body: Array("sorry".utf8)) }
            let scratch = try Scratch()
            #expect(message { try fetch(server, scratch) }.contains(text))
            #expect(server.requests.count == 1 && scratch.bytes("f") == nil)
        }
        let gone = try LocalServer { _ in ServedResponse() }
        gone.stop()
        #expect(message { try fetch(gone, try Scratch()) }.contains("4 tries)"))
    }

    @Test func aBusyServerIsWaitedFor() throws {
        let calls = CallCounter()
        let server = try LocalServer { request in
            switch calls.next() {
            case 0: ServedResponse(status: 429, headers: ["Retry-After": "1"], body: Array("slow down".utf8))
            case 1: ServedResponse(status: 503, headers: ["Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"])
            default: .file(Self.content, request)
            }
        }
        let start = ContinuousClock.now
        #expect(try fetch(server, sha256: Self.digest, try Scratch()) == Self.content)
        #expect(ContinuousClock.now - start >= .seconds(1))
        #expect(server.requests.count == 3)
        let always = try LocalServer { _ in ServedResponse(status: 500) }
        #expect(message { try fetch(always, try Scratch()) }.contains("the server answered 500 (4 tries)"))
        #expect(always.requests.count == 4)
    }

    @Test func theTokenGoesToNoOtherHost() throws {
        let other = try LocalServer { .file(Self.content, $0) }
        let address = other.address
        let server = try LocalServer { request in
            request.path == "/here"
                ? ServedResponse(status: 302, headers: ["Location": "/there"])
                : ServedResponse(status: 307, headers: ["Location": address + "/f"], body: Array("moved".utf8))
        }
        let scratch = try Scratch()
        let file = RemoteFile(name: "f", url: server.address + "/here", sha256: Self.digest)
        try Self.downloader(token: "hf_secret").fetch(file, to: scratch.path + "/f")
        #expect(scratch.bytes("f") == Self.content)
        #expect(server.requests.map { $0.headers["authorization"] } == ["Bearer hf_secret", "Bearer hf_secret"])
        #expect(other.requests.count == 1 && other.requests[0].headers["authorization"] == nil)
        let endless = try LocalServer { _ in ServedResponse(status: 302, headers: ["Location": "/f"]) }
        #expect(message { try fetch(endless, try Scratch()) }.contains("redirects"))
    }

    @Test func onlySafeAddressesAreTaken() throws {
        func refusal(_ url: String) -> String {
            message { try Self.downloader().fetch(RemoteFile(name: "f", url: url), to: "/nonexistent/f") }
        }
        let scratch = try Scratch()
        for (url, text) in [
            ("http://example.org/f", "only https:// is taken"), ("file:///etc/passwd", "no complete address"),
            ("ftp://example.org/f", "only https:// is taken"),
            ("https://example.org/a b", "blanks, quotes or control characters"),
            ("https://example.org/\"\nurl=file:///etc/passwd", "blanks, quotes"),
            ("https://me:secret@example.org/f", "leave them out"),
        ] {
            let file = RemoteFile(name: "f", url: url)
            let found = message { try Self.downloader().fetch(file, to: scratch.path + "/f") }
            #expect(found.contains(text), "\(url): \(found)")
        }
        // A redirect may not lead to files of this machine.
        let server = try LocalServer { _ in ServedResponse(status: 302, headers: ["Location": "file:///etc/passwd"]) }
        _ = message { try fetch(server, scratch) }
        #expect(scratch.bytes("f") == nil)
    }

    @Test func theQueueKeepsAheadAndStops() throws {
        let server = try LocalServer { request in .file(Array(request.path.utf8), request) }
        let files = (0..<12).map { RemoteFile(name: "set/\($0).txt", url: "\(server.address)/\($0).txt") }
        let scratch = try Scratch()
        let queue = DownloadQueue(files, folder: scratch.path + "/d", downloader: Self.downloader(), parallel: 3)
        for index in files.indices {
            let path = try queue.path(of: index)
            #expect(path.hasSuffix("-\(index).txt") && path == queue.place(of: index))
            #expect(FileManager.default.contents(atPath: path).map { Array($0) } == Array("/\(index).txt".utf8))
            #expect(server.requests.count <= index + 3)
            queue.remove(index)
            #expect(!FileManager.default.fileExists(atPath: path))
        }
        // What was removed comes again when it is asked for again.
        #expect(FileManager.default.fileExists(atPath: try queue.path(of: 2)))
        queue.stop()
        let slow = try LocalServer { _ in
            sleep(2)
            return ServedResponse()
        }
        let waiting = DownloadQueue(
            [RemoteFile(name: "x", url: slow.address)], folder: scratch.path, downloader: Self.downloader())
        let polls = CallCounter()
        #expect(throws: Downloader.Stopped.self) { try waiting.path(of: 0, isCancelled: { polls.next() > 2 }) }
        waiting.stop()
    }
}
