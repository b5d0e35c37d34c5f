// SPDX-License-Identifier: MIT
// Loaded before the C library (LD_PRELOAD) by scripts/torture: makes the wall clock jump, and one system call fail.
//
//   APUS_CLOCK_JUMPS=1      every question for the wall clock is answered with another year; the monotonic clock is left alone
//   APUS_FAULT_AT=N         the N-th call of write (to a file), fsync, rename or close of a written file fails, counted from 0
//   APUS_FAULT_ERRNO=E      with this error number
//   APUS_FAULT_LASTS=1      and so do all later ones
//   APUS_FAULT_COUNT=PATH   the number of such calls is written to this file at the end
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static _Atomic long calls, questions;
static _Atomic unsigned char written[4096];

static long number(const char *name, long otherwise) {
    const char *text = getenv(name);
    return text ? atol(text) : otherwise;
}

/// Counts a call and says whether it is to fail.
static int fails(void) {
    const long call = atomic_fetch_add(&calls, 1), at = number("APUS_FAULT_AT", -1);
    if (at < 0 || (call != at && !(number("APUS_FAULT_LASTS", 0) && call > at))) return 0;
    errno = (int)number("APUS_FAULT_ERRNO", ENOSPC);
    return 1;
}

ssize_t write(int file, const void *bytes, size_t count) {
    static ssize_t (*next)(int, const void *, size_t);
    if (!next) next = dlsym(RTLD_NEXT, "write");
    if (file <= 2) return next(file, bytes, count);
    if (file < 4096) written[file] = 1;
    return fails() ? -1 : next(file, bytes, count);
}

int fsync(int file) {
    static int (*next)(int);
    if (!next) next = dlsym(RTLD_NEXT, "fsync");
    return fails() ? -1 : next(file);
}

int rename(const char *from, const char *to) {
    static int (*next)(const char *, const char *);
    if (!next) next = dlsym(RTLD_NEXT, "rename");
    return fails() ? -1 : next(from, to);
}

int close(int file) {
    static int (*next)(int);
    if (!next) next = dlsym(RTLD_NEXT, "close");
    const int counts = file >= 0 && file < 4096 && atomic_exchange(&written[file], 0) && fails(), code = errno;
    const int result = next(file);  // a close that reports an error closes all the same
    if (!counts) return result;
    errno = code;
    return -1;
}

/// Up to forty years to both sides, another at each question.
static long jump(void) {
    if (!number("APUS_CLOCK_JUMPS", 0)) return 0;
    return (long)((atomic_fetch_add(&questions, 1) * 2654435761u) % 2500000000u) - 1250000000;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    static int (*next)(clockid_t, struct timespec *);
    if (!next) next = dlsym(RTLD_NEXT, "clock_gettime");
    const int result = next(clock, time);
    if (result == 0 && clock == CLOCK_REALTIME) time->tv_sec += jump();
    return result;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    static int (*next)(struct timeval *, void *);
    if (!next) next = dlsym(RTLD_NEXT, "gettimeofday");
    const int result = next(time, zone);
    if (result == 0) time->tv_sec += jump();
    return result;
}

__attribute__((destructor)) static void report(void) {
    const char *path = getenv("APUS_FAULT_COUNT");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (!file) return;
    fprintf(file, "%ld %ld\n", (long)calls, (long)questions);
    fclose(file);
}
