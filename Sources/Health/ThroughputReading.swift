// SPDX-License-Identifier: MIT
import Foundation
import RunLog

/// Reads speed and efficiency out of a run's step times.
enum ThroughputReading {
    static func read(_ facts: RunFacts, gpu: GPU?) -> HealthReport.Throughput? {
        let config = facts.config
        // The first steps compile, allocate and warm caches.
        let settled = facts.steps.count > 20 ? Array(facts.steps.dropFirst(max(5, facts.steps.count / 100))) : facts.steps
        let times = settled.compactMap(\.stepMs).filter { $0 > 0 && $0.isFinite }
        var reading = HealthReport.Throughput()
        reading.stepMsMedian = Statistics.median(times)
        reading.stepMsP95 = Statistics.quantile(times, 0.95)
        reading.mfuPrinted = Statistics.median(settled.compactMap(\.mfuPrinted).filter { $0 > 0 && $0 < 2 })
        reading.mfuPrintedPeakTflops = reading.mfuPrinted == nil || facts.source == .apus ? nil : facts.device.printedPeakTflops
        reading.mfuPrintedPeakName = facts.device.printedPeakName
        reading.tokensPerSecond = Statistics.median(settled.compactMap(\.tokensPerSecond).filter { $0 > 0 && $0.isFinite })
        if reading.tokensPerSecond == nil, let ms = reading.stepMsMedian, let tokens = config.tokensPerStep?.value {
            reading.tokensPerSecond = tokens / ms * 1000
        }
        reading.device = gpu?.name ?? facts.device.name?.value
        reading.devicePeakTflops = gpu?.peakTflops(dtype: config.dtype?.value)
        reading.deviceMemoryBytes = gpu?.memoryGB.last.map { $0 * 1_073_741_824 }
        reading.memoryUsedBytes = facts.device.memoryUsedBytes
        // What the printed share says is independent of the batch; else tokens and FLOPs a token.
        if let printed = reading.mfuPrinted, let peak = reading.mfuPrintedPeakTflops {
            reading.tflops = printed * peak
        } else if let speed = reading.tokensPerSecond, let flops = flopsPerToken(config) {
            reading.tflops = speed * flops / 1e12
        }
        if reading.tokensPerSecond == nil, let tflops = reading.tflops, let flops = flopsPerToken(config), flops > 0 {
            reading.tokensPerSecond = tflops * 1e12 / flops
        }
        if let tflops = reading.tflops, let peak = reading.devicePeakTflops, peak > 0 { reading.mfu = tflops / peak }
        if facts.source == .apus, reading.mfu == nil { reading.mfu = reading.mfuPrinted }
        reading.ceilingFraction = Statistics.median(settled.compactMap(\.ceilingFraction).filter { $0 > 0 && $0.isFinite })
        if let last = facts.steps.last?.step ?? facts.evals.last?.step {
            let tokens = facts.steps.last?.tokens ?? facts.evals.last?.tokens
            if let ms = reading.stepMsMedian {
                reading.hours = ms * Double(last) / 3.6e6
            } else if let speed = reading.tokensPerSecond, speed > 0, let tokens {
                reading.hours = tokens / speed / 3600
            }
        }
        return reading.tokensPerSecond == nil && reading.mfuPrinted == nil && reading.stepMsMedian == nil ? nil : reading
    }

    /// Forward and backward, nanoGPT's count.
    static func flopsPerToken(_ config: ConfigFacts) -> Double? {
        if let shape = config.shape, config.isShapeKnown { return shape.flopsPerToken }
        return config.parameters.map { $0.value * 6 }
    }
}
