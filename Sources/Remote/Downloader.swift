// SPDX-License-Identifier: MIT
import Foundation
import Storage

/// Brings files from servers: goes on where a transfer broke off, waits when a server asks for it, verifies what came.
public struct Downloader: Sendable {
    /// Gives the token for an address; nil for none. It is never sent to another host than that address's.
    public var token: @Sendable (_ url: String) -> String?
    /// Tries without progress before giving up.
    public var tries = 8
    /// Tries where a person waits for one thing before anything else can begin, and can fetch it by hand: some seconds of pauses.
    public static let fewTries = 4
    /// Seconds before the second try; doubled for each further one, at most a minute.
    public var firstPause = 1.0
    /// Seconds without a byte after which a connection counts as dead.
    public var patience = 60
    /// Told sentences that a person should read.
    public var note: @Sendable (String) -> Void = { _ in }

    /// Sets the token alone; without one, requests carry none.
    public init(token: @escaping @Sendable (_ url: String) -> String? = { _ in nil }) { self.token = token }

    /// Why a try failed although another may succeed.
    private struct Passing: Error {
        var reason: String
        /// Seconds that the server asks to wait.
        var pause: Double?
        /// Whether what came is of no use any more, since the server has another version now.
        var isChange = false
    }

    /// Thrown when a transfer was told to stop; what came stays for the next time.
    public struct Stopped: Error {}

    /// Brings a file; one that is there in its full size is taken as it is.
    ///
    /// What comes is kept in `path.part` until it is whole, so a later call goes on from there; `path.lock` says of which version
    /// it is, and bytes of another one are never joined to it.
    /// - Throws: `FileError`; `Downloader.Stopped`.
    public func fetch(_ file: RemoteFile, to path: String, isStopped: @Sendable () -> Bool = { false }) throws {
        // Another process may be after the same file: whoever is second waits and finds it.
        let lock = try DownloadLock(path + ".lock", isStopped: isStopped)
        defer { lock.end() }
        var status = stat()
        if stat(path, &status) == 0, file.size.map({ $0 == Int(status.st_size) }) ?? true { return }
        let part = path + ".part"
        var failures = 0, mismatches = 0, changes = 0, sizeBefore = Self.size(part)
        while true {
            do {
                try attempt(file, part: part, lock: lock, isStopped: isStopped)
                if let wanted = file.sha256, try Self.hash(part) != wanted {
                    unlink(part)
                    mismatches += 1
                    guard mismatches < 2 else {
                        throw FileError(
                            path: file.url, operation: "download",
                            reason: "twice its SHA-256 was not \(wanted); try another mirror")
                    }
                    throw Passing(reason: "its SHA-256 is not the one that was announced", pause: nil)
                }
                try lock.setVersion(nil)
                if rename(part, path) != 0 { throw FileError(path: path, operation: "rename", errno: errno) }
                return
            } catch let passing as Passing {
                let sizeNow = Self.size(part)
                failures = sizeNow > sizeBefore ? 1 : failures + 1
                sizeBefore = sizeNow
                changes += passing.isChange ? 1 : 0
                guard failures < tries, changes < tries else {
                    throw FileError(
                        path: file.url, operation: "download",
                        reason: "\(passing.reason) (\(tries) tries); what came so far is kept, repeat the command to go on")
                }
                try pause(before: file.name, passing, failures: failures, isStopped)
            } catch is Curl.Stopped {
                throw Stopped()
            }
        }
    }

    /// What a server says of a file before it is fetched; sizes and tags are nil where it does not say.
    ///
    /// - Throws: `FileError` when there is no such file, or the server does not let us have it.
    public func look(_ url: String, isStopped: @Sendable () -> Bool = { false }) throws -> RemoteFile {
        let ending = try retrying(url, isStopped) {
            let ending = try Curl(url: url, isHead: true, token: token(url), patience: patience)
                .run(isStopped: isStopped) { _ in }
            try refuse(ending, ending.headers.last, url, allowing: [403, 405, 501])
            return ending
        }
        var file = RemoteFile(name: url, url: url)
        guard let last = ending.headers.last, last.status < 300 else { return file }
        func linked(_ name: String) -> String? { ending.headers.compactMap { $0.fields[name] }.last }
        // Servers that make a file while they send it say 0 here: only the transfer tells whether it is empty.
        file.size = (linked("x-linked-size") ?? last.fields["content-length"]).flatMap(Int.init).flatMap(RemoteFile.size)
            .flatMap { $0 > 0 ? $0 : nil }
        let tag = last.fields["etag"]
        if let tag, Curl.isValidator(tag), last.fields["accept-ranges"] != "none" { file.validator = tag }
        if let digest = linked("x-linked-etag").map({ $0.filter { $0 != "\"" } }), Self.isDigest(digest) {
            file.sha256 = digest
            file.validator = nil
        }
        file.tag = file.sha256 ?? tag ?? last.fields["last-modified"]
        return file
    }

