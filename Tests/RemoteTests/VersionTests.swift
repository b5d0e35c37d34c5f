// SPDX-License-Identifier: MIT
import Foundation
import Remote
import TestKit
import Testing

/// Files that change while they are fetched, and servers that say odd things of them.
struct VersionTests {
    private static let old = [UInt8](repeating: 0x61, count: 300_000)
    private static let new = [UInt8](repeating: 0x62, count: 300_000)

    /// What a server says of one version, beside the content.
    private typealias Version = (content: [UInt8], headers: [String: String])

    /// Serves the first version until a transfer of it broke off, then the second, to requests for parts also.
    ///
    /// - Parameter head: the status of answers to HEAD.
    private func changing(_ first: Version, _ second: Version, head: Int = 200, alternating: Bool = false) throws -> LocalServer {
        let gets = CallCounter()
        return try LocalServer { request in
            if request.method == "HEAD" {
                return ServedResponse(status: head, headers: first.headers, body: head == 200 ? first.content : [])
            }
            let call = gets.next(), isFirst = alternating ? call % 2 == 0 : call == 0
            let version = isFirst ? first : second
            // If-Range is not looked at: many servers do not.
            var part = request
            part.headers["if-range"] = nil
            var response = ServedResponse.file(version.content, part)
            response.headers.merge(version.headers) { $1 }
            if isFirst { response.dropAfter = 150_000 }
            return response
        }
    }

    private func fetched(_ server: LocalServer, tries: Int = 4, calls: Int = 1) throws -> [UInt8]? {
        let folder = try TemporaryFolder()
        var downloader = Downloader()
        downloader.firstPause = 0.01
        downloader.tries = tries
        let file = try downloader.look(server.address + "/f")
        for _ in 1..<calls {
            #expect(throws: (any Error).self) { try downloader.fetch(file, to: folder("f")) }
        }
        try downloader.fetch(file, to: folder("f"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == ["f", "f.lock"])
        return FileManager.default.contents(atPath: folder("f")).map { Array($0) }
    }

    @Test func twoVersionsAreNeverJoined() throws {
        let weak = (["ETag": "W/\"v1\"", "Last-Modified": "A"], ["ETag": "W/\"v2\"", "Last-Modified": "B"])
        #expect(try fetched(changing((Self.old, weak.0), (Self.new, weak.1))) == Self.new)
        // The tag alone, the date alone, the length alone; a server that keeps silent about the part.
        #expect(try fetched(changing((Self.old, ["ETag": "W/\"v1\""]), (Self.new, ["ETag": "W/\"v2\""]))) == Self.new)
        #expect(try fetched(changing((Self.old, ["Last-Modified": "A"]), (Self.new, ["Last-Modified": "B"]))) == Self.new)
        let longer = Self.new + [0x62]
        #expect(try fetched(changing((Self.old, [:]), (longer, [:]), head: 405)) == longer)
        #expect(try fetched(changing((Self.old, ["ETag": "W/\"v1\""]), (Self.new, [:]))) == Self.new)
        // A later command, which knows the version from the file beside the part alone.
        #expect(try fetched(changing((Self.old, weak.0), (Self.new, weak.1), head: 405), tries: 1, calls: 3) == Self.new)
        // Of the same version the rest is fetched and no more.
        let same = try changing((Self.old, weak.0), (Self.old, weak.0))
        #expect(try fetched(same, tries: 1, calls: 2) == Self.old && (same.requests.last?.offset ?? 0) > 0)
    }

    @Test func aTagThatTheTransferNamesIsAskedFor() throws {
        let server = try changing((Self.old, ["ETag": "\"v1\""]), (Self.new, ["ETag": "\"v2\""]), head: 405)
        #expect(try fetched(server) == Self.new)
        #expect(server.requests.contains { $0.offset > 0 && $0.headers["if-range"] == "\"v1\"" })
        let parts = try LocalServer { request in
            var response = ServedResponse.file(Self.old, request, tag: "\"v1\"")
            if request.method == "HEAD" { response = ServedResponse(status: 405) }
            if request.offset == 0 { response.dropAfter = 150_000 }
            return response
        }
        #expect(try fetched(parts) == Self.old)
    }

    @Test func aPartOfUnknownVersionIsNotUsed() throws {
        let server = try LocalServer { .file(Self.new, $0) }, folder = try TemporaryFolder()
        try folder.write("f.part", Data(Self.old.prefix(1000)))
        try Downloader().fetch(RemoteFile(name: "f", url: server.address + "/f"), to: folder("f"))
        #expect(FileManager.default.contents(atPath: folder("f")) == Data(Self.new))
    }

    @Test func aFileThatNeverStaysTheSameEndsTheRun() throws {
        let server = try changing((Self.old, ["ETag": "W/\"1\""]), (Self.new, ["ETag": "W/\"2\""]), alternating: true)
        do {
            _ = try fetched(server)
            Issue.record("an error was expected")
        } catch { #expect("\(error)".contains("the file changed on the server in between")) }
    }

    @Test func noToldSizeIsBelievedThatNoFileHas() throws {
        for (told, size) in [("0", nil), ("9223372036854775807", nil), ("1125899906842625", nil), ("1125899906842624", 1 << 50)] {
            let server = try LocalServer { request in
                request.method == "HEAD"
                    ? ServedResponse(headers: ["Content-Length": told], statedLength: -1) : .file(Self.new, request)
            }
            #expect(try Downloader().look(server.address + "/f").size == size, "\(told)")
            if size == nil { #expect(try fetched(server) == Self.new) }
        }
    }

    @Test func whatIsPackedForTheWayIsRefused() throws {
        let server = try LocalServer { request in
            var response = ServedResponse.file(Self.new, request)
            response.headers["Content-Encoding"] = request.path.hasPrefix("/plain") ? "identity" : "gzip"
            return response
        }
        let folder = try TemporaryFolder()
        func fetch(_ name: String) throws {
            try Downloader().fetch(RemoteFile(name: name, url: server.address + name), to: folder("x" + name.dropFirst()))
        }
        let error = #expect(throws: (any Error).self) { try fetch("/f.jsonl") }
        #expect("\(error.map { "\($0)" } ?? "")".contains("with Content-Encoding 'gzip', which was not asked for"))
        try fetch("/f.jsonl.gz")
        try fetch("/plain")
    }
}
