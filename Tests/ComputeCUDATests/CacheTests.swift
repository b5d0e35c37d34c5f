// SPDX-License-Identifier: MIT
import Compute
import ComputeCPU
import ComputeCUDA
import FakeCUDA
import Foundation
import Generation
import Modeling
import TestKit
import Testing

extension OnFakeCard {
    /// What is kept on disk between runs: compiled kernels and choices of algorithms.
    @Suite struct CacheTests {
        /// A product that is worth timing, and a norm: what they needed, and the product's bits.
        private func work(_ folder: String, _ change: (inout CUDAOptions) -> Void = { _ in }) throws
            -> (compiled: Int, timed: Int, bits: [UInt32])
        {
            FakeCard.insert { $0.memory_bytes = 128 << 20 }
            let backend = try FakeCard.backend {
                $0.cacheFolder = folder
                $0.flopsWorthTiming = 0
                change(&$0)
            }
            let bench = Bench(backend)
            var inputs = Inputs(5)
            let n = 24
            let x = try bench.tensor(inputs.floats(n * n), [n, n]), w = try bench.tensor(inputs.floats(n * n), [n, n])
            let out = try bench.empty([n, n]), sum = try bench.tensor(inputs.floats(n * n), [n, n])
            backend.matmulForward(out: out, x: x, weight: w, bias: nil, epilogue: .none)
            // Adds to what is there: timing it must not add more than once.
            backend.matmulBackwardWeight(dweight: sum, dbias: nil, dout: out, x: x)
            backend.convert(from: try bench.empty([4], .bfloat16), to: try bench.empty([4]))
            let bits = try (bench.values(out) + bench.values(sum)).map(\.bitPattern)
            #expect(FakeCard.misuses == "")
            return (backend.preparations.compiled, backend.preparations.timed, bits)
        }

        @Test func theSecondRunFindsEverything() throws {
            let folder = try TemporaryFolder(), cache = folder("cache")
            let first = try work(cache)
            #expect(first.compiled == 1 && first.timed == 2)
            let second = try work(cache)
            #expect(second.compiled == 0 && second.timed == 0 && second.bits == first.bits)
            // Without timing the library's first proposal is taken, which adds up in another order.
            let other = try work(folder("other")) { $0.timesProducts = false }
            #expect(other.timed == 0 && other.bits != first.bits)
            #expect(try work(folder("other")) { $0.timesProducts = false }.bits == other.bits)
            // Damage is as good as nothing there.
            let names = try FileManager.default.contentsOfDirectory(atPath: cache)
            #expect(names.count == 2)
            for name in names {
                let path = cache + "/" + name
                var data = try #require(FileManager.default.contents(atPath: path))
                data[data.count / 2] ^= 0x40
                data.removeLast()
                try data.write(to: URL(fileURLWithPath: path))
            }
            let third = try work(cache)
            #expect(third.compiled == 1 && third.timed == 2 && third.bits == first.bits)
            // An algorithm that the library does not take is chosen anew.
            let choices = cache + "/" + (try #require(names.first { $0.hasSuffix(".json") }))
            let text = try String(contentsOfFile: choices, encoding: .utf8)
            try text.replacingOccurrences(of: "00000000000a1605", with: "00000000000a1606").write(
                toFile: choices, atomically: true, encoding: .utf8)
            #expect(try work(cache).timed == 2)
            // A folder that cannot be written to keeps nothing and breaks nothing.
            #expect(try work("/proc/nowhere").bits == first.bits)
        }

        /// Kernels of another compiler or card are not taken.
        @Test func keysTellVersionsApart() throws {
            let folder = try TemporaryFolder()
            func compiled(_ change: (inout apus_fake_card_t) -> Void) throws -> Int {
                FakeCard.insert(change)
                let backend = try FakeCard.backend { $0.cacheFolder = folder("cache") }
                try backend.prepare(dtype: .bfloat16, headSize: 32, training: true)
                return backend.preparations.compiled
            }
            #expect(try compiled { _ in } == 16)
            #expect(try compiled { _ in } == 0)
            #expect(try compiled { $0.nvrtc_minor = 8 } == 16)
            #expect(try compiled { $0.capability_minor = 6 } == 16)
        }

        /// All that a run needs was compiled beforehand.
        @Test(arguments: [DType.float32, .bfloat16]) func preparationIsComplete(dtype: DType) throws {
            FakeCard.insert { $0.memory_bytes = 128 << 20 }
            let run = try TinyRun()
            let backend = try FakeCard.backend()
            try backend.prepare(dtype: dtype, headSize: 16, training: true)
            let before = backend.preparations.compiled
            _ = try run.start(run.config { $0.dtype = dtype.rawValue }, backend)
            #expect(backend.preparations.compiled == before)
        }

        /// Text from the card is the text from the CPU, token by token through the cache.
        @Test func generationIsTheCPUs() throws {
            let config = try GPTConfig(nLayer: 1, nHead: 2, nEmbd: 32, blockSize: 16, vocabSize: 40)
            func text(_ backend: any Backend) throws -> [Int32] {
                let weights = try GPTWeights(config, dtype: .float32, on: backend)
                weights.initialize(seed: 3)
                let generator = TextGenerator(
                    try GPTDecoder(weights: weights), sampling: SamplingOptions(temperature: 1, topK: 0, seed: 5),
                    vocabularySize: 40)
                var made: [Int32] = []
                try generator.generate(prompt: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], maxNewTokens: 9) { made.append($1) }
                return made
            }
            let expected = try text(try CPUBackend(threads: 1, isa: .portable))
            FakeCard.insert { $0.memory_bytes = 128 << 20 }
            #expect(try text(try FakeCard.backend()) == expected)
            #expect(FakeCard.misuses == "")
        }

        /// Sizes that no kernel takes are refused in a sentence when the results are read.
        @Test func unsupportedSizes() throws {
            FakeCard.insert()
            let backend = try FakeCard.backend(), bench = Bench(backend)
            let tensor = try bench.empty([1, 300])
            let view = HeadView(tensor, start: 0, batchStride: 300, tokenStride: 300, headStride: 300)
            backend.attentionForward(
                out: view, lse: nil, q: view, k: view, v: view,
                shape: AttentionShape(batch: 1, queryLength: 1, keyLength: 1, heads: 1, headSize: 300), dropout: nil)
            #expect(throws: CUDAError.self) { try bench.values(tensor) }
            let sentence = #expect(throws: CUDAError.self) { try backend.allocate(byteCount: 8) }
            #expect(sentence?.description.hasPrefix("heads of 300 are too large for the GPU's kernels (at most 256)") == true)
        }
    }
}
