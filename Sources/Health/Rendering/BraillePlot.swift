// SPDX-License-Identifier: MIT
import Foundation

/// A small plot of dots: each character holds 2 x 4 of them (Unicode's braille patterns), and a shaded band may lie behind.
struct BraillePlot {
    let columns: Int
    let rows: Int
    private var dots: [UInt8]
    private var shaded: [Bool]

    init(columns: Int, rows: Int) {
        self.columns = max(1, columns)
        self.rows = max(1, rows)
        dots = Array(repeating: 0, count: self.columns * self.rows)
        shaded = Array(repeating: false, count: self.columns * self.rows)
    }

    /// Sets the dot at a place of the unit square, y upwards.
    mutating func dot(_ x: Double, _ y: Double) {
        guard x.isFinite, y.isFinite, x >= 0, x <= 1, y >= 0, y <= 1 else { return }
        let column = min(Int(x * Double(columns * 2)), columns * 2 - 1)
        let row = min(Int((1 - y) * Double(rows * 4)), rows * 4 - 1)
        // Bits of a pattern run down the left column, then the right; the fourth row came later.
        let bits: [[UInt8]] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]]
        dots[row / 4 * columns + column / 2] |= bits[row % 4][column % 2]
    }

    /// Draws a line between two places.
    mutating func line(_ from: (x: Double, y: Double), _ to: (x: Double, y: Double)) {
        guard from.x.isFinite, from.y.isFinite, to.x.isFinite, to.y.isFinite else { return }
        let span = max(abs(to.x - from.x) * Double(columns * 2), abs(to.y - from.y) * Double(rows * 4))
        let steps = max(1, Int(min(span, 4000).rounded(.up)))
        for step in 0...steps {
            let share = Double(step) / Double(steps)
            dot(from.x + (to.x - from.x) * share, from.y + (to.y - from.y) * share)
        }
    }

    /// Shades the characters between two heights from x on.
    mutating func shade(fromX x: Double, low: Double, high: Double) {
        guard x.isFinite, !low.isNaN, !high.isNaN else { return }
        let x = max(0, x), low = max(-1, min(2, low)), high = max(-1, min(2, high))
        let top = max(0, min(rows - 1, Int((1 - high) * Double(rows)))),
            bottom = max(0, min(rows - 1, Int((1 - low) * Double(rows) - 1e-9)))
        guard top <= bottom, x <= 1 else { return }
        for row in top...bottom {
            for column in Int(x * Double(columns))..<columns { shaded[row * columns + column] = true }
        }
    }

    /// A row as text; dots win over the shade.
    func row(_ index: Int) -> String {
        String(
            String.UnicodeScalarView(
                (0..<columns).map { column in
                    let pattern = dots[index * columns + column]
                    if pattern == 0 { return shaded[index * columns + column] ? "▒" : " " }
                    return Unicode.Scalar(0x2800 + UInt32(pattern)) ?? " "
                }))
    }
}
