// SPDX-License-Identifier: MIT
import Foundation
import Storage

/// A file on a server.
public struct RemoteFile: Sendable, Equatable {
    /// What messages and manifests call it; names one content for ever where the server allows that.
    public var name: String
    /// `https://`, or `http://` to this machine.
    public var url: String
    /// Bytes, when the server says so.
    public var size: Int?
    /// SHA-256 of the content, 64 lower-case hexadecimal digits, when the server says so.
    public var sha256: String?
    /// What changes with the content: a hash or an entity tag.
    public var tag: String?
    /// The strong entity tag under which a part of the file can be asked for.
    public var validator: String?

    /// A size that a server told, nil when no file has it: sums over many files must not overflow by what a server says.
    static func size(_ told: Int) -> Int? { (0...1 << 50).contains(told) ? told : nil }

    public init(
        name: String, url: String, size: Int? = nil, sha256: String? = nil, tag: String? = nil, validator: String? = nil
    ) {
        self.name = name
        self.url = url
        self.size = size
        self.sha256 = sha256
        self.tag = tag
        self.validator = validator
    }
}

/// The parts of an address that decide where a request and its token go.
struct Origin: Equatable {
    let scheme: String
    let host: String
    let port: Int

    /// Whether the host is this machine, where http is as safe as https.
    var isLoopback: Bool { ["127.0.0.1", "localhost", "[::1]", "::1"].contains(host) }

    /// - Throws: `FileError` when the address is not `https://` (or `http://` to this machine), or holds what none may hold.
    init(_ url: String) throws {
        func refuse(_ reason: String) -> FileError { FileError(path: url, operation: "download", reason: reason) }
        guard url.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F && $0 != 0x22 && $0 != 0x5C }) else {
            throw refuse("the address has blanks, quotes or control characters; write them as %20 and the like")
        }
        guard let parts = URLComponents(string: url), let scheme = parts.scheme?.lowercased(),
            let host = parts.host?.lowercased(),
            !host.isEmpty
        else { throw refuse("it is no complete address; give one such as https://host/path") }
        guard parts.user == nil, parts.password == nil else { throw refuse("it holds a user name or password; leave them out") }
        self.scheme = scheme
        self.host = host
        port = parts.port ?? (scheme == "https" ? 443 : 80)
        guard scheme == "https" || (scheme == "http" && isLoopback) else {
            throw refuse("only https:// is taken; what comes over \(scheme) can be changed on its way")
        }
    }
}
