// SPDX-License-Identifier: MIT
import Storage

/// Where CUDA's libraries may lie on a machine, best first, without running any program.
///
/// A folder that was named comes first, then what the environment says, then the Pythons on PATH (the packages
/// `nvidia-*` that PyTorch brings too), then what the dynamic linker knows, then the usual folders.
package struct CUDALibrarySearch: Sendable {
    /// A file to try, or a bare name for the dynamic linker to find.
    package struct Candidate: Sendable, Equatable {
        package let path: String
        package let major: Int

        package init(path: String, major: Int) {
            self.path = path
            self.major = major
        }
    }

    private let environment: [String: String]
    private let folder: String?
    /// "" on a real machine; a folder that stands for / in tests.
    private let root: String

    /// - Parameter folder: searched alone when it is given.
    package init(folder: String?, environment: [String: String], root: String = "") {
        self.folder = folder
        self.environment = environment
        self.root = root
    }

    /// Files and names to try for a library, in order; those that exist, and the linker's names always.
    package func candidates(_ kind: CUDALibraryKind) -> [Candidate] {
        if let folder { return files(kind, in: expanded(folder)) }
        var found: [Candidate] = []
        for place in environmentFolders + pythonFolders { found += files(kind, in: [place]) }
        found += CUDALibraryKind.majors.map { Candidate(path: "\(kind.stem).so.\($0)", major: $0) }
        for place in usualFolders { found += files(kind, in: [place]) }
        var seen: Set<String> = []
        return found.filter { seen.insert($0.path).inserted }
    }

    /// The folder that was named: itself, a toolkit's, or a site-packages.
    private func expanded(_ folder: String) -> [String] {
        [folder] + toolkit(folder) + packages(in: folder)
    }

    private var environmentFolders: [String] {
        var folders: [String] = []
        if let named = value("APUS_CUDA_LIBRARIES") { folders += expanded(named) }
        for name in ["CUDA_HOME", "CUDA_PATH"] { if let home = value(name) { folders += toolkit(home) } }
        return folders
    }

    private var usualFolders: [String] {
        let local = Folder.names(root + "/usr/local").filter { $0.hasPrefix("cuda") }.sorted(by: >)
        return local.flatMap { toolkit("/usr/local/" + $0) } + toolkit("/opt/cuda")
    }

    private func toolkit(_ home: String) -> [String] { ["/lib64", "/lib", "/targets/x86_64-linux/lib"].map { home + $0 } }

    // MARK: Python

    /// Library folders of the `nvidia-*` packages of every Python that the environment leads to.
    private var pythonFolders: [String] {
        var prefixes: [String] = []
        for name in ["VIRTUAL_ENV", "CONDA_PREFIX"] { if let prefix = value(name) { prefixes.append(prefix) } }
        for bin in (value("PATH") ?? "").split(separator: ":").map(String.init) where bin.hasSuffix("/bin") {
            if Folder.names(root + bin).contains(where: { $0.hasPrefix("python") }) { prefixes.append(String(bin.dropLast(4))) }
        }
        if let home = value("HOME") {
            prefixes.append(home + "/.local")
            for version in Folder.names(root + home + "/.pyenv/versions").sorted(by: >) {
                prefixes.append(home + "/.pyenv/versions/" + version)
            }
        }
        prefixes.append("/usr")
        prefixes.append("/usr/local")
        var seen: Set<String> = []
        return prefixes.filter { seen.insert($0).inserted }.flatMap(sitePackages).flatMap(packages)
    }

    private func sitePackages(_ prefix: String) -> [String] {
        ["/lib", "/lib64"].flatMap { lib in
            Folder.names(root + prefix + lib).filter { $0.hasPrefix("python3") }.sorted(by: >).flatMap { python in
                ["/site-packages", "/dist-packages"].map { prefix + lib + "/" + python + $0 }
            }
        }
    }

    /// `nvidia/cublas/lib`, `nvidia/cuda_nvrtc/lib` (CUDA 12), `nvidia/cu13/lib`.
    private func packages(in site: String) -> [String] {
        Folder.names(root + site + "/nvidia").sorted(by: >).map { site + "/nvidia/" + $0 + "/lib" }
    }

    // MARK: Files

    private func files(_ kind: CUDALibraryKind, in folders: [String]) -> [Candidate] {
        folders.flatMap { folder in
            let names = Set(Folder.names(root + folder))
            return CUDALibraryKind.majors.compactMap { major -> Candidate? in
                let name = "\(kind.stem).so.\(major)"
                return names.contains(name) ? Candidate(path: folder + "/" + name, major: major) : nil
            }
        }
    }

    private func value(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
}
