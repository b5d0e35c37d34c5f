// SPDX-License-Identifier: MIT
import Foundation

/// A request as the server saw it.
public struct ServedRequest: Sendable {
    public var method = ""
    /// With the query.
    public var path = ""
    /// By lower-case name.
    public var headers: [String: String] = [:]
    /// The first byte asked for; 0 without a Range header.
    public var offset = 0
}

/// What the server answers.
public struct ServedResponse: Sendable {
    public var status = 200
    public var headers: [String: String] = [:]
    public var body: [UInt8] = []
    /// What Content-Length says; nil: the truth; negative: no such header.
    public var statedLength: Int?
    /// Bytes of the body after which the connection is dropped.
    public var dropAfter: Int?
    /// Sent behind the body, which then comes in chunks.
    public var trailers: [String: String] = [:]

    public init(
        status: Int = 200, headers: [String: String] = [:], body: [UInt8] = [], statedLength: Int? = nil, dropAfter: Int? = nil
    ) {
        self.status = status
        self.headers = headers
        self.body = body
        self.statedLength = statedLength
        self.dropAfter = dropAfter
    }

    /// A file, or the part of it that a request asks for.
    public static func file(_ content: [UInt8], _ request: ServedRequest, tag: String? = nil) -> ServedResponse {
        var response = ServedResponse(headers: ["Accept-Ranges": "bytes"], body: content)
        if let tag { response.headers["ETag"] = tag }
        let isFresh = request.headers["if-range"].map { $0 == tag } ?? true
        guard request.offset > 0, isFresh else { return response }
        guard request.offset < content.count else { return ServedResponse(status: 416) }
        response.status = 206
        response.headers["Content-Range"] = "bytes \(request.offset)-\(content.count - 1)/\(content.count)"
        response.body = Array(content[request.offset...])
        return response
    }
}

/// A small HTTP/1.1 server on 127.0.0.1, one thread a connection, one request a connection.
// SAFETY: `log` and `isClosed` are touched only with `lock` held; the rest is constant.
public final class LocalServer: @unchecked Sendable {
    public let port: Int
    private let socket: Int32
    private let handler: @Sendable (ServedRequest) -> ServedResponse
    private let lock = NSLock()
    private var log: [ServedRequest] = []
    private var isClosed = false

    public var address: String { "http://127.0.0.1:\(port)" }
    public var requests: [ServedRequest] { lock.withLock { log } }

    public init(_ handler: @escaping @Sendable (ServedRequest) -> ServedResponse) throws {
        self.handler = handler
        socket = Foundation.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = socket
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && listen(descriptor, 64) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        struct NoServer: Error {}
        guard isBound else { throw NoServer() }
        port = Int(UInt16(bigEndian: address.sin_port))
        Thread.detachNewThread { [weak self, descriptor] in
            while true {
                let connection = accept(descriptor, nil, nil)
                if connection < 0 { return }
                guard let self else {
                    close(connection)
                    return
                }
                Thread.detachNewThread { self.serve(connection) }
            }
        }
    }

    deinit { stop() }

    /// Closes the socket: later connections are refused.
    public func stop() {
        lock.withLock {
            if isClosed { return }
            isClosed = true
            shutdown(socket, Int32(SHUT_RDWR))
            close(socket)
        }
    }

    private func serve(_ connection: Int32) {
        defer { close(connection) }
        guard let request = Self.read(connection) else { return }
        lock.withLock { log.append(request) }
        let response = handler(request)
        var head = "HTTP/1.1 \(response.status) Status\r\nConnection: close\r\n"
        let length = response.statedLength ?? response.body.count
        if !response.trailers.isEmpty {
            head += "Transfer-Encoding: chunked\r\n"
        } else if length >= 0 {
            head += "Content-Length: \(length)\r\n"
        }
        for (name, value) in response.headers { head += "\(name): \(value)\r\n" }
        Self.write(Array((head + "\r\n").utf8), connection)
        if request.method == "HEAD" { return }
        if !response.trailers.isEmpty {
            let fields = response.trailers.map { "\($0): \($1)\r\n" }.joined()
            let size = String(response.body.count, radix: 16)
            Self.write(Array("\(size)\r\n".utf8) + response.body + Array("\r\n0\r\n\(fields)\r\n".utf8), connection)
            return
        }
        Self.write(Array(response.body.prefix(response.dropAfter ?? .max)), connection)
        if response.dropAfter != nil {
            // Reset instead of a tidy end.
            var linger = linger(l_onoff: 1, l_linger: 0)
            usleep(50_000)
            setsockopt(connection, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
        }
    }

    private static func read(_ connection: Int32) -> ServedRequest? {
        var bytes: [UInt8] = [], buffer = [UInt8](repeating: 0, count: 4096)
        while !String(decoding: bytes, as: UTF8.self).contains("\r\n\r\n") {
            let count = recv(connection, &buffer, buffer.count, 0)
            guard count > 0 else { return nil }
            bytes += buffer[..<count]
        }
        let lines = String(decoding: bytes, as: UTF8.self).components(separatedBy: "\r\n")
        let words = lines[0].split(separator: " ")
        guard words.count == 3 else { return nil }
        var request = ServedRequest(method: String(words[0]), path: String(words[1]))
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            request.headers[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
        }
        if let range = request.headers["range"], range.hasPrefix("bytes=") {
            request.offset = Int(range.dropFirst(6).prefix { $0 != "-" }) ?? 0
        }
        return request
    }

    private static func write(_ bytes: [UInt8], _ connection: Int32) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { raw in
                send(connection, raw.baseAddress.map { $0 + done }, bytes.count - done, Int32(MSG_NOSIGNAL))
            }
            if count <= 0 { return }
            done += count
        }
    }
}

/// Counts calls from any thread.
public final class CallCounter: @unchecked Sendable {
    private let lock = NSLock()
    private var count = 0

    public init() {}

    /// How many calls came before this one.
    public func next() -> Int {
        lock.withLock {
            count += 1
            return count - 1
        }
    }
}
