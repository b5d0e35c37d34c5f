// SPDX-License-Identifier: MIT
import Foundation

/// Two independent standard normal numbers from two random words (Box-Muller).
func normalPair(_ first: UInt32, _ second: UInt32) -> (Float, Float) {
    // (word + 1/2) / 2^32 lies strictly between 0 and 1, so the logarithm exists.
    let u = (Double(first) + 0.5) * 0x1p-32, angle = 2 * Double.pi * (Double(second) + 0.5) * 0x1p-32
    let radius = (-2 * log(u)).squareRoot()
    return (Float(radius * cos(angle)), Float(radius * sin(angle)))
}
