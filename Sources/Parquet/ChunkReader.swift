// SPDX-License-Identifier: MIT
import CCodecs
import Storage

/// Reads one column of one row group, page by page; at any time one page and the dictionary are decompressed.
struct ChunkReader {
    /// The largest page taken, in bytes before compression.
    static let pageLimit = 1 << 30
    /// Bytes of the mapped file that are given back to the system at a time.
    private static let releaseStep = 4 << 20

    /// Values are handed on when there are so many of them or of their bytes: few enough to stay in the CPU's caches.
    static let groupCount = 64, groupBytes = 64 << 10

    typealias Values = UnsafeBufferPointer<UnsafeRawBufferPointer?>
    typealias Body = (Values) throws -> Void

    // SAFETY: all bytes come from the mapped file or from `buffers`, both held here as long as the reader lives.
    private let file: MappedFile
    private let column: ColumnDescriptor
    private let chunk: ColumnChunkMetadata
    private let codec: CompressionCodec
    private let buffers: DecodeBuffers
    /// The byte behind the column's last page.
    private let end: Int
    private var dictionary: DictionaryDecoder.Dictionary?
    /// Values, nulls included, that pages have still to bring.
    private var valuesLeft: Int
    /// Values and nulls of the page at hand that were not handed on yet, and their bytes.
    private var group: [UnsafeRawBufferPointer?] = []
    private var groupBytes = 0

    /// - Parameter footerStart: the byte at which the footer begins; pages lie before it.
    init(
        _ file: MappedFile, footerStart: Int, column: ColumnDescriptor, group: RowGroupMetadata, index: Int,
        buffers: DecodeBuffers
    )
        throws
    {
        let chunk = group.columns[index]
        if let path = chunk.externalPath {
            throw Problem(.unsupported, "the column is in another file, '\(path)'", valid: "read that file")
        }
        if chunk.isEncrypted {
            throw Problem(.unsupported, "the column is encrypted", valid: "write the file without encryption")
        }
        codec = try PageCodec.readable(chunk.codecCode)
        guard chunk.valueCount == group.rowCount else {
            throw Problem("\(chunk.valueCount) values", valid: "the row group has \(group.rowCount) rows")
        }
        let (end, overflow) = chunk.offset.addingReportingOverflow(chunk.compressedSize)
        // A chunk without values has no pages; pyarrow says they begin at byte 0.
        guard chunk.valueCount == 0 || (chunk.offset >= 4 && !overflow && end <= footerStart) else {
            throw Problem(
                "pages at byte \(chunk.offset), \(chunk.compressedSize) bytes long",
                valid: "pages lie in bytes 4..<\(footerStart)")
        }
        (self.file, self.column, self.chunk, self.buffers, self.end) = (file, column, chunk, buffers, end)
        valuesLeft = chunk.valueCount
    }

    /// Reads page after page until all values are there; what follows (an index, padding) is not looked at.
    mutating func forEachGroup(_ body: Body) throws {
        var position = chunk.offset, released = chunk.offset
        defer { file.release(released..<position) }
        while valuesLeft > 0 {
            let start = position
            try Problem.at(start) { position = try page(at: start, body) }
            // A dictionary that is not compressed stays in the file's pages: they are given back at the end.
            if dictionary == nil || codec != .uncompressed, position - released >= Self.releaseStep {
                file.release(released..<position)
                released = position
            }
        }
    }

    /// Reads the page at a byte and gives the byte behind it, which is always further on.
    private mutating func page(at start: Int, _ body: Body) throws -> Int {
        guard start < end else {
            throw Problem("the pages end \(valuesLeft) values too early", valid: "they must hold \(chunk.valueCount)")
        }
        var reader = ThriftReader(file.bytes, range: start..<end)
        let header = try PageHeader(&reader)
        let first = reader.position
        guard header.compressedSize <= end - first else {
            throw Problem("a page of \(header.compressedSize) bytes", valid: "the column has \(end - first) left")
        }
        let bytes = UnsafeRawBufferPointer(rebasing: file.bytes[first..<first + header.compressedSize])
        if header.kind != .index { try check(header, bytes) }
        switch header.kind {
        case .index: break
        case .dictionary: try readDictionary(header, bytes)
        case .data: try readData(header, bytes, body)
        case .dataV2: try readDataV2(header, bytes, body)
        }
        return first + header.compressedSize
    }

