// SPDX-License-Identifier: MIT
import Dispatch
import Foundation
import Storage
import Synchronization

/// A checkpoint that was committed.
struct SavedCheckpoint: Sendable {
    let step: Int
    let name: String
    let bytes: Int
    /// From the start until it was committed, seconds.
    let seconds: Double
    /// How long training stood still for it, seconds.
    let stall: Double
}

/// Does what concerns a run's checkpoints on a thread of its own, one thing after the other.
///
/// What goes wrong there is thrown by the next `take`; the things that wait behind it are left out.
final class SaveQueue: Sendable {
    private struct State {
        var waiting = 0
        var saved: [SavedCheckpoint] = []
        var failure: (any Error)?
    }

    private let queue = DispatchQueue(label: "apus.checkpoints", qos: .utility)
    private let state = Mutex(State())
    /// Slows the work down to a small share of a core, unless somebody waits for it.
    let pacer = Pacer()

    /// Whether something is being done or waits for it.
    var isBusy: Bool { state.withLock { $0.waiting > 0 } }

    /// Enters work; returns at once.
    func submit(_ work: @escaping @Sendable () throws -> SavedCheckpoint?) {
        state.withLock { $0.waiting += 1 }
        queue.async { [self] in
            if state.withLock({ $0.failure == nil }) {
                pacer.begin()
                let result = Result { try work() }
                state.withLock {
                    switch result {
                    case .success(let saved): if let saved { $0.saved.append(saved) }
                    case .failure(let error): $0.failure = error
                    }
                }
            }
            state.withLock { $0.waiting -= 1 }
        }
    }

    /// What was committed since the last call, in order.
    ///
    /// - Throws: what went wrong since the last call, once.
    func take() throws -> [SavedCheckpoint] {
        let (saved, failure) = state.withLock { state in
            defer { (state.saved, state.failure) = ([], nil) }
            return (state.saved, state.failure)
        }
        if let failure, saved.isEmpty { throw failure }
        // Told first, thrown at the next call.
        if let failure { state.withLock { $0.failure = $0.failure ?? failure } }
        return saved
    }

    /// Waits until everything entered is done, which then goes as fast as it can.
    func wait() {
        pacer.hurry(true)
        queue.sync {}
        pacer.hurry(false)
    }
}

/// Rests after work so that a thread takes only a small share of a core.
///
/// The operations of a step are dealt out over all cores and wait for each other: a core that is busy elsewhere for a
/// while holds all of them up. Hashing and writing at full speed would take a core for the whole of a checkpoint.
final class Pacer: Sendable {
    private struct Mark {
        var work = 0.0
        var time = 0.0
    }

    /// Rest for work done: about 3 % of one core.
    static let restForWork = 30.0

    private let hurried = Atomic(false)
    private let mark = Mutex(Mark())

    func hurry(_ isHurried: Bool) { hurried.store(isHurried, ordering: .relaxed) }

    /// Starts to count on this thread.
    func begin() { mark.withLock { $0 = Mark(work: Self.seconds(CLOCK_THREAD_CPUTIME_ID), time: Self.seconds(CLOCK_MONOTONIC)) } }

    /// Rests as long as the work since the last rest asks for; time spent waiting for the disk counts as rest.
    func rest() {
        let start = mark.withLock { $0 }
        let work = Self.seconds(CLOCK_THREAD_CPUTIME_ID) - start.work
        // Too little to be worth a wake-up; it is counted with what follows.
        guard work > 5e-4 else { return }
        let until = start.time + work * (1 + Self.restForWork)
        while !hurried.load(ordering: .relaxed) {
            let left = until - Self.seconds(CLOCK_MONOTONIC)
            if left <= 0 { break }
            usleep(UInt32(min(left, 0.01) * 1e6) + 1)
        }
        begin()
    }

    private static func seconds(_ clock: clockid_t) -> Double {
        var time = timespec()
        clock_gettime(clock, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}

extension Pacer {
    /// System calls that rest after each write; every flush, rename and the like is quick or waits by itself.
    func paced(_ calls: FileCalls) -> FileCalls {
        var paced = calls
        paced.write = { file, bytes, count in
            let written = calls.write(file, bytes, count)
            let code = errno
            self.rest()
            errno = code
            return written
        }
        return paced
    }
}