    /// A small response as a whole, and where the next page is when the server names one.
    func page(_ url: String, isStopped: @Sendable () -> Bool = { false }) throws -> (body: Data, next: String?) {
        var body = Data()
        let ending = try retrying(url, isStopped) {
            body = Data()
            let ending = try Curl(url: url, token: token(url), patience: patience).run(isStopped: isStopped) { piece in
                body.append(contentsOf: piece)
                if body.count > 256 << 20 {
                    throw FileError(path: url, operation: "download", reason: "the answer is longer than 256 MB")
                }
            }
            try refuse(ending, ending.headers.last, url)
            return ending
        }
        let link = ending.headers.last?.fields["link"] ?? ""
        let next = link.split(separator: ",").first { $0.contains("rel=\"next\"") }?
            .split(separator: ";").first?.trimmingCharacters(in: CharacterSet(charactersIn: " <>"))
        // What the answer links to is held to the rule for redirects: never from https to something weaker.
        if let next, try Origin(url).scheme == "https", try Origin(next).scheme != "https" {
            throw FileError(path: url, operation: "download", reason: "its next page, '\(next)', is not at an https address")
        }
        return (body, next)
    }

    // ---- One try -----------------------------------------------------------------------------------------------------

    private func attempt(_ file: RemoteFile, part: String, lock: DownloadLock, isStopped: () -> Bool) throws {
        // Private: what needs a token to be fetched is not for everybody on this machine.
        let output = open(part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        if output < 0 { throw FileError(path: part, operation: "create", errno: errno) }
        defer { close(output) }
        func cut(to size: Int) throws {
            if ftruncate(output, off_t(size)) != 0 { throw FileError(path: part, operation: "cut", errno: errno) }
        }
        var size = Self.size(part)
        // What nobody knows the version of may be of any, unless the whole is proved by its hash in the end.
        let version = lock.version
        if version == nil, file.sha256 == nil { size = 0 }
        if let whole = file.size, size > whole { size = 0 }
        if let whole = file.size, size == whole { return try cut(to: size) }
        let validator = [file.sha256 == nil ? version?.tag : nil, file.validator].compactMap { $0 }.first(where: Curl.isValidator)
        let request = Curl(url: file.url, token: token(file.url), offset: size, validator: validator, patience: patience)
        var expected = file.size, isWanted = false, change: String?
        let ending = try request.run(isStopped: isStopped) { headers in
            switch headers.status {
            case 206:
                let range = ContentRange(headers)
                if range?.first != size {
                    size = 0
                } else if size > 0, file.sha256 == nil, let found = version?.difference(from: headers, wasAsked: validator != nil)
                {
                    change = found
                    size = 0
                } else {
                    try Self.refuseEncoding(headers, of: file)
                    isWanted = true
                    expected = expected ?? range?.total
                    if size == 0 { try lock.setVersion(PartVersion(headers)) }
                }
            case 200:
                try Self.refuseEncoding(headers, of: file)
                isWanted = true
                size = 0
                expected = expected ?? headers.fields["content-length"].flatMap(Int.init)
                // The bytes of the old version go before the new one has its name.
                try cut(to: 0)
                try lock.setVersion(PartVersion(headers))
            case 416: size = 0
            default: break
            }
            // A refusal of some bytes leaves the ones that came before.
            if isWanted || headers.status == 416 || headers.status == 206 { try cut(to: size) }
        } body: { piece in
            guard isWanted else { return }
            if let expected, size + piece.count > expected {
                _ = ftruncate(output, 0)
                throw FileError(path: file.url, operation: "download", reason: "more than the announced \(expected) bytes came")
            }
            try Self.write(piece, to: output, at: size, part)
            size += piece.count
        }
        if ending.headers.last?.status == 416 { throw Passing(reason: "the server refused to go on in the middle", pause: 0) }
        if let change { throw Passing(reason: change, pause: 0, isChange: true) }
        try refuse(ending, ending.headers.last, file.url)
        guard isWanted else { throw Passing(reason: "the server sent another part than was asked for", pause: nil) }
        if let expected, size < expected {
            throw Passing(reason: "the transfer ended after \(size) of \(expected) bytes", pause: nil)
        }
        if fsync(output) != 0 { throw FileError(path: part, operation: "flush", errno: errno) }
    }

    /// Turns what is no success into an error: one that may pass, or one that will not.
    private func refuse(
        _ ending: Curl.Ending, _ headers: ResponseHeaders?, _ url: String, allowing allowed: Set<Int> = []
    ) throws {
        let status = headers?.status ?? 0
        // A redirect that was not followed is for curl to explain.
        if status >= 400 || (status >= 300 && ending.code == 0), !allowed.contains(status) {
            if [408, 425, 429, 500, 502, 503, 504].contains(status) {
                throw Passing(
                    reason: "the server answered \(status)\(status == 429 ? " (too many requests)" : "")",
                    pause: headers?.fields["retry-after"].flatMap(Self.pause))
            }
            let reason =
                switch status {
                case 401, 403:
                    "the server refused it (\(status)); if it needs an account, accept its terms there and set HF_TOKEN"
                case 404, 410: "there is no such file on the server (\(status)); check the address"
                default: "the server answered \(status)"
                }
            throw FileError(path: url, operation: "download", reason: reason)
        }
        guard ending.code != 0 else { return }
        let message = ending.message.isEmpty ? "curl ended with \(ending.code)" : ending.message
        // Unknown host, connection refused, cut off, timed out, TLS or HTTP/2 broken, nothing came, reading or writing failed.
        let passing: Set<Int32> = [5, 6, 7, 16, 18, 28, 35, 52, 55, 56, 92, 95, 96]
        if passing.contains(ending.code) { throw Passing(reason: message, pause: nil) }
        throw FileError(path: url, operation: "download", reason: message)
    }

    private func retrying<Value>(_ url: String, _ isStopped: () -> Bool, _ body: () throws -> Value) throws -> Value {
        var failures = 0
        while true {
            do { return try body() } catch let passing as Passing {
                failures += 1
                guard failures < tries else {
                    throw FileError(path: url, operation: "download", reason: "\(passing.reason) (\(tries) tries)")
                }
                try pause(before: url, passing, failures: failures, isStopped)
            } catch is Curl.Stopped { throw Stopped() }
        }
    }

    /// Waits before the next try and says so, for nobody is to wonder at a silence.
    private func pause(before name: String, _ passing: Passing, failures: Int, _ isStopped: () -> Bool) throws {
        let pause = min(passing.pause ?? min(firstPause * Double(1 << (failures - 1)), 60), 3600)
        note("\(name): \(passing.reason); trying again in \(String(format: "%g", pause)) s")
        try Self.wait(pause, isStopped)
    }
}

extension Downloader {
    /// Seconds of a Retry-After: a number, or a date.
    package static func pause(_ text: String) -> Double? {
        if let seconds = Double(text), seconds.isFinite { return max(0, seconds) }
        let format = DateFormatter()
        format.locale = Locale(identifier: "en_US_POSIX")
        format.timeZone = TimeZone(identifier: "GMT")
        format.dateFormat = "EEE, dd MMM yyyy HH:mm:ss zzz"
        return format.date(from: text).map { max(0, $0.timeIntervalSinceNow) }
    }

