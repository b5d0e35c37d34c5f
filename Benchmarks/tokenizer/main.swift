// SPDX-License-Identifier: MIT
// tokenizer-benchmark TOKENIZER VOCABULARY-FOLDER FILE [THREADS [encode]]: times loading, encoding and decoding a text, and
// training 32768 tokens on it; one JSON object a line. compare.py runs it beside tiktoken and tokenizers. With `encode`
// only encoding by that many threads; Benchmarks/data/prepare.py compares whole preparations with it.
import Foundation
import Storage
import Tokenization

func seconds(_ duration: Duration) -> Double {
    Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
}

/// The shortest of several runs.
func best(of runs: Int, _ body: () throws -> Void) rethrows -> Double {
    var shortest = Double.infinity
    for _ in 0..<runs { shortest = min(shortest, seconds(try ContinuousClock().measure(body))) }
    return shortest
}

func report(_ name: String, _ time: Double, bytes: Int, _ more: String = "") {
    let rate = (Double(bytes) / 1e6 / time * 10).rounded() / 10
    print("{\"what\": \"\(name)\", \"seconds\": \(time), \"mb_per_s\": \(rate)\(more)}")
}

/// The file in `count` parts of about the same length, cut behind a line.
func parts(_ text: UnsafeRawBufferPointer, _ count: Int) -> [Range<Int>] {
    var cuts = [0]
    for part in 1..<max(1, count) {
        let from = text.count / count * part
        cuts.append((text[from...].firstIndex(of: 10) ?? text.count - 1) + 1)
    }
    return zip(cuts, cuts.dropFirst() + [text.count]).map { $0..<max($0, $1) }
}

func run(_ arguments: [String]) throws {
    guard arguments.count >= 4 else {
        throw TokenizerError(.badRequest, "usage: tokenizer-benchmark TOKENIZER VOCABULARY-FOLDER FILE [THREADS [encode]]")
    }
    let threads = arguments.count > 4 ? max(1, Int(arguments[4]) ?? 1) : 1
    var tokenizer: (any Tokenizer)?
    let loading = try best(of: 3) { tokenizer = try TokenizerLoader().load(spec: arguments[1], vocabularyFolder: arguments[2]) }
    guard let tokenizer else { return }
    let file = try MappedFile(path: arguments[3])
    try withExtendedLifetime(file) {
        let text = Array(file.bytes)
        report("load", loading, bytes: 0)
        if arguments.count > 5, arguments[5] == "encode" {
            let time = best(of: 3, encoding(tokenizer, text, threads))
            report("encode", time, bytes: text.count, ", \"threads\": \(threads)")
        } else {
            try measure(tokenizer, text, threads)
        }
    }
}

/// Encodes the text by some threads, each with a fresh encoder, every time it is called.
func encoding(_ tokenizer: any Tokenizer, _ text: [UInt8], _ threads: Int) -> () -> Void {
    let ranges = text.withUnsafeBytes { parts($0, threads) }
    // Each thread keeps its array from run to run: page faults are not encoding.
    nonisolated(unsafe) var outputs = [[UInt32]](repeating: [], count: threads)
    return {
        outputs.withUnsafeMutableBufferPointer { outputs in
            nonisolated(unsafe) let outputs = outputs
            DispatchQueue.concurrentPerform(iterations: threads) { part in
                outputs[part].removeAll(keepingCapacity: true)
                text.withUnsafeBytes {
                    let share = UnsafeRawBufferPointer(rebasing: $0[ranges[part]])
                    try? tokenizer.makeEncoder().encode(share, into: &outputs[part])
                }
            }
        }
    }
}

func measure(_ tokenizer: any Tokenizer, _ text: [UInt8], _ threads: Int) throws {
    var ids: [UInt32] = []
    // A fresh encoder each time: what its cache learns is part of the work.
    let fresh = try best(of: 7) {
        ids.removeAll(keepingCapacity: true)
        try text.withUnsafeBytes { try tokenizer.makeEncoder().encode($0, into: &ids) }
    }
    let hash = ids.withUnsafeBytes { SHA256.hex(of: $0) }
    report("encode", fresh, bytes: text.count, ", \"threads\": 1, \"ids\": \(ids.count), \"ids_sha256\": \"\(hash)\"")
    let warm = tokenizer.makeEncoder()
    let again = try best(of: 7) {
        ids.removeAll(keepingCapacity: true)
        try text.withUnsafeBytes { try warm.encode($0, into: &ids) }
    }
    report("encode, cache warm", again, bytes: text.count, ", \"threads\": 1")
    if threads > 1 {
        let parallel = best(of: 7, encoding(tokenizer, text, threads))
        report("encode", parallel, bytes: text.count, ", \"threads\": \(threads)")
    }
    var decoded = 0
    let decoding = best(of: 3) { decoded = tokenizer.decode(ids).utf8.count }
    report("decode", decoding, bytes: decoded)
    let training = try best(of: 3) {
        let trainer = try BPETrainer(vocabularySize: 32768)
        try text.withUnsafeBytes { try trainer.add(document: $0) }
        _ = try trainer.train()
    }
    report("train 32768", training, bytes: text.count, ", \"threads\": 1")
}

do {
    try run(CommandLine.arguments)
} catch {
    FileHandle.standardError.write(Data("\(error)\n".utf8))
    exit(1)
}
