// SPDX-License-Identifier: MIT
#include "table.h"

#include <string>

static const std::vector<apus_emulated_entry> &kernels() {
    static const std::vector<apus_emulated_entry> all = [] {
        std::vector<apus_emulated_entry> table;
        for (const auto &part : {emulated::element_kernels(), emulated::tile_kernels(), emulated::row_kernels(),
                                 emulated::faulty_kernels(), emulated::probe_kernels()}) {
            table.insert(table.end(), part.begin(), part.end());
        }
        return table;
    }();
    return all;
}

const apus_emulated_kernel_t *apus_emulated_kernel(const char *name, int act_bf16, int head) {
    for (const apus_emulated_kernel_t &kernel : kernels()) {
        const bool act = kernel.act_bf16 == emulated::ANY_ACT || kernel.act_bf16 == act_bf16;
        if (act && (kernel.head == emulated::ANY_HEAD || kernel.head == head) && strcmp(kernel.name, name) == 0) return &kernel;
    }
    return nullptr;
}

int apus_emulated_parameters(const apus_emulated_kernel_t *kernel) { return kernel->parameters; }

const char *apus_emulated_launch(
    const apus_emulated_kernel_t *kernel, const apus_emulated_geometry_t *geometry, void **args,
    const apus_emulated_options_t *options) {
    static thread_local std::string message;
    const emulated::Index grid = {geometry->grid[0], geometry->grid[1], geometry->grid[2]};
    const emulated::Index block = {geometry->block[0], geometry->block[1], geometry->block[2]};
    const bool fits = kernel->threads != emulated::ANY_WARPS ? (int)block.x == kernel->threads
                                                             : block.x % 32 == 0 && block.x <= 512;
    if (!fits || block.y != 1 || block.z != 1) {
        message = std::string(kernel->name) + ": a block of " + std::to_string(block.x) + " x " + std::to_string(block.y) + " x "
            + std::to_string(block.z) + " threads is not what it was written for";
        return message.c_str();
    }
    message = emulated::run(grid, block, geometry->shared_bytes, options->reverse != 0, options->late_copies != 0,
                            [&] { kernel->call(args); });
    if (message.empty()) return nullptr;
    message = std::string(kernel->name) + ": " + message;
    return message.c_str();
}
