// SPDX-License-Identifier: MIT
import Foundation
import Synchronization

/// Turns SIGINT, SIGTERM and SIGHUP (the terminal is gone) into a flag that loops ask; a second signal ends the process at once.
enum StopSignal {
    private static let count = Atomic<Int>(0)

    /// Starts to listen; without it the signals end the process as usual.
    static func listen() {
        // A parent may have started us with the signals blocked or ignored (threads of libdispatch block them): then nobody
        // could stop a run.
        var numbers = [SIGINT, SIGTERM]
        // Whoever started us under nohup wants to go on without a terminal.
        if !isIgnored(signal(SIGHUP, SIG_IGN)) { numbers.append(SIGHUP) }
        var signals = sigset_t()
        sigemptyset(&signals)
        for number in numbers { sigaddset(&signals, number) }
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
        for number in numbers {
            signal(number) { _ in
                // Only what is safe in a signal handler: an atomic, and _exit.
                if StopSignal.count.add(1, ordering: .relaxed).newValue > 1 { _exit(130) }
            }
        }
    }

    /// Whether what was done at a signal was to ignore it: functions do not compare, their addresses do.
    private static func isIgnored(_ handler: (@convention(c) (Int32) -> Void)?) -> Bool {
        unsafeBitCast(handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
    }

    static var isSet: Bool { count.load(ordering: .relaxed) > 0 }
}
