/*
 * What the bench asks of an event loop in C. Each library has a file that fills in one `struct library`; the Rust side,
 * src/engines/c.rs, calls it.
 *
 * `echo` and `exchange` are whole programs, written the way the library's manual shows: callbacks do the work. The
 * rest is as much as the shared programs need (src/engines/program): sources that are watched, and wakers.
 *
 * Functions return 0, or a negative error number.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>

/* What follows a message that has come. */
enum answer { STOP = 0, SEND = 1, SEND_AND_STOP = 2, FAIL = 3 };

typedef void (*echoed_fn)(void *context, size_t bytes);
/* May change the message, which is what is sent. */
typedef int (*answer_fn)(void *context, unsigned char *message);
typedef void (*note_fn)(void *context, size_t token);

struct library {
    const char *(*version)(void);

    /* Accepts that many connections, sends back what they send, until all have ended. Tells each write. */
    int (*echo)(int listener, size_t connections, size_t buffer, void *context, echoed_fn echoed);
    /* Waits for messages of that size on a connected socket and answers them, until it is told to stop. */
    int (*exchange)(int fd, size_t size, void *context, answer_fn answer);

    /* A loop; with `threads` its wakers may be used from others. */
    void *(*loop_new)(int threads);
    /* Watches for input, until it is unwatched. */
    void *(*watch)(void *loop, int fd, size_t token);
    int (*rewatch)(void *watch, size_t token);
    void (*unwatch)(void *watch);
    void *(*waker_new)(void *loop, size_t token);
    void (*wake)(void *waker);
    /* Waits for events, or only looks; notes the token of each. */
    int (*run)(void *loop, int wait, void *context, note_fn note);
};

#endif
