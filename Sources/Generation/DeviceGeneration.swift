// SPDX-License-Identifier: MIT
import Compute

/// Generation on a device that makes its steps by itself: chosen tokens stay there and are the next step's input.
///
/// The host enqueues steps by the dozen and takes out what was chosen while the next dozen runs. Texts are those of
/// `TextGenerator`: the same window, the same choice for (seed, sample, position, logits).
struct DeviceGeneration {
    private let decoder: GPTDecoder
    private let device: any DecodingBackend
    private let choice: TokenChoice
    private let stopToken: Int32?

    /// Steps between two looks at what was chosen: often enough for text that flows, and seldom enough that the device never
    /// waits for the host. At most twice as many are made in vain behind the end of the last text.
    static let stepsAtATime = 16

    init(
        _ decoder: GPTDecoder, _ device: any DecodingBackend, _ options: SamplingOptions, choices: Int, stopToken: Int32?
    ) {
        self.decoder = decoder
        self.device = device
        self.stopToken = stopToken
        choice = TokenChoice(
            temperature: options.temperature, topK: options.topK, topP: options.topP, seed: options.seed, choices: choices)
    }

    /// As `TextGenerator.generate`; `stop` is asked before every token that is delivered.
    func generate(
        prompt: [Int32], maxNewTokens: Int, firstSample: Int, stop: () -> Bool,
        deliver: (_ sequence: Int, _ token: Int32) throws -> Void
    ) throws {
        var texts = Texts(prompt: prompt, batch: decoder.batch, stopToken: stopToken)
        let rooms = try (0..<2).map { _ in try device.makeReadback(byteCount: decoder.history.byteCount, besideWork: false) }
        while texts.made < maxNewTokens, !texts.areFinished, !stop() {
            let isFirst = texts.made == 0
            let fresh = isFirst ? min(prompt.count, decoder.capacity) : TextGenerator.kept(of: decoder.capacity)
            decoder.reset()
            // The prompt is the same for all texts; it is read once.
            decoder.begin(
                isFirst ? prompt.suffix(fresh) : texts.all.flatMap { $0.suffix(fresh) }, count: fresh, choice: choice,
                position: prompt.count + texts.made, firstSample: firstSample, on: device)
            let wanted = min(maxNewTokens - texts.made, 1 + decoder.capacity - fresh)
            try window(wanted, rooms, &texts, stop, deliver)
        }
    }

    /// The choices of one window: the first is enqueued already.
    private func window(
        _ wanted: Int, _ rooms: [any Readback], _ texts: inout Texts, _ stop: () -> Bool,
        _ deliver: (_ sequence: Int, _ token: Int32) throws -> Void
    ) throws {
        var enqueued = 1, delivered = 0, turn = 0
        // What has been asked for and not looked at yet: the choices made by then, and where they come to.
        var pending: (count: Int, room: any Readback)?
        while delivered < wanted {
            if enqueued < wanted {
                for _ in 0..<min(Self.stepsAtATime, wanted - enqueued) {
                    decoder.step(choice, on: device)
                    enqueued += 1
                }
            }
            let isMore = pending.map { enqueued > $0.count } ?? true
            let next = isMore ? (count: enqueued, room: rooms[turn]) : nil
            if let next {
                next.room.begin([(decoder.history, 0)])
                turn = 1 - turn
            }
            if let pending {
                try pending.room.finish()
                for column in delivered..<pending.count {
                    if texts.areFinished || stop() { return try drain(next?.room) }
                    try texts.add(column: column, of: pending.room, width: decoder.history.shape[1], deliver)
                }
                delivered = pending.count
            }
            pending = next
        }
    }

    /// Waits for what is still under way, so that its memory may be used again.
    private func drain(_ room: (any Readback)?) throws { try room?.finish() }

    /// What has been made so far.
    private struct Texts {
        var all: [[Int32]]
        var made = 0
        private var finished: [Bool]
        private let stopToken: Int32?

        init(prompt: [Int32], batch: Int, stopToken: Int32?) {
            all = [[Int32]](repeating: prompt, count: batch)
            finished = [Bool](repeating: false, count: batch)
            self.stopToken = stopToken
        }

        var areFinished: Bool { finished.allSatisfy { $0 } }

        /// Takes one token of every text from a copy of the history, and delivers those of texts that have not ended.
        mutating func add(
            column: Int, of room: any Readback, width: Int, _ deliver: (_ sequence: Int, _ token: Int32) throws -> Void
        ) throws {
            made += 1
            for b in all.indices {
                var token: Int32 = 0
                withUnsafeMutableBytes(of: &token) { room.read(offset: (b * width + column) * 4, into: $0) }
                all[b].append(token)
                if finished[b] { continue }
                try deliver(b, token)
                if token == stopToken { finished[b] = true }
            }
        }
    }
}
