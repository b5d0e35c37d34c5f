// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "CMapping.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

// A signal may come at any moment: the table is plain memory without locks, and the handler only reads it and calls write and
// _exit, which POSIX allows there (signal-safety(7)).

enum { PLACES = 512, LONGEST_PATH = 512 };

typedef struct {
    _Atomic(uintptr_t) base;  // 0: free; 1: being filled in
    size_t size;
    char path[LONGEST_PATH];
} apus_mapping_t;

static apus_mapping_t table[PLACES];

int apus_mapping_note(const void *base, size_t size, const char *path) {
    for (int i = 0; i < PLACES; i++) {
        uintptr_t expected = 0;
        if (!atomic_compare_exchange_strong(&table[i].base, &expected, 1)) continue;
        table[i].size = size;
        strncpy(table[i].path, path, LONGEST_PATH - 1);
        table[i].path[LONGEST_PATH - 1] = 0;
        atomic_store(&table[i].base, (uintptr_t)base);
        return i;
    }
    return -1;
}

void apus_mapping_forget(int place) {
    if (place >= 0 && place < PLACES) atomic_store(&table[place].base, 0);
}

static void say(const char *text) {
    if (write(STDERR_FILENO, text, strlen(text)) < 0) return;  // nobody to tell
}

static void on_fault(int number, siginfo_t *info, void *context) {
    (void)context;
    uintptr_t address = (uintptr_t)info->si_addr;
    const char *path = NULL;
    for (int i = 0; i < PLACES && !path; i++) {
        uintptr_t base = atomic_load(&table[i].base);
        if (base > 1 && address >= base && address - base < table[i].size) path = table[i].path;
    }
    if (!path && info->si_code != BUS_ADRERR) {
        signal(number, SIG_DFL);  // not ours: the instruction is tried again and ends the process
        return;
    }
    say("error: cannot read '");
    say(path ? path : "a mapped file");
    say("': it became shorter while it was in use, or its disk failed; put it back as it was. What was saved is unharmed: a "
        "training run goes on with --resume\n");
    _exit(1);
}

void apus_mapping_explain_faults(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO;
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}
