/*
 * libevent: plain events, edge-triggered where the backend can (epoll can), with the read and write loops of the program.
 *
 * Manual: https://libevent.org/libevent-book/Ref4_event.html
 */
#include <event2/event.h>
#include <event2/thread.h>

#include "connection.h"

struct server {
    struct event_base *base;
    size_t to_come, open;
    struct event *listening;
    unsigned char *buffer;
    size_t size;
    void *context;
    echoed_fn echoed;
    int outcome;
};

struct connection {
    struct server *server;
    struct event *reading, *writing;
    struct rest rest;
};

static struct event_base *base_new(int threads)
{
    struct event_base *base = NULL;
    struct event_config *config = event_config_new();
    if (!config)
        return NULL;
    /* Locks that nobody needs are left out, as the manual advises. */
    if (threads ? evthread_use_pthreads() == 0
                : event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) == 0)
        base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

/* EV_ET where it is supported. */
static short edge(struct event_base *base)
{
    return event_base_get_features(base) & EV_FEATURE_ET ? EV_ET : 0;
}

static void fail(struct server *server, int outcome)
{
    server->outcome = outcome;
    event_base_loopbreak(server->base);
}

static void end(struct connection *connection)
{
    struct server *server = connection->server;
    int fd = event_get_fd(connection->reading);
    event_free(connection->reading);
    if (connection->writing)
        event_free(connection->writing);
    close(fd);
    free(connection->rest.bytes);
    free(connection);
    if (--server->open == 0 && server->to_come == 0)
        event_base_loopbreak(server->base);
}

static void on_ready(evutil_socket_t fd, short what, void *argument)
{
    struct connection *connection = argument;
    struct server *server = connection->server;
    (void)what;
    int next = serve(fd, &connection->rest, server->buffer, server->size, server->context, server->echoed);
    if (next == ENDED) {
        end(connection);
    } else if (next == WRITABLE) {
        /* Once: if there is room already it is told at once. */
        if (!connection->writing)
            connection->writing = event_new(server->base, fd, EV_WRITE | edge(server->base), on_ready, connection);
        if (!connection->writing || event_add(connection->writing, NULL) < 0)
            fail(server, -ENOMEM);
    } else if (next < 0) {
        fail(server, next);
    }
}

static void on_connection(evutil_socket_t listener, short what, void *argument)
{
    struct server *server = argument;
    int fd;
    (void)what;
    while ((fd = accept_one(listener)) >= 0) {
        struct connection *connection = calloc(1, sizeof *connection);
        if (!connection)
            return fail(server, -ENOMEM);
        connection->server = server;
        short kind = EV_READ | EV_PERSIST | edge(server->base);
        connection->reading = event_new(server->base, fd, kind, on_ready, connection);
        if (!connection->reading || event_add(connection->reading, NULL) < 0)
            return fail(server, -ENOMEM);
        server->open++;
        if (--server->to_come == 0) {
            event_del(server->listening);
            return;
        }
    }
    if (errno != EAGAIN)
        fail(server, -errno);
}

static int echo(int listener, size_t connections, size_t size, void *context, echoed_fn echoed)
{
    struct server server = {
        .to_come = connections, .size = size, .context = context, .echoed = echoed,
    };
    server.base = base_new(0);
    server.buffer = malloc(size);
    if (!server.base || !server.buffer)
        return -ENOMEM;
    server.listening =
        event_new(server.base, listener, EV_READ | EV_PERSIST | edge(server.base), on_connection, &server);
    if (!server.listening || event_add(server.listening, NULL) < 0)
        return -ENOMEM;
    if (event_base_dispatch(server.base) < 0)
        return -EIO;
    event_free(server.listening);
    event_base_free(server.base);
    free(server.buffer);
    return server.outcome;
}

struct end {
    struct event_base *base;
    struct message message;
    void *context;
    answer_fn answer;
    int outcome;
};

static void on_message(evutil_socket_t fd, short what, void *argument)
{
    struct end *end = argument;
    (void)what;
    int outcome = answer_all(fd, &end->message, end->context, end->answer);
    if (outcome <= 0) {
        end->outcome = outcome;
        event_base_loopbreak(end->base);
    }
}

static int exchange(int fd, size_t size, void *context, answer_fn answer)
{
    struct end end = { .context = context, .answer = answer, .message = { .size = size } };
    end.base = base_new(0);
    end.message.bytes = malloc(size);
    if (!end.base || !end.message.bytes)
        return -ENOMEM;
    struct event *reading = event_new(end.base, fd, EV_READ | EV_PERSIST | edge(end.base), on_message, &end);
    if (!reading || event_add(reading, NULL) < 0)
        return -ENOMEM;
    if (event_base_dispatch(end.base) < 0)
        return -EIO;
    event_free(reading);
    event_base_free(end.base);
    free(end.message.bytes);
    return end.outcome;
}

struct loop {
    struct event_base *base;
    void *context;
    note_fn note;
};

struct watch {
    struct loop *loop;
    struct event *event;
    size_t token;
};

static void *loop_new(int threads)
{
    struct loop *loop = calloc(1, sizeof *loop);
    if (loop && !(loop->base = base_new(threads))) {
        free(loop);
        return NULL;
    }
    return loop;
}

static void on_event(evutil_socket_t fd, short what, void *argument)
{
    struct watch *watch = argument;
    (void)fd;
    (void)what;
    watch->loop->note(watch->loop->context, watch->token);
}

/* Without a descriptor it is an event that only event_active(3) makes happen: a waker. */
static void *watch_new(struct loop *loop, int fd, size_t token)
{
    struct watch *watch = malloc(sizeof *watch);
    if (!watch)
        return NULL;
    *watch = (struct watch){ .loop = loop, .token = token };
    short kind = fd < 0 ? 0 : EV_READ | EV_PERSIST | edge(loop->base);
    watch->event = event_new(loop->base, fd, kind, on_event, watch);
    if (!watch->event || (fd >= 0 && event_add(watch->event, NULL) < 0)) {
        free(watch);
        return NULL;
    }
    return watch;
}

static void *watch(void *loop, int fd, size_t token)
{
    return watch_new(loop, fd, token);
}

static int rewatch(void *argument, size_t token)
{
    struct watch *watch = argument;
    watch->token = token;
    if (event_del(watch->event) < 0 || event_add(watch->event, NULL) < 0)
        return -EIO;
    return 0;
}

static void unwatch(void *argument)
{
    struct watch *watch = argument;
    event_free(watch->event);
    free(watch);
}

static void *waker_new(void *loop, size_t token)
{
    return watch_new(loop, -1, token);
}

static void wake(void *waker)
{
    event_active(((struct watch *)waker)->event, EV_READ, 0);
}

static int run(void *argument, int wait, void *context, note_fn note)
{
    struct loop *loop = argument;
    loop->context = context;
    loop->note = note;
    int flags = EVLOOP_NO_EXIT_ON_EMPTY | (wait ? EVLOOP_ONCE : EVLOOP_NONBLOCK);
    return event_base_loop(loop->base, flags) < 0 ? -EIO : 0;
}

const struct library bench_libevent = {
    event_get_version, echo, exchange, loop_new, watch, rewatch, unwatch, waker_new, wake, run,
};
