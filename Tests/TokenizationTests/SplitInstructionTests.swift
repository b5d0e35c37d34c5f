// SPDX-License-Identifier: MIT
import CTokenization
import Testing

/// GPT-2's words by the CPU's best instructions and by those that every CPU has.
@Suite struct SplitInstructionTests {
    private func starts(_ text: [UInt8], portable: Bool) -> [Int] {
        var splitter = apus_splitter(), found: [Int] = []
        var buffer = [Int](repeating: 0, count: 200)
        text.withUnsafeBufferPointer { text in
            apus_splitter_start(&splitter, APUS_SPLIT_GPT2, text.baseAddress, text.count)
            splitter.portable = portable
            while true {
                let count = apus_splitter_next(&splitter, &buffer, buffer.count)
                if count == 0 { break }
                found += buffer[..<count]
            }
        }
        return found
    }

    @Test("both ways cut alike, whatever a text's length and wherever its blocks end")
    func alike() {
        var generator = SeededGenerator(state: 41)
        for round in 0..<3000 {
            let text = Array(randomText(&generator, length: round % 300 + 1, wild: round % 3 == 0 ? 0.4 : 0.02).utf8)
            let fast = starts(text, portable: false)
            #expect(fast == starts(text, portable: true), "\(text)")
            #expect(fast.last == text.count)
            #expect(zip(fast, fast.dropFirst()).allSatisfy { $0 < $1 })
        }
    }

    @Test("every byte of ASCII is of the same kind to both, at every place of a block")
    func everyByte() {
        for byte in UInt8(0)..<128 {
            for place in 0..<66 {
                var text = [UInt8](repeating: UInt8(ascii: "x"), count: 70)
                text[place] = byte
                #expect(starts(text, portable: false) == starts(text, portable: true), "byte \(byte) at \(place)")
            }
        }
    }
}
