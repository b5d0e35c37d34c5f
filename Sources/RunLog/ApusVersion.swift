// SPDX-License-Identifier: MIT

/// The version of this program, as files and `apus --version` name it.
public let apusVersion = "0.1.0"
