/* The tasks of a network shared out by a program's own threads, which meet after each. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>
#include "net.h"

enum { THREADS = 2 };

static uint8_t x[NET_X_BYTES];
static int32_t y[NET_Y_BYTES / 4];
static char arena[NET_ARENA_BYTES] __attribute__((aligned(NET_ARENA_ALIGNMENT)));
static void *pointers[] = {x, y, arena};
static pthread_barrier_t done;
static const struct {
    void (*run)(void *const *, intptr_t, intptr_t);
    intptr_t units;
} tasks[] = NET_TASKS;

static void *work(void *given) {
    intptr_t thread = (intptr_t)given;
    for (unsigned n = 0; n < sizeof tasks / sizeof *tasks; n++) {
        intptr_t units = tasks[n].units;
        intptr_t begin = units * thread / THREADS, end = units * (thread + 1) / THREADS;
        if (begin < end) tasks[n].run(pointers, begin, end);
        pthread_barrier_wait(&done);
    }
    return NULL;
}

int main(void) {
    pthread_t thread;
    alarm(100);
    for (int i = 0; i < NET_X_BYTES; i++) x[i] = i % 4;
    pthread_barrier_init(&done, NULL, THREADS);
    pthread_create(&thread, NULL, work, (void *)1);
    work((void *)0);
    pthread_join(thread, NULL);
    return fwrite(y, 1, sizeof y, stdout) != sizeof y;
}
