// SPDX-License-Identifier: MIT
import CTokenization
import Testing

/// GPT-2's words by every set of instructions that the CPU has, and by those that all have.
@Suite struct SplitInstructionTests {
    private func starts(_ text: [UInt8], _ code: apus_split_code) -> [Int] {
        var splitter = apus_splitter(), found: [Int] = []
        var buffer = [Int](repeating: 0, count: 200)
        text.withUnsafeBufferPointer { text in
            apus_splitter_start(&splitter, APUS_SPLIT_GPT2, text.baseAddress, text.count)
            splitter.most_code = code
            while true {
                let count = apus_splitter_next(&splitter, &buffer, buffer.count)
                if count == 0 { break }
                found += buffer[..<count]
            }
        }
        return found
    }

    @Test("all cut alike, whatever a text's length and wherever its blocks end")
    func alike() {
        var generator = SeededGenerator(state: 41)
        for round in 0..<3000 {
            let text = Array(randomText(&generator, length: round % 300 + 1, wild: round % 3 == 0 ? 0.4 : 0.02).utf8)
            let portable = starts(text, APUS_SPLIT_PORTABLE)
            for code in [APUS_SPLIT_AVX2, APUS_SPLIT_AVX512] { #expect(starts(text, code) == portable, "\(text)") }
            #expect(portable.last == text.count)
            #expect(zip(portable, portable.dropFirst()).allSatisfy { $0 < $1 })
        }
    }

    /// More words than are written without asking, up to one a byte.
    @Test("blocks with many words")
    func manyWords() {
        for blanks in 0...64 {
            let text = (0..<130).map { UInt8(ascii: $0 % 64 < blanks ? "!" : "a") } + Array("!a!a!a!a".utf8)
            let mixed = (0..<200).map { $0 % 64 < blanks ? UInt8(ascii: $0 % 2 == 0 ? "!" : "1") : UInt8(ascii: "a") }
            for text in [text, mixed] {
                let portable = starts(text, APUS_SPLIT_PORTABLE)
                for code in [APUS_SPLIT_AVX2, APUS_SPLIT_AVX512] { #expect(starts(text, code) == portable) }
            }
        }
    }

    @Test("every byte of ASCII is of the same kind to all, at every place of a block")
    func everyByte() {
        for byte in UInt8(0)..<128 {
            for place in 0..<66 {
                var text = [UInt8](repeating: UInt8(ascii: "x"), count: 70)
                text[place] = byte
                let portable = starts(text, APUS_SPLIT_PORTABLE)
                for code in [APUS_SPLIT_AVX2, APUS_SPLIT_AVX512] {
                    #expect(starts(text, code) == portable, "byte \(byte) at \(place)")
                }
            }
        }
    }
}
