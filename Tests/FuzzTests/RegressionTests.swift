// SPDX-License-Identifier: MIT
import Foundation
import FuzzKit
import Testing
import TestKit

/// The fuzzer's seeds and the inputs that once were bugs, and a thousand damaged copies of them, through every parser.
struct RegressionTests {
    private static func corpus(_ target: FuzzTarget) -> [(name: String, bytes: [UInt8])] {
        let folder = Places.fixture("fuzz/" + target.name)
        let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
        return names.compactMap { name in FileManager.default.contents(atPath: folder + "/" + name).map { (name, Array($0)) } }
    }

    @Test(arguments: FuzzTargets.all.map(\.name)) func everyInputIsReadOrRefusedInASentence(_ name: String) throws {
        let target = try #require(FuzzTargets.all.first { $0.name == name }), folder = try FuzzFolder()
        let inputs = Self.corpus(target)
        #expect(!inputs.isEmpty, "Tests/Fixtures/fuzz/\(name) has no seed")
        for input in inputs {
            if case .unexplained(let text) = target.run(input.bytes, in: folder) {
                Issue.record("\(name)/\(input.name): \(text)")
            }
        }
        #expect(target.run([], in: folder) != .unexplained(""))
        var random = Mutations(state: 1)
        for run in 0..<(name.hasSuffix("report") ? 20 : 1000) {
            guard let input = inputs.isEmpty ? nil : inputs[run % inputs.count] else { break }
            let damaged = random.mutate(input.bytes)
            if case .unexplained(let text) = target.run(damaged, in: folder) {
                Issue.record("\(name)/\(input.name), mutation \(run): \(text)")
            }
        }
    }
}

/// Seeded damage: a few bytes changed, inserted, removed, doubled, or set to telling values.
struct Mutations {
    var state: UInt64

    private mutating func next(_ bound: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(state >> 33) % max(1, bound)
    }

    mutating func mutate(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        for _ in 0...next(4) {
            let place = next(bytes.count + 1)
            switch next(6) {
            case 0 where place < bytes.count: bytes[place] = UInt8(truncatingIfNeeded: next(256))
            case 1 where place < bytes.count: bytes[place] ^= 1 << UInt8(next(8))
            case 2: bytes.insert(UInt8(truncatingIfNeeded: next(256)), at: place)
            case 3 where place < bytes.count: bytes.removeSubrange(place..<min(bytes.count, place + 1 + next(8)))
            case 4:
                let part = bytes[min(place, bytes.count)..<min(bytes.count, place + 1 + next(16))]
                bytes.insert(contentsOf: Array(part), at: next(bytes.count + 1))
            default:
                let telling: [[UInt8]] = [
                    [0xFF, 0xFF, 0xFF, 0x7F], [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F], [0, 0, 0, 0],
                    Array("9223372036854775807".utf8), Array("-1".utf8), Array("1e308".utf8), Array("NaN".utf8),
                ]
                let value = telling[next(telling.count)]
                bytes.replaceSubrange(place..<min(bytes.count, place + next(value.count + 1)), with: value)
            }
        }
        return bytes
    }
}