    /// Checks what can be checked before a page is decompressed.
    private func check(_ header: PageHeader, _ bytes: UnsafeRawBufferPointer) throws {
        guard header.uncompressedSize <= Self.pageLimit else {
            throw Problem(
                .tooLarge, "a page of \(header.uncompressedSize) bytes before compression",
                valid: "at most \(Self.pageLimit) are read")
        }
        if let crc = header.crc {
            let found = apus_crc32(0, bytes.baseAddress, bytes.count)
            guard found == crc else {
                throw Problem(
                    .checksum, "a page with the CRC-32 \(String(found, radix: 16))",
                    valid: "its header says \(String(crc, radix: 16)); the file is damaged, get it again")
            }
        }
        if header.kind != .dictionary, header.valueCount > valuesLeft {
            throw Problem("a page of \(header.valueCount) values", valid: "the row group has \(valuesLeft) left")
        }
    }

    /// A page's bytes as they were before compression: where they lie, or in `buffer`.
    private func plain(_ bytes: UnsafeRawBufferPointer, size: Int, _ codec: CompressionCodec, _ buffer: GrowingBuffer) throws
        -> UnsafeRawBufferPointer
    {
        if codec == .uncompressed {
            guard bytes.count == size else {
                throw Problem("an uncompressed page of \(bytes.count) bytes", valid: "its header says \(size)")
            }
            return bytes
        }
        // Nothing may be compressed to nothing, in whatever way the writer likes.
        if size == 0 { return UnsafeRawBufferPointer(rebasing: bytes.prefix(0)) }
        guard size / PageCodec.largestRatio(codec) <= bytes.count else {
            throw Problem("a \(codec) page of \(bytes.count) bytes", valid: "that cannot hold the \(size) it claims")
        }
        let room = try buffer.reserve(size)
        try buffers.decompress(codec, bytes, room)
        return UnsafeRawBufferPointer(room)
    }

    /// Decompresses the dictionary and notes where its values begin, which checks all their lengths at once.
    private mutating func readDictionary(_ header: PageHeader, _ bytes: UnsafeRawBufferPointer) throws {
        guard dictionary == nil, valuesLeft == chunk.valueCount else {
            throw Problem("a dictionary behind another page", valid: "a column has one, before its data")
        }
        guard header.encoding == Encoding.plain.rawValue || header.encoding == Encoding.plainDictionary.rawValue else {
            throw Problem(
                .unsupported, "a dictionary in the encoding \(Encoding.name(header.encoding))",
                valid: "dictionaries are PLAIN or PLAIN_DICTIONARY")
        }
        let values = try plain(bytes, size: header.uncompressedSize, codec, buffers.dictionary)
        let count = header.valueCount
        // Every value has at least its length, so the table of starts is never larger than the dictionary.
        guard count <= values.count / 4 else {
            throw Problem("a dictionary of \(count) values in \(values.count) bytes", valid: "each value takes 4 bytes or more")
        }
        let starts = try buffers.dictionaryStarts.reserve(count * 4).bindMemory(to: UInt32.self)
        var decoder = PlainDecoder(values), position = 0
        for index in 0..<count {
            starts[index] = UInt32(position + 4)
            position += try decoder.next().count + 4
        }
        dictionary = .init(bytes: values, starts: UnsafeBufferPointer(starts))
    }

    /// A page of version 1, compressed as a whole.
    private mutating func readData(_ header: PageHeader, _ bytes: UnsafeRawBufferPointer, _ body: Body) throws {
        let page = try plain(bytes, size: header.uncompressedSize, codec, buffers.page)
        guard column.maxDefinitionLevel > 0 else { return try readValues(header, page, levels: nil, body) }
        guard header.levelEncoding == Encoding.rle.rawValue else {
            throw Problem(
                .unsupported, "definition levels in the encoding \(Encoding.name(header.levelEncoding))", valid: "RLE is read")
        }
        // v1: the levels' size in 4 bytes, the levels, the values.
        guard page.count >= 4 else { throw Problem("a page of \(page.count) bytes", valid: "its levels take at least 4") }
        let size = Int(UInt32(littleEndian: page.loadUnaligned(as: UInt32.self)))
        guard size <= page.count - 4 else {
            throw Problem("definition levels of \(size) bytes", valid: "the page has \(page.count - 4)")
        }
        try readValues(
            header, UnsafeRawBufferPointer(rebasing: page[(4 + size)...]),
            levels: UnsafeRawBufferPointer(rebasing: page[4..<4 + size]), body)
    }

