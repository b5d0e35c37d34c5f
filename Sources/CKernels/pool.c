// SPDX-License-Identifier: MIT
#define _GNU_SOURCE  // syscall
#include "apus_pool.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

// A step runs some hundred tasks back to back, so a thread that has finished looks for the next one for a few
// microseconds before it sleeps; on a machine shared with others it must not look for long.
enum { SPINS = 4000 };

typedef struct {
    _Alignas(128) pthread_t id;
    apus_pool_t *pool;
    int thread;
} worker_t;

/// A number that others wait for. Waking costs a call of the kernel, so it is left out where nobody sleeps, as nearly always
/// within a step.
typedef struct {
    _Alignas(128) _Atomic uint32_t value;
    _Atomic uint32_t sleepers;
} signal_t;

/// The last task whose share of this number was taken by some thread.
typedef struct {
    _Alignas(128) _Atomic uint32_t round;
} share_t;

struct apus_pool {
    signal_t round;  // increased once a task; workers wait for it
    signal_t busy;   // shares of the task that are not done
    _Alignas(128) apus_task_t task;
    void *context;
    int threads;
    _Atomic int stop;
    worker_t *workers;
    share_t *shares;  // one a thread
};

static void pause_cpu(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void futex_wait(_Atomic uint32_t *word, uint32_t value) { syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0); }

static void futex_wake(_Atomic uint32_t *word) { syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0); }

/// Wakes those that sleep, after the value was changed. Both sides write one word and then read the other's in one total order
/// (the value, then sleepers; sleepers, then the value), so a change is seen by the sleeper or the sleeper by the change.
static void wake(signal_t *signal) {
    if (atomic_load(&signal->sleepers) != 0) futex_wake(&signal->value);
}

/// Waits until the value is no longer `value`.
static void wait_change(signal_t *signal, uint32_t value) {
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&signal->value, memory_order_acquire) != value) return;
        pause_cpu();
    }
    atomic_fetch_add(&signal->sleepers, 1);
    while (atomic_load(&signal->value) == value) futex_wait(&signal->value, value);
    atomic_fetch_sub(&signal->sleepers, 1);
}

/// Does a share of a task unless somebody has taken it. Every share of every task is taken once, so one of this task is free
/// exactly while its number is that of the task before: a thread that comes late finds nothing and harms nothing.
static bool take(apus_pool_t *pool, uint32_t round, int share) {
    uint32_t before = round - 1;
    if (!atomic_compare_exchange_strong(&pool->shares[share].round, &before, round)) return false;
    pool->task(pool->context, share, pool->threads);
    if (atomic_fetch_sub(&pool->busy.value, 1) == 1) wake(&pool->busy);
    return true;
}

/// Does this thread's share, and then those of threads that have not come: another program may have their cores.
static void take_shares(apus_pool_t *pool, uint32_t round, int thread) {
    for (int i = 0; i < pool->threads; i++) {
        const int share = (thread + i) % pool->threads;
        // Looking is cheap and taking is not: most shares are taken when a thread has done its own.
        if (i == 0 || atomic_load_explicit(&pool->shares[share].round, memory_order_relaxed) == round - 1) take(pool, round, share);
    }
}

static void *work(void *argument) {
    worker_t *me = argument;
    apus_pool_t *pool = me->pool;
    uint32_t seen = 0;
    for (;;) {
        wait_change(&pool->round, seen);
        seen = atomic_load_explicit(&pool->round.value, memory_order_acquire);
        if (atomic_load_explicit(&pool->stop, memory_order_relaxed)) return NULL;
        take_shares(pool, seen, me->thread);
    }
}

apus_pool_t *apus_pool_create(int threads) {
    if (threads < 1) threads = 1;
    apus_pool_t *pool = aligned_alloc(128, (sizeof *pool + 127) / 128 * 128);
    if (pool == NULL) return NULL;
    *pool = (apus_pool_t){.threads = 1};
    pool->workers = aligned_alloc(128, sizeof(worker_t) * (size_t)threads);
    pool->shares = aligned_alloc(128, sizeof(share_t) * (size_t)threads);
    if (pool->workers == NULL || pool->shares == NULL) {
        apus_pool_destroy(pool);
        return NULL;
    }
    for (int i = 0; i < threads; i++) atomic_init(&pool->shares[i].round, 0);
    for (int i = 1; i < threads; i++) {
        pool->workers[i] = (worker_t){.pool = pool, .thread = i};
        if (pthread_create(&pool->workers[i].id, NULL, work, &pool->workers[i]) != 0) {
            apus_pool_destroy(pool);
            return NULL;
        }
        pool->threads = i + 1;
    }
    return pool;
}

void apus_pool_destroy(apus_pool_t *pool) {
    if (pool == NULL) return;
    atomic_store(&pool->stop, 1);
    atomic_fetch_add(&pool->round.value, 1);
    wake(&pool->round);
    for (int i = 1; i < pool->threads; i++) pthread_join(pool->workers[i].id, NULL);
    free(pool->workers);
    free(pool->shares);
    free(pool);
}

int apus_pool_threads(const apus_pool_t *pool) { return pool->threads; }

// Two threads that look for work meet within a microsecond; one that sleeps takes fifty to come.
static const double SHORT = 5000;

int apus_pool_threads_for(const apus_pool_t *pool, double nanoseconds) { return nanoseconds < SHORT ? 1 : pool->threads; }

void apus_pool_run_short(apus_pool_t *pool, apus_task_t task, void *context, double nanoseconds) {
    if (nanoseconds < SHORT) {
        task(context, 0, 1);
    } else {
        apus_pool_run(pool, task, context);
    }
}

void apus_pool_run(apus_pool_t *pool, apus_task_t task, void *context) {
    if (pool->threads == 1) {
        task(context, 0, 1);
        return;
    }
    pool->task = task;
    pool->context = context;
    atomic_store_explicit(&pool->busy.value, (uint32_t)pool->threads, memory_order_relaxed);
    const uint32_t round = atomic_fetch_add(&pool->round.value, 1) + 1;
    wake(&pool->round);
    take_shares(pool, round, 0);
    uint32_t left;
    while ((left = atomic_load_explicit(&pool->busy.value, memory_order_acquire)) != 0) wait_change(&pool->busy, left);
}
