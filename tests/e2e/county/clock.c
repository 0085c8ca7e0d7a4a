/* A wall clock that a test can set: LD_PRELOAD this, with ACCORD_TEST_CLOCK naming a file of one little-endian 64-bit number of seconds.
   Only CLOCK_REALTIME moves; monotonic time, and with it every timer, stays true. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *offset;

__attribute__((constructor)) static void open_offset(void) {
    const char *path = getenv("ACCORD_TEST_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *map = file < 0 ? MAP_FAILED : mmap(0, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
    if (map == MAP_FAILED)
        _exit(97);
    offset = map;
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    long done = syscall(SYS_clock_gettime, clock, at);
    if (done == 0 && clock == CLOCK_REALTIME && offset)
        at->tv_sec += *offset;
    return (int)done;
}
