// SPDX-License-Identifier: MIT
import Foundation
import Remote
import Storage
import TestKit
import Testing

/// What SECURITY.md promises of downloads.
struct SecurityTests {
    private func refusal(_ body: () throws -> Any?) -> String {
        do {
            _ = try body()
            return ""
        } catch { return "\(error)" }
    }

    @Test func redirectsStayWithHTTPSOnceItWasHTTPS() throws {
        let secure = try Curl(url: "https://example.org/f", token: "hf_a").config()
        #expect(secure.contains("\nproto = \"=https\"\n") && secure.contains("\nproto-redir = \"=https\"\n"))
        let local = try Curl(url: "http://127.0.0.1:9/f").config()
        #expect(local.contains("\nproto-redir = \"=https\"\n") && !local.contains("\nlocation\n"))
        // Certificates are checked, and no file of the user's adds options.
        #expect(!secure.contains("insecure") && !secure.contains("netrc"))
    }

    @Test func plainHTTPOnThisMachineLeadsToNoOther() throws {
        let folder = try TemporaryFolder()
        for target in ["http://example.invalid/f", "//example.invalid/f", "ftp://127.0.0.1/f"] {
            let server = try LocalServer { _ in ServedResponse(status: 302, headers: ["Location": target]) }
            let found = refusal {
                try Downloader().fetch(RemoteFile(name: "f", url: server.address + "/f"), to: folder("f"))
            }
            #expect(found.contains("only https:// is taken"), "\(target): \(found)")
            #expect(refusal { try Downloader().look(server.address + "/f") }.contains("only https:// is taken"))
        }
        // To this machine it may lead, and what the redirect itself says is not the file.
        let server = try LocalServer { request in
            request.path == "/a/f"
                ? ServedResponse(status: 302, headers: ["Location": "../b?x=1#y"], body: Array("moved".utf8))
                : ServedResponse(body: Array(request.path.utf8))
        }
        try Downloader().fetch(RemoteFile(name: "f", url: server.address + "/a/f"), to: folder("f"))
        #expect(FileManager.default.contents(atPath: folder("f")).map { Array($0) } == Array("/b?x=1".utf8))
    }

    @Test func anAddressIsOneAddress() throws {
        let server = try LocalServer { .file(Array("body".utf8), $0) }, folder = try TemporaryFolder()
        let path = "/{a,b}-[1-3].txt"
        try Downloader().fetch(RemoteFile(name: "f", url: server.address + path), to: folder("f"))
        #expect(server.requests.map(\.path) == [path])
        #expect(FileManager.default.contents(atPath: folder("f")).map { Array($0) } == Array("body".utf8))
    }

    @Test func trailersAreNoContent() throws {
        let server = try LocalServer { _ in
            var response = ServedResponse(body: Array("body\n".utf8))
            response.trailers = ["X-Checksum": "abc", "X-Status": "done"]
            return response
        }
        let folder = try TemporaryFolder()
        try Downloader().fetch(RemoteFile(name: "f", url: server.address + "/f"), to: folder("f"))
        #expect(FileManager.default.contents(atPath: folder("f")).map { Array($0) } == Array("body\n".utf8))
    }

    @Test func whatAnAnswerLinksToIsHeldToTheSameRule() throws {
        // The server of the tests has no certificate: a page over https that leads to http cannot be shown with it.
        let server = try LocalServer { request in
            guard request.path.contains("/tree/") else { return ServedResponse(body: Array("{\"sha\":\"abc\"}".utf8)) }
            return ServedResponse(headers: ["Link": "<ftp://127.0.0.1/list>; rel=\"next\""], body: Array("[]".utf8))
        }
        let found = refusal {
            try HuggingFace(environment: ["HF_ENDPOINT": server.address]).files(
                "hf://datasets/me/set/x", downloader: Downloader())
        }
        #expect(found.contains("only https:// is taken"), "\(found)")
    }

    @Test func noShellSeesAnAddress() throws {
        let server = try LocalServer { .file(Array("body".utf8), $0) }
        let folder = NSTemporaryDirectory() + "apus-remote-" + UUID().uuidString
        try Folder.create(folder)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = "/$(touch%20\(folder)/made);`touch%20\(folder)/made`&&x|y'z"
        try Downloader().fetch(RemoteFile(name: "f", url: server.address + path), to: folder + "/f")
        #expect(server.requests.map(\.path) == [path])
        #expect(Folder.names(folder) == ["f", "f.lock"])
    }

    @Test func nothingBreaksOutOfCurlsOptions() throws {
        for url in ["https://example.org/a\nurl=file:///etc/passwd", "https://example.org/a\"", "https://example.org/a\\nb"] {
            #expect(refusal { try Curl(url: url).config() }.contains("blanks, quotes or control characters"))
        }
        for token in ["a\nheader = \"X: y\"", "a\"", "a\\n", "a b", "ä"] {
            let found = refusal { try Curl(url: "https://example.org/a", token: token).config() }
            #expect(found.contains("the token has characters"))
        }
        // A server's entity tag comes back to it in a header; curl would read \n in it as the beginning of another one.
        for tag in ["\"a\\nX-Evil: 1\"", "\"a\nb\"", "\"a\"b\"", "\"a\\\"", "a", "W/\"a\"", ""] {
            #expect(!Curl.isValidator(tag))
            let curl = Curl(url: "https://example.org/a", offset: 1, validator: tag)
            #expect(refusal { try curl.config() }.contains("its entity tag has characters"), "\(tag)")
        }
        let good = try Curl(url: "https://example.org/a", offset: 1, validator: "\"5f-a:b\"").config()
        #expect(good.contains("header = \"If-Range: \\\"5f-a:b\\\"\""))
        // Such a tag is not kept in the first place.
        let server = try LocalServer { request in .file(Array("body".utf8), request, tag: "\"a\\nX-Evil: 1\"") }
        #expect(try Downloader().look(server.address + "/f").validator == nil)
    }

    @Test func whatIsDownloadedIsPrivate() throws {
        let server = try LocalServer { .file(Array("body".utf8), $0) }
        let folder = NSTemporaryDirectory() + "apus-remote-" + UUID().uuidString
        try Folder.create(folder)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try Downloader().fetch(RemoteFile(name: "f", url: server.address + "/f"), to: folder + "/f")
        for name in ["f", "f.lock"] {
            var status = stat()
            #expect(stat(folder + "/" + name, &status) == 0 && status.st_mode & 0o777 == 0o600, "\(name)")
        }
        // A link under the name of the part would have been written through.
        let victim = folder + "/victim"
        try Data("mine".utf8).write(to: URL(fileURLWithPath: victim))
        symlink(victim, folder + "/g.part")
        #expect(!refusal { try Downloader().fetch(RemoteFile(name: "g", url: server.address + "/g"), to: folder + "/g") }.isEmpty)
        #expect(FileManager.default.contents(atPath: victim) == Data("mine".utf8))
    }

    @Test func namesFromServersStayInTheirFolder() throws {
        for name in ["hf://datasets/a/b@c/../../../etc/passwd", "x/..", "x/.", "a\u{0}b", "a\nb", "https://h/?x/../y", "/", ""] {
            let queue = DownloadQueue([RemoteFile(name: name, url: "https://h/x")], folder: "/folder", downloader: Downloader())
            let place = queue.place(of: 0).dropFirst("/folder/".count)
            #expect(queue.place(of: 0).hasPrefix("/folder/") && !place.contains("/") && place.utf8.allSatisfy { $0 >= 32 })
            #expect(place.prefix(17).hasSuffix("-"), "a name of its own in front: \(place)")
        }
    }
}
