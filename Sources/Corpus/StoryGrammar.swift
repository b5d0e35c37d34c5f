// SPDX-License-Identifier: MIT

/// Templates, read once and expanded many times.
///
/// `{slot}` is something of the story's cast, the same wherever it stands; `<rule>` a rule of `StoryRules.rules`, chosen anew
/// each time; `[a|b|]` one of some forms, where an empty one leaves the place empty. They may be nested. `/` begins a paragraph.
struct StoryGrammar: Sendable {
    /// A part of a template.
    indirect enum Node: Sendable {
        case text([UInt8])
        case slot(String)
        case rule(String)
        case choice([[Node]])
    }

    static let shared = StoryGrammar()

    private let rules: [String: [[Node]]]
    private let plots: [[Node]]

    var plotCount: Int { plots.count }

    private init() {
        rules = StoryRules.rules.merging(StoryEvents.rules) { own, _ in own }.mapValues { $0.map(Self.parse) }
        plots = (StoryPlots.lost + StoryPlots.making + StoryPlots.meeting + StoryPlots.daring).map(Self.parse)
    }

    func expandPlot(_ cast: StoryCast, _ random: inout StoryRandom, _ writer: inout StoryWriter) {
        expand(random.pick(plots), cast, &random, &writer)
    }

    func expand(rule: String, _ cast: StoryCast, _ random: inout StoryRandom, _ writer: inout StoryWriter) {
        guard let forms = rules[rule], !forms.isEmpty else { return }
        expand(random.pick(forms), cast, &random, &writer)
    }

    private func expand(_ nodes: [Node], _ cast: StoryCast, _ random: inout StoryRandom, _ writer: inout StoryWriter) {
        for node in nodes {
            switch node {
            case .text(let bytes): writer.append(bytes)
            case .slot(let name): writer.append(cast.slots[name] ?? [])
            case .rule(let name): expand(rule: name, cast, &random, &writer)
            case .choice(let forms): expand(random.pick(forms), cast, &random, &writer)
            }
        }
    }

    // ---- Reading templates ------------------------------------------------------------------------------------------

    private static func parse(_ template: String) -> [Node] {
        var rest = Array(template.utf8)[...]
        return sequence(&rest)
    }

    /// Reads up to the end, or to a `|` or `]` that belongs to a choice further out.
    private static func sequence(_ rest: inout ArraySlice<UInt8>) -> [Node] {
        var nodes: [Node] = [], text: [UInt8] = []
        func flush() {
            if !text.isEmpty { nodes.append(.text(text)) }
            text = []
        }
        while let byte = rest.first, byte != UInt8(ascii: "|"), byte != UInt8(ascii: "]") {
            rest.removeFirst()
            switch byte {
            case UInt8(ascii: "{"):
                flush()
                nodes.append(.slot(name(until: UInt8(ascii: "}"), &rest)))
            case UInt8(ascii: "<"):
                flush()
                nodes.append(.rule(name(until: UInt8(ascii: ">"), &rest)))
            case UInt8(ascii: "["):
                flush()
                var forms = [sequence(&rest)]
                while rest.first == UInt8(ascii: "|") {
                    rest.removeFirst()
                    forms.append(sequence(&rest))
                }
                if rest.first == UInt8(ascii: "]") { rest.removeFirst() }
                nodes.append(.choice(forms))
            case UInt8(ascii: "/"):
                text += [0x0A, 0x0A]
            default:
                text.append(byte)
            }
        }
        flush()
        return nodes
    }

    private static func name(until end: UInt8, _ rest: inout ArraySlice<UInt8>) -> String {
        let name = rest.prefix { $0 != end }
        rest = rest.dropFirst(name.count + 1)
        return String(decoding: name, as: UTF8.self)
    }

    /// The slots and rules that templates use but nobody defines: none, which a test checks.
    func undefinedNames(_ cast: StoryCast) -> [String] {
        func names(_ nodes: [Node]) -> [String] {
            nodes.flatMap { node -> [String] in
                switch node {
                case .text: []
                case .slot(let name): cast.slots[name] == nil ? ["{\(name)}"] : []
                case .rule(let name): rules[name] == nil ? ["<\(name)>"] : []
                case .choice(let forms): forms.flatMap(names)
                }
            }
        }
        return (plots + rules.values.flatMap { $0 }).flatMap(names)
    }
}
