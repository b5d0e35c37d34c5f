// SPDX-License-Identifier: MIT

/// The whole numbers of a decoding step that live on the device, so that a step can be recorded and generation need not wait
/// for the host at every token.
///
/// They are elements of one int32 tensor of shape `[count]`, which the host writes before a generation.
public enum DecodingState: Int, Sendable, CaseIterable {
    /// Tokens in each sequence's cache before the step: the position of the step's token, and where its keys and values go.
    case length
    /// Tokens that the texts have, from which the choice's random numbers follow; more than `length` once a window has moved on.
    case position
    /// Number of sequence 0's text; sequence b is `firstSample` + b.
    case firstSample
    /// Column of the history that the next choice goes to.
    case made

    /// Elements of the state tensor; those behind the last case are spare.
    public static let count = 8
}

/// How a token is chosen from logits: Generation's `SamplingOptions`, and how many ids there are to choose from.
public struct TokenChoice: Sendable, Equatable {
    /// Logits are divided by this; 0 takes the likeliest.
    public let temperature: Double
    /// Only the k likeliest tokens, and those that equal the k-th; 0: all.
    public let topK: Int
    /// Only the likeliest tokens that together have this probability; 1: all.
    public let topP: Double
    /// Philox's key.
    public let seed: UInt64
    /// Ids below this may be chosen: the tokenizer's size, where the model has more rows.
    public let choices: Int

    public init(temperature: Double, topK: Int, topP: Double, seed: UInt64, choices: Int) {
        self.temperature = temperature
        self.topK = topK
        self.topP = topP
        self.seed = seed
        self.choices = choices
    }
}

/// A device on which a step of generation needs nothing from the host: what changes from token to token lies in its memory.
///
/// The operations only enqueue, and may be recorded (`Backend.repeated`). `state` is int32 `[DecodingState.count]`.
public protocol DecodingBackend: Backend {
    /// `copyHeads` to a destination that starts `state[.length]` tokens further: new keys and values into a cache.
    func copyHeads(
        from source: HeadView, to destination: HeadView, batch: Int, tokens: Int, heads: Int, headSize: Int, state: Tensor)
    /// `attentionForward` on the first `state[.length]` + `queryLength` keys of a cache.
    ///
    /// - Parameters:
    ///   - out: act, viewed as [B, T, NH, HS]
    ///   - q: the same
    ///   - k: act, viewed as [B, capacity, NH, HS]
    ///   - v: the same
    ///   - shape: `queryLength` T is at most 8, `keyLength` is the cache's capacity
    ///   - state: its length + T must not exceed the capacity
    func attentionForward(out: HeadView, q: HeadView, k: HeadView, v: HeadView, shape: AttentionShape, state: Tensor)
    /// tokens[b] = what Generation's `Sampler` chooses from logits[b, 0 ..< choices] for its seed, `state[.firstSample]` + b and
    /// `state[.position]`, unless its random number falls on a border between two tokens (within V x 2^-45 of the whole).
    ///
    /// - Parameters:
    ///   - tokens: int32 [B], written
    ///   - history: int32 [B, N]; column `state[.made]` is written when it is below N; nil: not wanted
    ///   - logits: float32 [B, V]
    ///   - choice: temperature and the rest; constants of a record
    ///   - state: position, first sample and column
    func chooseTokens(tokens: Tensor, history: Tensor?, logits: Tensor, choice: TokenChoice, state: Tensor)
    /// Ends a step: length, position and made go up by one, and positions (int32 [B]) become the new length.
    func advanceDecoding(state: Tensor, positions: Tensor)
}
