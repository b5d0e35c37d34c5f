// SPDX-License-Identifier: MIT
import Foundation
import Storage

/// The two pipes from curl: the headers with its messages, and the body.
struct CurlPipes {
    let headers: Int32
    let body: Int32

    /// Reads both to their ends; each piece of a body comes after the headers that curl wrote before it.
    ///
    /// - Throws: `Curl.Stopped`; `FileError` when a pipe cannot be read; what the functions throw.
    func read(
        isStopped: () -> Bool, headers takeHeaders: (UnsafeRawBufferPointer) throws -> Void,
        body takeBody: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16)
        defer { buffer.deallocate() }
        var hasHeaders = true, hasBody = true
        while hasHeaders || hasBody {
            if isStopped() { throw Curl.Stopped() }
            // A negative descriptor is passed over.
            var waiting = [
                pollfd(fd: hasHeaders ? headers : -1, events: Int16(POLLIN), revents: 0),
                pollfd(fd: hasBody ? body : -1, events: Int16(POLLIN), revents: 0),
            ]
            guard poll(&waiting, 2, 100) > 0 else { continue }
            // Asked again: curl may have written headers and body between the two looks of `poll`.
            while hasHeaders, Self.isReady(headers) { hasHeaders = try Self.piece(of: headers, buffer, takeHeaders) }
            if waiting[1].revents != 0 { hasBody = try Self.piece(of: body, buffer, takeBody) }
        }
    }

    private static func isReady(_ file: Int32) -> Bool {
        var waiting = pollfd(fd: file, events: Int16(POLLIN), revents: 0)
        return poll(&waiting, 1, 0) > 0
    }

    /// Hands on what one read gives; false at the end.
    private static func piece(
        of file: Int32, _ buffer: UnsafeMutableRawBufferPointer, _ take: (UnsafeRawBufferPointer) throws -> Void
    ) throws -> Bool {
        let count = Foundation.read(file, buffer.baseAddress, buffer.count)
        if count < 0 {
            if errno == EINTR { return true }
            throw FileError(path: "curl", operation: "read from", errno: errno)
        }
        if count > 0 { try take(UnsafeRawBufferPointer(rebasing: buffer[..<count])) }
        return count > 0
    }
}
