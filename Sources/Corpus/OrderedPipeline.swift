// SPDX-License-Identifier: MIT
import Foundation

/// What one thread of a pipeline does with its inputs, one after another.
protocol PipelineWorker: AnyObject, Sendable {
    associatedtype Input: Sendable
    associatedtype Output: Sendable

    /// Makes an input's output.
    ///
    /// - Parameter handOn: takes a part of the output ahead of the rest, so that it need not be kept; waits for its turn.
    func process(_ input: Input, handOn: (Output) throws -> Void) throws -> Output
}

/// Runs work on several threads and takes the results in the order of the inputs.
///
/// The calling thread makes the inputs and takes the outputs; at most `inFlight` of them exist at a time, which bounds the
/// memory when workers hand on large outputs in parts. What comes out does not depend on the number of workers, and of several errors
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
            while let (result, isWhole) = state.take(waiting: produced - consumed > rest) {
                if isWhole { consumed += 1 }
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
    /// The input whose output is taken next, and a part of that output.
    private var current = 0
    private var part: Worker.Output?
    private var stopped = false
    private var running = 0

    func start(_ worker: Worker) {
        condition.lock()
        running += 1
        condition.unlock()
        let thread = Thread { [self] in
            while let (index, input) = nextInput() {
                let result = Result { try worker.process(input) { try self.handOn($0, of: index) } }
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

    /// Gives a part of an input's output to the calling thread, once all before it was taken.
    private func handOn(_ output: Worker.Output, of index: Int) throws {
        condition.lock()
        defer { condition.unlock() }
        while !stopped && (index != current || part != nil) { condition.wait() }
        // Nobody takes it any more, nor looks at this error.
        if stopped { throw CancellationError() }
        part = output
        condition.broadcast()
    }

    /// What comes next: a part of an output or (the rest of) a whole one; nil when it is not there yet and is not to be
    /// waited for.
    func take(waiting: Bool) -> (Result<Worker.Output, any Error>, isWhole: Bool)? {
        condition.lock()
        defer { condition.unlock() }
        while waiting && part == nil && outputs[current] == nil { condition.wait() }
        if let output = part {
            part = nil
            condition.broadcast()
            return (.success(output), false)
        }
        guard let output = outputs.removeValue(forKey: current) else { return nil }
        current += 1
        condition.broadcast()
        return (output, true)
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
