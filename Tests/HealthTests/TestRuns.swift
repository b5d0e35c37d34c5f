// SPDX-License-Identifier: MIT
import Foundation
import RunLog

extension RunConfig {
    /// The settings that tests of run folders begin with: 400 updates of 524,288 tokens.
    static func fourHundredUpdates() -> RunConfig {
        var config = RunConfig()
        config.nEmbd = 384
        config.vocabSize = 50304
        config.batchSize = 16
        config.gradientAccumulationSteps = 32
        config.learningRate = 2e-3
        config.maxIters = 400
        config.warmupIters = 40
        config.evalInterval = 50
        return config
    }
}

/// A path for a run folder of one test, where nothing is yet.
func newRunPath() -> String {
    FileManager.default.temporaryDirectory.appendingPathComponent("apus-health-\(UUID().uuidString)").path
}