    /// Refuses what a server packed for the way: nobody unpacks it here. A file may be packed as its name says.
    private static func refuseEncoding(_ headers: ResponseHeaders, of file: RemoteFile) throws {
        let encoding = (headers.fields["content-encoding"] ?? "").lowercased()
        let path = file.url.prefix { $0 != "?" && $0 != "#" }
        let isNamed = ["gzip", "x-gzip"].contains(encoding) && path.hasSuffix(".gz")
        guard !encoding.isEmpty, encoding != "identity", !isNamed else { return }
        throw FileError(
            path: file.url, operation: "download",
            reason: "the server sends it with Content-Encoding '\(encoding)', which was not asked for and is not unpacked; "
                + "fetch it by hand and give the file")
    }

    static func isDigest(_ text: String) -> Bool {
        text.utf8.count == 64 && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }

    private static func wait(_ seconds: Double, _ isStopped: () -> Bool) throws {
        let end = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < end {
            if isStopped() { throw Stopped() }
            usleep(20_000)
        }
    }

    private static func size(_ path: String) -> Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : 0
    }

    private static func hash(_ path: String) throws -> String {
        let file = try MappedFile(path: path)
        // The bytes are there only as long as the object is.
        return withExtendedLifetime(file) { SHA256.hex(of: file.bytes) }
    }

    private static func write(_ piece: UnsafeRawBufferPointer, to file: Int32, at offset: Int, _ path: String) throws {
        var done = 0
        while done < piece.count, let base = piece.baseAddress {
            let count = pwrite(file, base + done, piece.count - done, off_t(offset + done))
            if count < 0, errno == EINTR { continue }
            if count <= 0 { throw FileError(path: path, operation: "write", errno: count < 0 ? errno : ENOSPC) }
            done += count
        }
    }
}
