// SPDX-License-Identifier: MIT
// A persistent thread pool: every kernel is one task that all threads run together, each on its own share.
#ifndef APUS_POOL_H
#define APUS_POOL_H

typedef struct apus_pool apus_pool_t;

/// One of the `threads` shares of a task; `thread` counts from 0. Usually the thread of that number does it, but one that is not
/// there, because another program has its core, finds it done by those that are. A share never waits for another one. The split of the
/// work depends on these two numbers alone, so that results are the same from run to run.
typedef void (*apus_task_t)(void *context, int thread, int threads);

/// Starts a pool of `threads` threads, the caller of `apus_pool_run` being one of them. NULL when threads cannot be had.
apus_pool_t *apus_pool_create(int threads);
void apus_pool_destroy(apus_pool_t *pool);
int apus_pool_threads(const apus_pool_t *pool);

/// Runs all shares of the task and returns when they are done. One caller at a time; allocates nothing.
void apus_pool_run(apus_pool_t *pool, apus_task_t task, void *context);

/// The same for a task that one thread would take about `nanoseconds` for: a short one runs on the calling thread alone, with
/// `threads` = 1, since waking the others and waiting for them would take longer.
void apus_pool_run_short(apus_pool_t *pool, apus_task_t task, void *context, double nanoseconds);

/// The threads that apus_pool_run_short will use.
int apus_pool_threads_for(const apus_pool_t *pool, double nanoseconds);

/// The share of `count` items that a thread takes, cut at multiples of `grain`: [*begin, *end).
static inline void apus_share(long count, long grain, int thread, int threads, long *begin, long *end) {
    long grains = (count + grain - 1) / grain;
    long b = grains * thread / threads * grain, e = grains * (thread + 1) / threads * grain;
    *begin = b < count ? b : count;
    *end = e < count ? e : count;
}

#endif
