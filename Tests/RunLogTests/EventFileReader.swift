// SPDX-License-Identifier: MIT
import Foundation

/// Reads TensorBoard event files for tests, with a checksum and a message decoder of its own: bit by bit from the definitions, so that
/// it shares no mistake with what it checks.
struct EventFileReader {
    struct Record {
        var time = 0.0
        var step = 0
        var version: String?
        var isSessionStart = false
        var scalars: [String: Float] = [:]
        var texts: [String: String] = [:]
        /// Tags that came with a description.
        var described: Set<String> = []
    }

    struct Malformed: Error { let reason: String }

    /// The whole records of a file; bytes of a torn last one are counted in `torn`.
    let records: [Record]
    let torn: Int

    init(_ data: Data) throws {
        let bytes = [UInt8](data)
        var found: [Record] = [], at = 0
        while at + 16 <= bytes.count {
            let length = Int(Self.little(bytes[at..<at + 8]))
            guard Self.masked(bytes[at..<at + 8]) == UInt32(Self.little(bytes[at + 8..<at + 12])) else {
                throw Malformed(reason: "checksum of the length at \(at)")
            }
            guard at + 16 + length <= bytes.count else { break }
            let content = bytes[at + 12..<at + 12 + length]
            guard Self.masked(content) == UInt32(Self.little(bytes[at + 12 + length..<at + 16 + length])) else {
                throw Malformed(reason: "checksum of the record at \(at)")
            }
            found.append(try Self.event(content))
            at += 16 + length
        }
        records = found
        torn = bytes.count - at
    }

    /// step -> value of one tag, in file order.
    func scalars(_ tag: String) -> [Int: Float] {
        Dictionary(records.compactMap { record in record.scalars[tag].map { (record.step, $0) } }, uniquingKeysWith: { $1 })
    }

    // MARK: Checksum

    private static func little(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// CRC-32C a bit at a time (polynomial 0x1EDC6F41, reflected), masked as TensorFlow does.
    private static func masked(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        var crc = UInt32.max
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0x82f6_3b78 : crc >> 1 }
        }
        crc = ~crc
        return ((crc >> 15) | (crc << 17)) &+ 0xa282_ead8
    }

    // MARK: Messages

    private enum Value {
        case number(UInt64)
        case bytes(ArraySlice<UInt8>)

        var text: String {
            if case .bytes(let bytes) = self { return String(decoding: bytes, as: UTF8.self) }
            return ""
        }
    }

    /// Field number and value, in order.
    private static func fields(_ bytes: ArraySlice<UInt8>) throws -> [(Int, Value)] {
        var rest = bytes
        func varint() throws -> UInt64 {
            var value: UInt64 = 0, shift: UInt64 = 0
            while let byte = rest.popFirst() {
                value |= UInt64(byte & 0x7f) << shift
                if byte < 0x80 { return value }
                shift += 7
            }
            throw Malformed(reason: "varint")
        }
        func take(_ count: Int) throws -> ArraySlice<UInt8> {
            guard rest.count >= count else { throw Malformed(reason: "length") }
            defer { rest = rest.dropFirst(count) }
            return rest.prefix(count)
        }
        var fields: [(Int, Value)] = []
        while !rest.isEmpty {
            let key = try varint()
            let value: Value =
                switch key & 7 {
                case 0: .number(try varint())
                case 1: .number(little(try take(8)))
                case 2: .bytes(try take(Int(try varint())))
                case 5: .number(little(try take(4)))
                default: throw Malformed(reason: "wire type \(key & 7)")
                }
            fields.append((Int(key >> 3), value))
        }
        return fields
    }

    private static func event(_ bytes: ArraySlice<UInt8>) throws -> Record {
        var record = Record()
        for case (let field, let value) in try fields(bytes) {
            switch (field, value) {
            case (1, .number(let bits)): record.time = Double(bitPattern: bits)
            case (2, .number(let step)): record.step = Int(Int64(bitPattern: step))
            case (3, .bytes): record.version = value.text
            case (5, .bytes(let summary)):
                for case (1, .bytes(let inner)) in try fields(summary) { try read(inner, into: &record) }
            case (7, .bytes(let session)):
                for case (1, .number(1)) in try fields(session) { record.isSessionStart = true }
            case (10, .bytes): break
            default: throw Malformed(reason: "field \(field) of Event")
            }
        }
        return record
    }

    /// One Summary.Value.
    private static func read(_ bytes: ArraySlice<UInt8>, into record: inout Record) throws {
        var tag = "", scalar: Float?, text: String?, plugin = "", help = ""
        for case (let field, let value) in try fields(bytes) {
            switch (field, value) {
            case (1, .bytes): tag = value.text
            case (2, .number(let bits)): scalar = Float(bitPattern: UInt32(bits))
            case (8, .bytes(let tensor)): for case (8, let string) in try fields(tensor) { text = string.text }
            case (9, .bytes(let metadata)):
                for case (let inner, let value) in try fields(metadata) {
                    if inner == 3 { help = value.text }
                    if inner == 1, case .bytes(let data) = value {
                        for case (1, let name) in try fields(data) { plugin = name.text }
                    }
                }
            default: throw Malformed(reason: "field \(field) of Summary.Value")
            }
        }
        if let scalar { record.scalars[tag] = scalar }
        if let text { record.texts[tag] = text }
        if !help.isEmpty, plugin == (scalar == nil ? "text" : "scalars") { record.described.insert(tag) }
    }
}
