/* The program that a board runs for a candidate: `autotune/board_program.py` writes plan.h.

   It compares what the candidate computes with what is wanted, each buffer between pages that nobody may touch,
   times it in turn with the reference candidate, and tells what came of it as JSON on stdout. What it is at
   stands on stderr, so that this is its last word.

   program DATA SECONDS ALLOCATIONS ROUNDS SAMPLE COOL_DOWN GIVE_UP BEST */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct pointer { char role; int index; size_t size, alignment; };
struct function { int count; const struct pointer *pointers; void (*call)(void **); };
struct kernel { struct function pack, main; };

#include "plan.h"

enum { FILL = 0xA5, MOST = 64, ATTEMPTS = 10 };
static const double FAR = 3.0;
static size_t page;

/* Bytes between two guards, against the one behind them or the one before. */
struct buffer { unsigned char *base, *at; size_t room; };

static void *fresh(size_t size, int access) {
    void *at = mmap(NULL, size, access, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) {
        printf("{\"kind\": \"memory\", \"message\": \"the board has no %zu bytes\"}\n", size);
        exit(0);
    }
    return at;
}

static struct buffer guarded(const struct pointer *one, int right) {
    struct buffer made;
    made.room = (one->size + page - 1) / page * page;
    if (made.room == 0) made.room = page;
    made.base = (unsigned char *)fresh(made.room + 2 * page, PROT_NONE) + page;
    mprotect(made.base, made.room, PROT_READ | PROT_WRITE);
    memset(made.base, FILL, made.room);
    made.at = made.base + (right ? (made.room - one->size) / one->alignment * one->alignment : 0);
    return made;
}

static int touched(const struct buffer *one, size_t size) {
    for (unsigned char *p = one->base; p < one->base + one->room; p++)
        if ((p < one->at || p >= one->at + size) && *p != FILL) return 1;
    return 0;
}

/* Where the inputs of an example lie in the data, and behind them its results. */
static unsigned char *input_of(unsigned char *data, int example, int number) {
    for (int e = 0; e < example; e++) {
        for (int i = 0; i < INPUTS; i++) data += INPUT_SIZES[i];
        for (int i = 0; i < RESULTS; i++) data += RESULT_SIZES[i];
    }
    for (int i = 0; i < number && i < INPUTS; i++) data += INPUT_SIZES[i];
    for (int i = INPUTS; i < number; i++) data += RESULT_SIZES[i - INPUTS];
    return data;
}

/* Call a function between guards; its results are copied to `results`. */
static void run(const struct function *f, unsigned char *data, int example, int right, const char *told,
                unsigned char **packed, unsigned char **results) {
    struct buffer buffers[MOST];
    void *places[MOST];
    for (int n = 0; n < f->count; n++) {
        const struct pointer *one = &f->pointers[n];
        struct buffer *b = &buffers[n];
        *b = guarded(one, right);
        places[n] = b->at;
        if (one->role != 'i' && one->role != 'p') continue;
        memcpy(b->at, one->role == 'p' ? packed[one->index] : input_of(data, example, one->index), one->size);
        mprotect(b->base, b->room, PROT_READ);
    }
    fprintf(stderr, "ran on %s data%s, %s-flush\n", KINDS[example], told, right ? "right" : "left");
    f->call(places);
    for (int n = 0; n < f->count; n++) {
        const struct pointer *one = &f->pointers[n];
        if (touched(&buffers[n], one->size)) {
            printf("{\"kind\": \"bounds\", \"message\": \"bytes beside argument %d on %s data%s\"}\n", n,
                   KINDS[example], told);
            exit(0);
        }
        if (one->role == 'o') memcpy(results[one->index] = malloc(one->size), buffers[n].at, one->size);
        munmap(buffers[n].base - page, buffers[n].room + 2 * page);
    }
}

