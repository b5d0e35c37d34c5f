// SPDX-License-Identifier: MIT
package enum Stories {
    package static let defaultCount = 30_000
    static let typicalBytes = 500
    package static func story(seed: UInt64, index: Int) -> [UInt8] { Array("Once upon a time \(index). The end.\n".utf8) }
}
