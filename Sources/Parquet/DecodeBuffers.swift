// SPDX-License-Identifier: MIT
import CCodecs
import Foundation

/// Memory that grows to the largest size asked for and is used again and again.
final class GrowingBuffer {
    // SAFETY: allocated and freed only here; its users drop what they borrowed before they ask for more.
    private var base: UnsafeMutableRawPointer?
    private var capacity = 0

    deinit { free(base) }

    /// Room for `count` bytes, whose first `keeping` are those that were there before; the others are not initialized.
    ///
    /// - Throws: `Problem` when the system gives no memory.
    func reserve(_ count: Int, keeping: Int = 0) throws -> UnsafeMutableRawBufferPointer {
        if count > capacity || base == nil {
            // A quarter more, so that slowly growing pages do not allocate each time.
            let size = max(count + count / 4, 4096)
            if keeping == 0 {
                free(base)
                (base, capacity) = (nil, 0)
            }
            guard let grown = realloc(base, size) else {
                throw Problem(.tooLarge, "no memory for \(size) bytes", valid: "read fewer row groups at once")
            }
            (base, capacity) = (grown, size)
        }
        return UnsafeMutableRawBufferPointer(start: base, count: count)
    }
}

/// What decoding needs of memory and codec state: one page, one dictionary, one value.
///
/// Give the same object to the calls of `ParquetFile.forEachValue` that run one after the other on one thread, and
/// nothing is allocated anew for each row group. It must not serve two calls at once.
public final class DecodeBuffers {
    let page = GrowingBuffer(), dictionary = GrowingBuffer(), dictionaryStarts = GrowingBuffer(), value = GrowingBuffer()
    /// Whether a call uses these buffers; its body must not give them to another one.
    var inUse = false

    // SAFETY: opened at first use, closed in deinit, used only by the call that has these buffers.
    private var gzip: OpaquePointer?
    private var zstd: OpaquePointer?

    /// Opens no codec yet; the first page that needs one does.
    public init() {}

    deinit {
        apus_codec_close(gzip)
        apus_codec_close(zstd)
    }

    /// Decompresses a page's bytes into `output`, all of which they must fill.
    func decompress(_ codec: CompressionCodec, _ input: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer) throws {
        var status = Int32(APUS_CODEC_BAD), reason = "the block is malformed or has another size"
        switch codec {
        case .snappy: status = apus_snappy_decode(input.baseAddress, input.count, output.baseAddress, output.count)
        case .lz4Raw: status = apus_lz4_decode(input.baseAddress, input.count, output.baseAddress, output.count)
        case .gzip, .zstd:
            let context = try context(codec)
            status = apus_codec_whole(context, input.baseAddress, input.count, output.baseAddress, output.count)
            reason = String(cString: apus_codec_message(context))
        case .uncompressed, .lzo, .brotli, .lz4: throw PageCodec.unsupported(codec.rawValue)
        }
        guard status == APUS_CODEC_END else {
            throw Problem(
                "a \(codec) page does not decompress (\(reason))", valid: "it must give exactly \(output.count) bytes")
        }
    }

    private func context(_ codec: CompressionCodec) throws -> OpaquePointer {
        if let open = codec == .gzip ? gzip : zstd { return open }
        // Whole pages need no window, so its limit does not matter here.
        guard let opened = apus_codec_open(Int32(codec == .gzip ? APUS_CODEC_GZIP_OR_ZLIB : APUS_CODEC_ZSTD), 27) else {
            throw Problem(.tooLarge, "no memory for the \(codec) decoder", valid: "use fewer workers")
        }
        if codec == .gzip { gzip = opened } else { zstd = opened }
        return opened
    }
}

/// What is known about the codecs before any page is decompressed.
enum PageCodec {
    static let valid = "codecs read are UNCOMPRESSED, SNAPPY, GZIP, ZSTD and LZ4_RAW; write the file with one of these"

    static func unsupported(_ code: Int32) -> Problem {
        guard let codec = CompressionCodec(rawValue: code) else {
            return Problem(.unsupported, "the unknown compression codec number \(code)", valid: valid)
        }
        let note = codec == .lz4 ? "the deprecated compression codec LZ4 (Hadoop's framing)" : "the compression codec \(codec)"
        return Problem(.unsupported, note, valid: valid)
    }

    /// The codec of a number, when its pages can be read.
    static func readable(_ code: Int32) throws -> CompressionCodec {
        switch CompressionCodec(rawValue: code) {
        case .some(let codec) where [.uncompressed, .snappy, .gzip, .zstd, .lz4Raw].contains(codec): return codec
        default: throw unsupported(code)
        }
    }

    /// The most bytes that one compressed byte can stand for, so that a lie about a page's size costs no memory.
    ///
    /// snappy: a copy of 64 bytes takes 3; LZ4: a length byte of 255; deflate: 258 bytes in 2 bits; zstd: a block of
    /// 128 KiB takes 4 bytes.
    static func largestRatio(_ codec: CompressionCodec) -> Int {
        switch codec {
        case .snappy: 22
        case .lz4Raw: 256
        case .gzip: 1032
        default: 32 << 10
        }
    }
}
