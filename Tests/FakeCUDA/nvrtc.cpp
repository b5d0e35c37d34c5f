// SPDX-License-Identifier: MIT
// NVRTC: "machine code" is the text itself behind a line that says how it was compiled.
#include <cstring>

#include "machine.h"

namespace fake {

struct Program {
    std::string source, log, cubin;
};

static int Version(int *major, int *minor) {
    *major = machine().card.nvrtc_major;
    *minor = machine().card.nvrtc_minor;
    return 0;
}
static const int architectures[] = {80, 86, 89, 90};
static int ArchitectureCount(int *count) { return *count = 4, 0; }
static int Architectures(int *numbers) { return memcpy(numbers, architectures, sizeof architectures), 0; }

static int Create(Program **program, const char *source, const char *, int headers, const char *const *, const char *const *) {
    Machine &m = machine();
    std::lock_guard guard(m.lock);
    if (headers != 0) m.misuse("nvrtcCreateProgram: the kernels need no headers");
    *program = m.make<Program>();
    (*program)->source = source;
    return 0;
}

static int Compile(Program *program, int count, const char *const *options) {
    Machine &m = machine();
    std::lock_guard guard(m.lock);
    if (!m.knows(program, "nvrtcCompileProgram")) return 4;
    m.counts.compilations++;
    std::string arch, standard;
    int act = -1, head = 0;
    for (int i = 0; i < count; i++) {
        const std::string option = options[i];
        if (option.rfind("--gpu-architecture=", 0) == 0) arch = option.substr(19);
        else if (option.rfind("-std=", 0) == 0) standard = option.substr(5);
        else if (option.rfind("-DACT_BF16=", 0) == 0) act = atoi(option.c_str() + 11);
        else if (option.rfind("-DHEAD_SIZE=", 0) == 0) head = atoi(option.c_str() + 12);
        else if (option.rfind("-DHEAD_SLOTS=", 0) == 0) head = atoi(option.c_str() + 13);
        else m.misuse("nvrtcCompileProgram: option " + option);
    }
    if (standard != "c++17" || act < 0 || arch.rfind("sm_", 0) != 0) m.misuse("nvrtcCompileProgram: options are missing");
    if (m.card.compile_error || program->source.empty()) {
        program->log = "prelude.cu(1): error: a fake error\n1 error detected\n";
        return 6;
    }
    program->cubin = "FAKECUBIN " + arch + " " + std::to_string(act) + " " + std::to_string(head) + " "
        + std::to_string(program->source.size()) + "\n" + program->source;
    return 0;
}

static int Destroy(Program **program) {
    Machine &m = machine();
    std::lock_guard guard(m.lock);
    m.drop(*program, "nvrtcDestroyProgram");
    *program = nullptr;
    return 0;
}
static int LogSize(Program *program, size_t *size) { return *size = program->log.size() + 1, 0; }
static int Log(Program *program, char *text) { return memcpy(text, program->log.c_str(), program->log.size() + 1), 0; }
static int CubinSize(Program *program, size_t *size) { return *size = program->cubin.size() + 1, 0; }
static int Cubin(Program *program, char *bytes) { return memcpy(bytes, program->cubin.c_str(), program->cubin.size() + 1), 0; }
static const char *ErrorString(int) { return "NVRTC_ERROR_COMPILATION"; }

void *nvrtc_symbol(const std::string &name) {
#define NAMED(symbol, function) {symbol, (void *)function}
    static const std::map<std::string, void *> symbols = {
        NAMED("nvrtcVersion", Version), NAMED("nvrtcGetNumSupportedArchs", ArchitectureCount),
        NAMED("nvrtcGetSupportedArchs", Architectures), NAMED("nvrtcCreateProgram", Create),
        NAMED("nvrtcCompileProgram", Compile), NAMED("nvrtcDestroyProgram", Destroy), NAMED("nvrtcGetProgramLogSize", LogSize),
        NAMED("nvrtcGetProgramLog", Log), NAMED("nvrtcGetCUBINSize", CubinSize), NAMED("nvrtcGetCUBIN", Cubin),
        NAMED("nvrtcGetErrorString", ErrorString)};
#undef NAMED
    auto found = symbols.find(name);
    return found == symbols.end() ? nullptr : found->second;
}

}  // namespace fake
