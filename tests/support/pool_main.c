/* The pool of threads in a C program, with what `lowering.backend.pool.Pool` does in Python: runs the tasks of a
   network until a worker has taken part, and writes the results of each thousandth call. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "pool.h"
#include "net.h"

int64_t clock(void);
void worker(void *pool, int64_t thread);
void run(void *pool, const void *tasks, int64_t count, int64_t threads, void *args);

static char room[POOL_BYTES] __attribute__((aligned(POOL_LINE)));
static volatile int counted[UNITS], by_worker;
static pthread_t self;

static void count(void *const *args, intptr_t begin, intptr_t end) {
    (void)args;
    if (!pthread_equal(pthread_self(), self)) by_worker = 1;
    for (intptr_t unit = begin; unit < end; unit++) counted[unit]++;
    sched_yield(); /* on one core, to the worker */
}

static void *serve(void *thread) {
    worker(room, (intptr_t)thread);
    return NULL;
}

static int64_t *control(int index) { return (int64_t *)room + index; }

int main(void) {
    static uint8_t x[NET_X_BYTES];
    static int32_t y[NET_Y_BYTES / 4], first[NET_Y_BYTES / 4];
    static char arena[NET_ARENA_BYTES] __attribute__((aligned(NET_ARENA_ALIGNMENT)));
    static const struct { void (*task)(void *const *, intptr_t, intptr_t); int64_t units; }
        tasks[] = NET_TASKS, counting[] = {{count, UNITS}};
    void *pointers[] = {x, y, arena};

    alarm(100);
    self = pthread_self();
    for (int i = 0; i < NET_X_BYTES; i++) x[i] = i % 4;
    sem_init((sem_t *)(room + SEMAPHORE_OF_1), 0, 0);
    memset(room + CORES, 0xff, POOL_LINE);
    int64_t before = clock();
    usleep(1000);
    if (clock() <= before) return 2;
    *control(SPIN) = *control(WAKE) = (clock() - before) / 10; /* a tenth of a millisecond */
    pthread_t thread;
    if (pthread_create(&thread, NULL, serve, (void *)1)) return 3;
    *control(WORKERS) = 1;
    net(x, first, arena);
    for (int call = 1; call < 400 || !by_worker; call++) {
        memset(y, 0, sizeof y);
        run(room, tasks, sizeof tasks / sizeof *tasks, 2, pointers);
        if (memcmp(y, first, sizeof y)) return 4;
        run(room, counting, 1, 2, pointers);
        for (int unit = 0; unit < UNITS; unit++)
            if (counted[unit] != call) return 5;
        if (call % 50 == 0) usleep(2000); /* the worker falls asleep */
    }
    *control(STOP) = 1;
    sem_post((sem_t *)(room + SEMAPHORE_OF_1));
    pthread_join(thread, NULL);
    return fwrite(y, 1, sizeof y, stdout) != sizeof y;
}
