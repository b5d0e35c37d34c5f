// SPDX-License-Identifier: MIT
import ComputeCUDA
import FakeCUDA
import Foundation
import TestKit
import Testing

/// Where the libraries are looked for, in a folder that stands for a machine's root.
@Suite struct LibrarySearchTests {
    private func machine(_ files: [String]) throws -> TemporaryFolder {
        let root = try TemporaryFolder()
        for file in files {
            let folder = (root.path + file as NSString).deletingLastPathComponent
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try Data().write(to: URL(fileURLWithPath: root.path + file))
        }
        return root
    }

    @Test func pythonPackagesToolkitsAndTheLinker() throws {
        let root = try machine([
            "/venv/bin/python3", "/venv/lib/python3.12/site-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12",
            "/venv/lib/python3.12/site-packages/nvidia/cublas/lib/libcublasLt.so.12",
            "/home/ada/.local/lib/python3.11/site-packages/nvidia/cu13/lib/libnvrtc.so.13",
            "/usr/local/cuda-12.4/lib64/libnvrtc.so.12", "/opt/toolkit/lib64/libnvrtc.so.12", "/usr/bin/python3",
            "/usr/lib/python3.11/dist-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12",
        ])
        let environment = ["PATH": "/venv/bin:/usr/bin", "HOME": "/home/ada", "CUDA_HOME": "/opt/toolkit"]
        let search = CUDALibrarySearch(folder: nil, environment: environment, root: root.path)
        #expect(
            search.candidates(.nvrtc).map(\.path) == [
                "/opt/toolkit/lib64/libnvrtc.so.12", "/venv/lib/python3.12/site-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12",
                "/usr/lib/python3.11/dist-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12",
                "/home/ada/.local/lib/python3.11/site-packages/nvidia/cu13/lib/libnvrtc.so.13", "libnvrtc.so.13",
                "libnvrtc.so.12",
                "/usr/local/cuda-12.4/lib64/libnvrtc.so.12",
            ])
        #expect(
            search.candidates(.cublasLt).map(\.path) == [
                "/venv/lib/python3.12/site-packages/nvidia/cublas/lib/libcublasLt.so.12", "libcublasLt.so.13",
                "libcublasLt.so.12",
            ])
    }

    @Test func aNamedFolderIsSearchedAlone() throws {
        let root = try machine(["/site/nvidia/cuda_nvrtc/lib/libnvrtc.so.12", "/flat/libnvrtc.so.13", "/flat/libnvrtc.so.12"])
        func paths(_ folder: String) -> [String] {
            CUDALibrarySearch(folder: folder, environment: ["PATH": "/usr/bin"], root: root.path).candidates(.nvrtc).map(\.path)
        }
        #expect(paths("/site") == ["/site/nvidia/cuda_nvrtc/lib/libnvrtc.so.12"])
        #expect(paths("/flat") == ["/flat/libnvrtc.so.13", "/flat/libnvrtc.so.12"])
        #expect(paths("/nowhere") == [])
    }
}

extension OnFakeCard {
    /// What is said when something is missing: one sentence, with what to do.
    @Suite struct MissingTests {
        /// Opens what the driver and libraries of these names are, nothing else.
        private func only(_ names: String...) -> LibraryOpener {
            { path, _ in
                names.contains(where: path.contains)
                    ? (FakeCard.symbols(path), "") : (nil, "\(path): cannot open shared object file")
            }
        }

        private func failure(_ open: @escaping LibraryOpener) -> String {
            do {
                _ = try CUDABackend(try FakeCard.libraries(open: open), CUDAOptions())
                return ""
            } catch { return "\(error)" }
        }

