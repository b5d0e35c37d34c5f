// SPDX-License-Identifier: MIT
import Corpus
import Foundation
import Testing

struct StoriesTests {
    private func story(_ index: Int, seed: UInt64 = 0) -> String {
        String(decoding: Stories.story(seed: seed, index: index), as: UTF8.self)
    }

    @Test func aStoryIsAFunctionOfSeedAndIndex() {
        #expect(story(17) == story(17))
        #expect(story(17) != story(18))
        #expect(story(17) != story(17, seed: 1))
        #expect(Set((0..<3000).map { story($0) }).count == 3000)
    }

    @Test func storiesAreCleanText() {
        for index in 0..<5000 {
            let text = story(index)
            #expect(!text.contains { "{}[]<>|/".contains($0) }, "\(text)")
            #expect(!text.contains("  ") && !text.contains(" .") && !text.contains(" ,") && !text.contains(" \n"), "\(text)")
            #expect(text.hasSuffix("\n") && text.dropLast().last.map { ".!?\"".contains($0) } == true, "\(text)")
            #expect(text.first?.isUppercase == true || text.first == "\"", "\(text)")
            #expect(text.filter { $0 == "\"" }.count.isMultiple(of: 2), "\(text)")
            #expect(text.range(of: #"[.!?] [a-z]"#, options: .regularExpression) == nil, "\(text)")
            #expect(text.range(of: #"\b[Aa] ([aeio]|hones|hour|un[^i])"#, options: .regularExpression) == nil, "\(text)")
            #expect(text.range(of: #"\b[Aa]n ([^aeiouh]|us|uni|house)"#, options: .regularExpression) == nil, "\(text)")
            let doubled = text.range(of: #"\b(\w+) \1\b"#, options: .regularExpression).map { String(text[$0]) }
            #expect(doubled == nil, "\(doubled ?? "") in \(text)")
            #expect(text.utf8.count > 200)
        }
    }

    @Test func everySlotAndRuleIsDefined() {
        #expect(Stories.undefinedNames().isEmpty, "\(Stories.undefinedNames())")
        #expect(Stories.plotCount >= 40)
    }
}
