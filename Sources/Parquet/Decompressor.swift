// SPDX-License-Identifier: MIT
import CCodecs

/// Says why a compressed stream could not be read on.
public struct DecompressionError: Error, CustomStringConvertible, Equatable, Sendable {
    public let kind: Decompressor.Kind
    /// Bytes of compressed input that were understood before the problem.
    public let offset: Int
    /// Ends the message, behind the offset.
    public let reason: String

    public var description: String { "cannot decompress the \(kind.rawValue) stream at byte \(offset): \(reason)" }
}

/// Decompresses a gzip or zstd stream that comes in pieces of any size.
///
/// Several gzip members or zstd frames, one after the other, are one stream (as `cat a.gz b.gz` makes them); zstd's
/// skippable frames and zero bytes behind the last gzip member (tape padding) are passed over. Anything else behind the
/// end is an error. Memory: one output buffer, plus 32 KiB (gzip) or the frame's window (zstd).
/// One object serves one stream on one thread.
public final class Decompressor {
    /// The formats of `.gz` and `.zst` files.
    public enum Kind: String, Sendable {
        /// RFC 1952.
        case gzip
        /// RFC 8878.
        case zstd
    }

    public let kind: Kind
    /// Bytes of compressed input understood so far.
    public private(set) var bytesRead = 0
    /// Bytes of output given so far.
    public private(set) var bytesWritten = 0

    // SAFETY: the handle and the buffer live from init to deinit and are touched only inside this object's methods.
    private let codec: OpaquePointer
    private let buffer: UnsafeMutableRawBufferPointer
    private let windowLog: Int
    /// Whether the last member or frame is complete; false before the first one.
    private var atEnd = false
    /// The first problem; it is thrown again at every later call.
    private var failure: DecompressionError?

    /// - Parameters:
    ///   - kind: the stream's format.
    ///   - bufferSize: the largest piece of output, in bytes.
    ///   - maximumWindowLog: the base-2 logarithm of the largest zstd window taken, 10...31; 27 (128 MiB) is what
    ///     the `zstd` command takes, files made with `zstd --long=31` need 31 (and 2 GiB of memory).
    /// - Throws: `DecompressionError` when the system gives no memory.
    public init(kind: Kind, bufferSize: Int = 256 << 10, maximumWindowLog: Int = 27) throws {
        self.kind = kind
        windowLog = min(max(maximumWindowLog, 10), 31)
        let code = kind == .gzip ? APUS_CODEC_GZIP : APUS_CODEC_ZSTD
        guard let codec = apus_codec_open(Int32(code), Int32(windowLog)) else {
            throw DecompressionError(kind: kind, offset: 0, reason: "the system gave no memory")
        }
        self.codec = codec
        buffer = .allocate(byteCount: max(bufferSize, 1), alignment: 16)
    }

    deinit {
        apus_codec_close(codec)
        buffer.deallocate()
    }

    /// Takes the next piece of the stream and hands on what it decompresses to, in order.
    ///
    /// - Parameters:
    ///   - input: any number of bytes; they are all taken.
    ///   - output: called with pieces of output, each valid only during its call; what it throws ends the stream.
    /// - Throws: `DecompressionError` when the stream is malformed, and again at every later call.
    public func decompress(_ input: UnsafeRawBufferPointer, output: (UnsafeRawBufferPointer) throws -> Void) throws {
        if let failure { throw failure }
        var rest = input
        while true {
            if atEnd {
                rest = afterEnd(rest)
                if rest.isEmpty { return }
            }
            var consumed = 0, produced = 0
            let status = apus_codec_feed(
                codec, rest.baseAddress, rest.count, &consumed, buffer.baseAddress, buffer.count, &produced)
            if status < 0 { throw fail(reason(status)) }
            bytesRead += consumed
            atEnd = status == APUS_CODEC_END
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(consumed))
            if produced > 0 {
                bytesWritten += produced
                do { try output(UnsafeRawBufferPointer(rebasing: buffer.prefix(produced))) } catch {
                    _ = fail("its reader gave up")
                    throw error
                }
            }
            // A full buffer may mean that more output waits inside the codec.
            if rest.isEmpty && (produced < buffer.count || atEnd) { return }
            if consumed == 0 && produced == 0 && !atEnd { throw fail("no progress is possible") }
        }
    }

    /// Says that no more input comes.
    ///
    /// - Throws: `DecompressionError` when the stream is not complete: it was cut off, or it was empty from the start.
    public func finish() throws {
        if let failure { throw failure }
        if !atEnd {
            throw fail(bytesRead == 0 ? "the stream is empty" : "the stream is cut off; get the file again")
        }
    }

    /// What is left of the input behind a complete member, without padding.
    private func afterEnd(_ input: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        guard kind == .gzip, let start = input.firstIndex(where: { $0 != 0 }) else {
            if kind == .gzip { bytesRead += input.count }
            return kind == .gzip ? UnsafeRawBufferPointer(rebasing: input.suffix(0)) : input
        }
        bytesRead += start
        return UnsafeRawBufferPointer(rebasing: input.dropFirst(start))
    }

    /// Remembers a problem, since a stream cannot be read on behind it.
    private func fail(_ reason: String) -> DecompressionError {
        let error = DecompressionError(kind: kind, offset: bytesRead, reason: reason)
        failure = error
        return error
    }

    private func reason(_ status: Int32) -> String {
        if status == APUS_CODEC_WINDOW {
            return "it needs a window of more than 2^\(windowLog) bytes; compress it again without `--long`"
        }
        let message = String(cString: apus_codec_message(codec))
        if status == APUS_CODEC_BAD, bytesWritten > 0, atEnd {
            return "\(message); what follows a complete \(kind.rawValue) stream must be another one"
        }
        return message
    }
}