        @Test func eachHasItsSentence() throws {
            FakeCard.insert()
            #expect(
                failure(only())
                    == "no NVIDIA driver was found (libcuda.so.1: cannot open shared object file): install the driver of "
                    + "your system, or leave --device out to use the CPU")
            #expect(
                failure(only("libcuda")) == "NVRTC was not found (libnvrtc.so.12: cannot open shared object file): pip install "
                    + "nvidia-cublas-cu12 nvidia-cuda-nvrtc-cu12, or name its folder by --cuda-libraries DIR")
            #expect(failure(only("libcuda", "libnvrtc.so.12")).hasPrefix("cuBLASLt was not found (libcublasLt.so.12"))
            #expect(
                failure(only("libcuda", "libnvrtc.so.13"))
                    == "the NVIDIA driver serves CUDA 12.4, but the NVRTC found needs 13.0: update "
                    + "the driver, or pip install nvidia-cublas-cu12 nvidia-cuda-nvrtc-cu12")
            #expect(failure(only("libcuda", ".so.12")) == "")
            FakeCard.insert { $0.cards = 0 }
            #expect(failure(only("libcuda", ".so.12")).hasPrefix("the NVIDIA driver offers no graphics card (it counts none)"))
            FakeCard.insert { $0.initialize_result = 100 }
            #expect(failure(only("libcuda")).contains("CUDA_ERROR_NO_DEVICE): check `nvidia-smi`"))
            FakeCard.insert { $0.initialize_result = 803 }
            #expect(failure(only("libcuda")).contains("CUDA_ERROR_SYSTEM_DRIVER_MISMATCH; restart after a driver update"))
            FakeCard.insert {
                $0.capability_major = 7
                $0.capability_minor = 5
            }
            #expect(failure(only("libcuda", ".so.12")).contains("has compute capability 7.5 and so no bfloat16"))
            FakeCard.insert {
                $0.capability_major = 12
                $0.capability_minor = 0
            }
            #expect(failure(only("libcuda", ".so.12")).hasPrefix("NVRTC 12.9 (libnvrtc.so.12) cannot compile for NVIDIA GeForce"))
            FakeCard.insert { $0.host_memory_error = 1 }
            #expect(failure(only("libcuda", ".so.12")).hasPrefix("the graphics card refused to lock 16 MB of host memory"))
            FakeCard.insert { $0.memory_bytes = 8 << 20 }
            // Of 8 MiB the places where tokens land have taken 4; cuBLASLt's scratch memory is what is missing.
            #expect(failure(only("libcuda", ".so.12")).hasPrefix("not enough memory: 33.55 MB are needed, 4.19 MB are available"))
            #expect(FakeCard.misuses == "" && FakeCard.counts.live_handles == 0)
        }

        @Test func aDriverOfBothVersionsTakesTheNewer() throws {
            FakeCard.insert { $0.driver_version = 13000 }
            let libraries = try FakeCard.libraries(open: only("libcuda", "libnvrtc", "libcublasLt"))
            #expect(libraries.compiler.path == "libnvrtc.so.13" && libraries.products.path == "libcublasLt.so.13")
        }

        /// A driver that lacks a function is too old, and says which.
        @Test func missingFunction() {
            let lookup: apus_symbols = { _, name in
                String(cString: name) == "cuGraphInstantiateWithFlags" ? nil : apus_fake_symbol(nil, name)
            }
            #expect(
                failure { path, _ in (SymbolSource(lookup: lookup, source: nil, path: path), "") }.hasPrefix(
                    "no NVIDIA driver was found (libcuda.so.1 has no cuGraphInstantiateWithFlags: it is older than CUDA 11.4"))
        }

        private typealias apus_symbols =
            @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<CChar>) -> UnsafeMutableRawPointer?

        @Test func doctor() {
            let search = CUDALibrarySearch(folder: nil, environment: [:], root: "/nonexistent")
            FakeCard.insert()
            let all = CUDAExamination(search: search, open: only("libcuda", ".so.12")).findings
            #expect(
                all.map(\.name) == ["gpu driver", "gpu", "NVRTC", "cuBLASLt"] && all.allSatisfy { $0.isGood && $0.mend == nil })
            #expect(all[1].value == "NVIDIA GeForce RTX 4070, 0 GB, compute capability 8.9")
            let bare = CUDAExamination(search: search, open: only("libcuda")).findings
            #expect(
                bare.suffix(2).allSatisfy { $0.mend == "pip install nvidia-cublas-cu12 nvidia-cuda-nvrtc-cu12" && !$0.isGood })
            let none = CUDAExamination(search: search, open: only()).findings
            #expect(
                none.count == 1 && none[0].value == "no NVIDIA driver was found (libcuda.so.1: cannot open shared object file)")
            #expect(none[0].mend == "install the driver of your system, or leave --device out to use the CPU")
            FakeCard.insert { $0.cards = 0 }
            let cardless = CUDAExamination(search: search, open: only("libcuda")).findings
            #expect(cardless[1].name == "gpu" && !cardless[1].isGood)
        }
    }
}