static void compare(unsigned char *data, int example, int right, unsigned char **results) {
    for (int r = 0; r < RESULTS; r++) {
        const unsigned char *want = input_of(data, example, INPUTS + r);
        size_t wrong = 0, first = 0;
        for (size_t b = RESULT_SIZES[r]; b-- > 0;)
            if (results[r][b] != want[b]) wrong++, first = b;
        if (wrong) {
            printf("{\"result\": %d, \"data\": \"%s\", \"side\": \"%s\", \"wrong\": %zu, \"first\": %zu}\n", r,
                   KINDS[example], right ? "right" : "left", wrong, first);
            exit(0);
        }
        free(results[r]);
    }
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static long switches(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return used.ru_nivcsw;
}

struct call { const struct function *function; void *places[MOST]; double seconds; };

/* A call on memory of its own. */
static struct call placed(const struct kernel *kernel, unsigned char *data, unsigned char **packed) {
    struct call made = {&kernel->main, {0}, 0};
    for (int n = 0; n < kernel->main.count; n++) {
        const struct pointer *one = &kernel->main.pointers[n];
        made.places[n] = aligned_alloc(64, (one->size + 63) / 64 * 64 + 64);
        if (one->role == 'i') memcpy(made.places[n], input_of(data, 0, one->index), one->size);
        if (one->role == 'p') memcpy(made.places[n], packed[one->index], one->size);
    }
    return made;
}

/* Seconds of so many calls while no other process takes the core away. */
static double alone(struct call *one, long calls) {
    double best = 1e30;
    for (int n = 0; n < ATTEMPTS; n++) {
        long before = switches();
        double started = now();
        for (long c = 0; c < calls; c++) one->function->call(one->places);
        double taken = now() - started;
        if (taken < best) best = taken;
        if (switches() == before) break;
    }
    return best;
}

static long rehearsed(struct call *one, double sample) {
    double first = alone(one, 1);
    if (one->seconds == 0) {
        one->seconds = first;
        for (int looks = first < 4 * sample ? 2 : 0; looks > 0; looks--) {
            double again = alone(one, 1);
            if (again < one->seconds) one->seconds = again;
        }
    }
    long calls = (long)(sample / (one->seconds > 1e-9 ? one->seconds : 1e-9) + 0.5);
    return calls > 1 ? calls : 1;
}

static double repeated(struct call *one, long calls) {
    one->function->call(one->places); /* brings back what others have driven from the caches */
    return alone(one, calls) / (double)calls;
}

static void time_in_turn(unsigned char *data, unsigned char **packed, unsigned char **beside, char **given) {
    int allocations = atoi(given[0]), rounds = atoi(given[1]);
    double sample = atof(given[2]), cool_down = atof(given[3]), give_up = atof(given[4]);
    double best = atof(given[5]), least = 1e30; /* a best of 0: none is known */
    struct timespec rest = {(time_t)cool_down, (long)(1e9 * (cool_down - (double)(time_t)cool_down))};
    printf("{\"times\": [");
    for (int a = 0; a < allocations; a++) {
        struct call one = placed(&CANDIDATE, data, packed), other = placed(&REFERENCE, data, beside);
        nanosleep(&rest, NULL);
        long calls[] = {rehearsed(&one, sample), rehearsed(&other, sample)};
        int all = best > 0 && one.seconds > FAR * best * other.seconds ? 1 : rounds;
        printf("%s[", a ? ", " : "");
        for (int r = 0; r < all; r++) {
            double ours = repeated(&one, calls[0]), theirs = repeated(&other, calls[1]);
            printf("%s[%.9g, %.9g]", r ? ", " : "", ours, theirs);
            if (ours / theirs < least) least = ours / theirs;
        }
        printf("]");
        if (best > 0 && least > give_up * best) break;
    }
    printf("]}\n");
}

int main(int count, char **given) {
    if (count != 9) return 2;
    page = (size_t)sysconf(_SC_PAGESIZE);
    alarm((unsigned)atoi(given[2]));
    int file = open(given[1], O_RDONLY);
    struct stat facts;
    if (file < 0 || fstat(file, &facts) || (size_t)facts.st_size != DATA_BYTES) return 3;
    unsigned char *data = mmap(NULL, DATA_BYTES, PROT_READ, MAP_PRIVATE, file, 0);
    cpu_set_t cores, last;
    CPU_ZERO(&last);
    if (!sched_getaffinity(0, sizeof cores, &cores))
        for (int core = CPU_SETSIZE - 1; core >= 0; core--)
            if (CPU_ISSET(core, &cores)) {
                CPU_SET(core, &last);
                sched_setaffinity(0, sizeof last, &last);
                break;
            }
    unsigned char *packed[EXAMPLES][MOST], *beside[MOST], *results[MOST];
    for (int e = 0; e < EXAMPLES; e++)
        if (CANDIDATE.pack.count) run(&CANDIDATE.pack, data, e, 1, " to pack", NULL, packed[e]);
    if (REFERENCE.pack.count) run(&REFERENCE.pack, data, 0, 1, " to pack", NULL, beside);
    for (int left = 0; left < 2; left++)
        for (int e = 0; e < EXAMPLES; e++) {
            if (e && e % 2 != left) continue;
            run(&CANDIDATE.main, data, e, !left, "", packed[e], results);
            compare(data, e, !left, results);
        }
    fprintf(stderr, "ran on random data, timed\n");
    time_in_turn(data, packed[0], beside, given + 3);
    return 0;
}
