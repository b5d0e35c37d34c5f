// SPDX-License-Identifier: MIT
import Foundation

/// What one thread of a pipeline does with its inputs, one after another.
protocol PipelineWorker: AnyObject, Sendable {
    associatedtype Input: Sendable
    associatedtype Output: Sendable
    func process(_ input: Input) throws -> Output
}

/// Runs work on several threads and takes the results in the order of the inputs.
///
/// The calling thread makes the inputs and takes the outputs; at most `inFlight` of them exist at a time, which bounds the
/// memory. What comes out does not depend on the number of workers, and of several errors
/// the one of the earliest input is thrown.
final class OrderedPipeline<Worker: PipelineWorker> {
    private let workers: [Worker]
    private let inFlight: Int

    init(workers: [Worker]) {
        self.workers = workers
        inFlight = workers.count * 2 + 2
    }

    /// - Parameters:
    ///   - feed: makes the inputs and hands on each of them; handing on waits when too many are on their way.
    ///   - consume: takes the outputs in order.
    /// - Throws: what either function or a worker throws; all threads have ended by then.
    func run(
        feed: (_ emit: (Worker.Input) throws -> Void) throws -> Void, consume: @escaping (Worker.Output) throws -> Void
    ) throws {
        let state = PipelineState<Worker>()
        for worker in workers { state.start(worker) }
        defer { state.stop() }
        var produced = 0, consumed = 0
        /// Consumes what is ready, and waits until at most `rest` are on their way.
        func drain(to rest: Int) throws {
            while let result = state.take(consumed, waiting: produced - consumed > rest) {
                consumed += 1
                try consume(result.get())
            }
        }
        try feed { input in
            try drain(to: inFlight - 1)
            state.add(input, at: produced)
            produced += 1
        }
        try drain(to: 0)
    }
}

/// The queue between the calling thread and the workers.
// SAFETY: every stored property is touched only with `condition` locked.
private final class PipelineState<Worker: PipelineWorker>: @unchecked Sendable {
    private let condition = NSCondition()
    private var inputs: [(index: Int, input: Worker.Input)] = []
    private var outputs: [Int: Result<Worker.Output, any Error>] = [:]
    private var stopped = false
    private var running = 0

    func start(_ worker: Worker) {
        condition.lock()
        running += 1
        condition.unlock()
        let thread = Thread { [self] in
            while let (index, input) = nextInput() {
                let result = Result { try worker.process(input) }
                condition.lock()
                outputs[index] = result
                condition.broadcast()
                condition.unlock()
            }
            condition.lock()
            running -= 1
            condition.broadcast()
            condition.unlock()
        }
        thread.stackSize = 8 << 20
        thread.start()
    }

    private func nextInput() -> (Int, Worker.Input)? {
        condition.lock()
        defer { condition.unlock() }
        while inputs.isEmpty && !stopped { condition.wait() }
        if stopped { return nil }
        let first = inputs.removeFirst()
        return (first.index, first.input)
    }

    func add(_ input: Worker.Input, at index: Int) {
        condition.lock()
        inputs.append((index, input))
        condition.broadcast()
        condition.unlock()
    }

    /// The result of an input; nil when it is not there yet and is not to be waited for.
    func take(_ index: Int, waiting: Bool) -> Result<Worker.Output, any Error>? {
        condition.lock()
        defer { condition.unlock() }
        while waiting && outputs[index] == nil { condition.wait() }
        return outputs.removeValue(forKey: index)
    }

    /// Ends the workers, dropping what they have not begun, and waits for them.
    func stop() {
        condition.lock()
        stopped = true
        condition.broadcast()
        while running > 0 { condition.wait() }
        condition.unlock()
    }
}
