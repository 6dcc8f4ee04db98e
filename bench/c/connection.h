/*
 * A connection of the echo servers on libraries that tell readiness and leave reading and writing to the program:
 * libevent and libev. Reads until it would block; what cannot be written is kept, and nothing is read before
 * it is written.
 */
#ifndef CONNECTION_H
#define CONNECTION_H

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

struct rest {
    unsigned char *bytes;
    size_t start, end;
};

enum next { READABLE, WRITABLE, ENDED };

/* Writes what is kept; whether all of it is written. Negative if the connection is broken. */
static inline int flush(int fd, struct rest *rest, void *context, echoed_fn echoed)
{
    while (rest->start < rest->end) {
        ssize_t written = write(fd, rest->bytes + rest->start, rest->end - rest->start);
        if (written >= 0) {
            rest->start += (size_t)written;
            echoed(context, (size_t)written);
        } else if (errno == EAGAIN) {
            return 0;
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return 1;
}

/* What the connection waits for now; negative if it is broken. */
static inline int serve(int fd, struct rest *rest, unsigned char *buffer, size_t size, void *context,
                        echoed_fn echoed)
{
    int flushed = flush(fd, rest, context, echoed);
    if (flushed <= 0)
        return flushed == 0 ? WRITABLE : flushed;
    for (;;) {
        ssize_t length = read(fd, buffer, size);
        if (length == 0)
            return ENDED;
        if (length < 0) {
            if (errno == EAGAIN)
                return READABLE;
            if (errno == EINTR)
                continue;
            return -errno;
        }
        ssize_t written = write(fd, buffer, (size_t)length);
        if (written < 0) {
            if (errno != EAGAIN && errno != EINTR)
                return -errno;
            written = 0;
        }
        if (written > 0)
            echoed(context, (size_t)written);
        if (written < length) {
            if (!rest->bytes && !(rest->bytes = malloc(size)))
                return -ENOMEM;
            rest->start = 0;
            rest->end = (size_t)(length - written);
            memcpy(rest->bytes, buffer + written, rest->end);
            return WRITABLE;
        }
    }
}

/* Non-blocking, and nothing is held back. -1 with EAGAIN if nobody waits. */
static inline int accept_one(int listener)
{
    int one = 1, fd;
    do
        fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
    if (fd >= 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

/* A message, as far as it has come. */
struct message {
    unsigned char *bytes;
    size_t size, length;
};

/* Reads until it would block and answers what is whole. 1 to go on, 0 to stop, or negative. */
static inline int answer_all(int fd, struct message *message, void *context, answer_fn answer)
{
    for (;;) {
        ssize_t length = read(fd, message->bytes + message->length, message->size - message->length);
        if (length == 0)
            return -ECONNRESET;
        if (length < 0) {
            if (errno == EAGAIN)
                return 1;
            if (errno == EINTR)
                continue;
            return -errno;
        }
        message->length += (size_t)length;
        if (message->length < message->size)
            continue;
        message->length = 0;
        int next = answer(context, message->bytes);
        if (next == FAIL)
            return -EPROTO;
        if (next != STOP) {
            /* One message is under way: there is room. */
            if (write(fd, message->bytes, message->size) != (ssize_t)message->size)
                return -EIO;
        }
        if (next != SEND)
            return 0;
    }
}

#endif
