// SPDX-License-Identifier: MIT
import Foundation
import Storage

/// Turns a run's events into the records of a TensorBoard event file.
///
/// The file is a row of TFRecords, each an `Event` message of TensorFlow's event.proto. A resume or rollback is written as a
/// session start at the step after it: readers then drop what came later before, as `MetricsFile` does.
/// - Note: Source: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details,
///   tensorflow/core/util/event.proto, tensorflow/core/framework/summary.proto
struct TensorBoardEncoder {
    /// Shown on TensorBoard's Text page at every start and resume; nil for none.
    private let configuration: String?
    /// Tags whose meaning this file already tells; readers keep what comes with a tag's first value.
    private var described: Set<String> = []

    init(record: RunRecord?) { configuration = record.map(Self.describe) }

    /// What a file begins with.
    ///
    /// - Parameters:
    ///   - time: seconds since 1970
    ///   - isFirst: whether no other event file of the run came before
    func opening(time: Double, isFirst: Bool) -> [UInt8] {
        var records = Self.event(time: time, step: 0) {
            $0.text(3, "brain.Event:2")
            $0.message(10) { $0.text(1, "apus \(apusVersion)") }
        }
        // Readers ignore the first session start that they meet; the next ones undo steps.
        if isFirst { records += Self.sessionStart(time: time, step: 0) }
        return records
    }

    /// The records of one event; empty for those that TensorBoard has no place for.
    mutating func records(of event: RunEvent) -> [UInt8] {
        let time = event.date?.timeIntervalSince1970 ?? 0
        switch event.event {
        case .resume, .rollback:
            return Self.sessionStart(time: time, step: event.step + 1) + text(of: event, time: time)
        case .start: return text(of: event, time: time)
        case .step, .skip, .eval: return scalars(of: event, time: time)
        case .checkpoint, .warning, .end: return []
        }
    }

    // MARK: Messages

    private mutating func scalars(of event: RunEvent, time: Double) -> [UInt8] {
        let values = RunScalar.all.compactMap { scalar in scalar.value(in: event).map { (scalar, $0) } }
        guard !values.isEmpty else { return [] }
        let new = values.map { described.insert($0.0.tag).inserted }
        return Self.event(time: time, step: event.step) { message in
            message.message(5) { summary in
                for ((scalar, value), isNew) in zip(values, new) {
                    summary.message(1) {
                        $0.text(1, scalar.tag)
                        $0.float(2, Float(value))
                        if isNew { Self.metadata(&$0, plugin: "scalars", help: scalar.help) }
                    }
                }
            }
        }
    }

    /// The configuration as a text summary, under the step from which it holds.
    private func text(of event: RunEvent, time: Double) -> [UInt8] {
        guard let configuration else { return [] }
        return Self.event(time: time, step: event.step) { message in
            message.message(5) { summary in
                summary.message(1) {
                    $0.text(1, "configuration")
                    $0.message(8) {  // a tensor of no dimensions, of dtype DT_STRING
                        $0.integer(1, 7)
                        $0.message(2) { _ in }
                        $0.text(8, configuration)
                    }
                    Self.metadata(&$0, plugin: "text", help: "the run's configuration")
                }
            }
        }
    }

    private static func metadata(_ value: inout ProtobufMessage, plugin: String, help: String) {
        value.message(9) {
            $0.message(1) { $0.text(1, plugin) }
            $0.text(3, help)
        }
    }

    private static func sessionStart(time: Double, step: Int) -> [UInt8] {
        event(time: time, step: step) { $0.message(7) { $0.integer(1, 1) } }
    }

    private static func event(time: Double, step: Int, _ build: (inout ProtobufMessage) -> Void) -> [UInt8] {
        var message = ProtobufMessage()
        message.double(1, time)
        message.integer(2, step)
        build(&message)
        return TFRecord.framed(message.bytes)
    }

    /// A Markdown table, which TensorBoard renders.
    private static func describe(_ record: RunRecord) -> String {
        func cell(_ text: String) -> String {
            text.replacingOccurrences(of: "|", with: "\\|").filter { !$0.isNewline }
        }
        var lines = ["apus \(record.version)", "", "| key | value |", "|---|---|"]
        lines += record.config.values.map { "| \($0.key) | \(cell($0.value.description)) |" }
        if let data = record.data {
            lines += ["| tokenizer | \(cell(data.tokenizer)) |", "| training tokens | \(data.trainTokens) |"]
        }
        return lines.joined(separator: "\n") + "\n"
    }
}

/// The framing of TensorFlow's record files: length, its checksum, content, its checksum.
enum TFRecord {
    static func framed(_ content: [UInt8]) -> [UInt8] {
        var record: [UInt8] = []
        record.reserveCapacity(content.count + 16)
        record.appendLittleEndian(UInt64(content.count))
        record.appendLittleEndian(maskedChecksum(record))
        record += content
        record.appendLittleEndian(maskedChecksum(content))
        return record
    }

    /// CRC-32C, rotated and shifted so that a checksum of bytes that hold checksums is no special value.
    private static func maskedChecksum(_ bytes: [UInt8]) -> UInt32 {
        let crc = bytes.withUnsafeBytes { CRC32C.of($0) }
        return (crc >> 15 | crc << 17) &+ 0xa282_ead8
    }
}