    /// A page of version 2, whose levels lie before the compressed values.
    private mutating func readDataV2(_ header: PageHeader, _ bytes: UnsafeRawBufferPointer, _ body: Body) throws {
        guard header.rowCount.map({ $0 == header.valueCount }) ?? true else {
            throw Problem(
                "a page of \(header.valueCount) values in \(header.rowCount ?? 0) rows", valid: "rows have one value each")
        }
        // v2: repetition levels, definition levels, both never compressed, and the values.
        let levelsEnd = header.repetitionLevelsSize.addingReportingOverflow(header.definitionLevelsSize)
        guard !levelsEnd.overflow, levelsEnd.partialValue <= min(bytes.count, header.uncompressedSize) else {
            throw Problem(
                "levels of \(header.repetitionLevelsSize) and \(header.definitionLevelsSize) bytes",
                valid: "the page has \(min(bytes.count, header.uncompressedSize))")
        }
        let size = levelsEnd.partialValue
        let values = try plain(
            UnsafeRawBufferPointer(rebasing: bytes[size...]), size: header.uncompressedSize - size,
            header.isCompressed ? codec : .uncompressed, buffers.page)
        let levels = column.maxDefinitionLevel > 0 ? bytes[header.repetitionLevelsSize..<size] : nil
        try readValues(header, values, levels: levels.map { UnsafeRawBufferPointer(rebasing: $0) }, body)
    }

    /// Chooses the decoder of a page's encoding.
    private mutating func readValues(
        _ header: PageHeader, _ bytes: UnsafeRawBufferPointer, levels: UnsafeRawBufferPointer?, _ body: Body
    ) throws {
        let count = header.valueCount
        switch Encoding(rawValue: header.encoding) {
        case .plain: try deliver(PlainDecoder(bytes), header, levels, body)
        case .plainDictionary, .rleDictionary:
            guard let dictionary else {
                throw Problem("a dictionary-encoded page without a dictionary", valid: "the dictionary comes first")
            }
            try deliver(DictionaryDecoder(bytes, dictionary), header, levels, body)
        case .deltaLengthByteArray:
            // A page of nulls may have nothing at all behind its levels.
            if bytes.isEmpty { return try deliver(PlainDecoder(bytes), header, levels, body) }
            try deliver(DeltaLengthDecoder(bytes, limit: count), header, levels, body)
        case .deltaByteArray:
            if bytes.isEmpty { return try deliver(PlainDecoder(bytes), header, levels, body) }
            try deliver(DeltaByteArrayDecoder(bytes, limit: count, buffer: buffers.value), header, levels, body)
        default:
            throw Problem(
                .unsupported, "a page in the encoding \(Encoding.name(header.encoding))",
                valid: "BYTE_ARRAY is read in PLAIN, PLAIN_DICTIONARY, RLE_DICTIONARY, DELTA_LENGTH_BYTE_ARRAY, DELTA_BYTE_ARRAY")
        }
    }

    /// Hands a page's values and nulls to `body`, in order; those before an error too.
    private mutating func deliver<D: ValueDecoder>(
        _ values: D, _ header: PageHeader, _ levels: UnsafeRawBufferPointer?, _ body: Body
    ) throws {
        do { try collect(values, header, levels, body) } catch let problem as Problem {
            try handOn(body)
            throw problem
        }
        try handOn(body)
        valuesLeft -= header.valueCount
    }

    private mutating func handOn(_ body: Body) throws {
        guard !group.isEmpty else { return }
        defer {
            group.removeAll(keepingCapacity: true)
            groupBytes = 0
        }
        try group.withUnsafeBufferPointer { try body($0) }
    }

    @inline(__always)
    private mutating func add(_ value: UnsafeRawBufferPointer?, handingOn: Bool, _ body: Body) throws {
        group.append(value)
        groupBytes += value?.count ?? 0
        if handingOn || group.count >= Self.groupCount || groupBytes >= Self.groupBytes { try handOn(body) }
    }

    private mutating func collect<D: ValueDecoder>(
        _ values: D, _ header: PageHeader, _ levels: UnsafeRawBufferPointer?, _ body: Body
    ) throws {
        var values = values, nulls = 0
        if let levels {
            let highest = UInt32(column.maxDefinitionLevel)
            // A value is there only where every optional node of its path is.
            var decoder = try HybridDecoder(levels, width: UInt32.bitWidth - highest.leadingZeroBitCount)
            for _ in 0..<header.valueCount {
                let level = try decoder.next()
                if level == highest {
                    try add(values.next(), handingOn: !D.valuesStay, body)
                } else if level < highest {
                    nulls += 1
                    try add(nil, handingOn: false, body)
                } else {
                    throw Problem("the definition level \(level)", valid: "levels are 0...\(highest)")
                }
            }
        } else {
            for _ in 0..<header.valueCount { try add(values.next(), handingOn: !D.valuesStay, body) }
        }
        if let claimed = header.nullCount, claimed != nulls {
            throw Problem("a page of \(nulls) nulls", valid: "its header says \(claimed)")
        }
        try values.finish()
    }
}
