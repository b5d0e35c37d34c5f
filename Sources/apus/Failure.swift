// SPDX-License-Identifier: MIT
import Checkpoints
import Compute
import ComputeCPU
import ComputeCUDA
import Corpus
import Foundation
import Modeling
import Parquet
import RunLog
import Storage
import Tokenization
import Training

/// A mistake in how the program was called: exit code 2.
struct UsageError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// Maps errors of all layers to a sentence and an exit code.
enum Failure {
    static let failed: Int32 = 1, usage: Int32 = 2, interrupted: Int32 = 130

    /// nil for errors of the argument parser, which explains them itself.
    static func explain(_ error: any Error) -> (String, Int32)? {
        switch error {
        case let error as UsageError: (error.description, usage)
        case let error as ConfigError: (error.description, usage)
        case let error as ModelError: (error.description, usage)
        case let error as TrainingError: (error.description, error.isUsage ? usage : failed)
        case let error as CorpusError:
            (error.description, error.kind == .usage ? usage : error.kind == .interrupted ? interrupted : failed)
        case let error as FileError: (error.description, failed)
        case let error as ParquetError: (error.description, failed)
        case let error as MemoryError: (error.description, failed)
        case let error as TokenizerError: (error.description, failed)
        case let error as CPUBackendError: (error.description, usage)
        case let error as CUDAError: (error.description, failed)
        default: nil
        }
    }
}
