/*
 * libev: an ev_io for each descriptor, level-triggered as the library is; the read and write loops are the program's.
 *
 * Manual: http://pod.tst.eu/http://cvs.schmorp.de/libev/ev.pod
 */
#include <ev.h>
#include <stdio.h>

#include "connection.h"

struct server {
    struct ev_loop *loop;
    size_t to_come, open;
    unsigned char *buffer;
    size_t size;
    void *context;
    echoed_fn echoed;
    int outcome;
};

struct connection {
    /* First: the watcher is the connection. */
    ev_io io;
    struct rest rest;
};

static const char *version(void)
{
    static char text[16];
    snprintf(text, sizeof text, "%d.%d", ev_version_major(), ev_version_minor());
    return text;
}

static struct ev_loop *make_loop(void)
{
    return ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
}

static void fail(struct server *server, int outcome)
{
    server->outcome = outcome;
    ev_break(server->loop, EVBREAK_ALL);
}

static void on_ready(struct ev_loop *loop, ev_io *io, int events)
{
    struct connection *connection = (struct connection *)io;
    struct server *server = ev_userdata(loop);
    (void)events;
    int next = serve(io->fd, &connection->rest, server->buffer, server->size, server->context, server->echoed);
    if (next < 0) {
        fail(server, next);
    } else if (next == ENDED) {
        ev_io_stop(loop, io);
        close(io->fd);
        free(connection->rest.bytes);
        free(connection);
        if (--server->open == 0 && server->to_come == 0)
            ev_break(loop, EVBREAK_ALL);
    } else {
        int wanted = next == WRITABLE ? EV_WRITE : EV_READ;
        if ((io->events & (EV_READ | EV_WRITE)) != wanted) {
            ev_io_stop(loop, io);
            ev_io_set(io, io->fd, wanted);
            ev_io_start(loop, io);
        }
    }
}

static void on_connection(struct ev_loop *loop, ev_io *io, int events)
{
    struct server *server = ev_userdata(loop);
    int fd;
    (void)events;
    while ((fd = accept_one(io->fd)) >= 0) {
        struct connection *connection = calloc(1, sizeof *connection);
        if (!connection)
            return fail(server, -ENOMEM);
        ev_io_init(&connection->io, on_ready, fd, EV_READ);
        ev_io_start(loop, &connection->io);
        server->open++;
        if (--server->to_come == 0) {
            ev_io_stop(loop, io);
            return;
        }
    }
    if (errno != EAGAIN)
        fail(server, -errno);
}

static int echo(int listener, size_t connections, size_t size, void *context, echoed_fn echoed)
{
    struct server server = {
        .loop = make_loop(), .to_come = connections, .buffer = malloc(size), .size = size,
        .context = context, .echoed = echoed,
    };
    if (!server.loop || !server.buffer)
        return -ENOMEM;
    ev_set_userdata(server.loop, &server);
    ev_io listening;
    ev_io_init(&listening, on_connection, listener, EV_READ);
    ev_io_start(server.loop, &listening);
    ev_run(server.loop, 0);
    ev_loop_destroy(server.loop);
    free(server.buffer);
    return server.outcome;
}

struct end {
    struct message message;
    void *context;
    answer_fn answer;
    int outcome;
};

static void on_message(struct ev_loop *loop, ev_io *io, int events)
{
    struct end *end = ev_userdata(loop);
    (void)events;
    int outcome = answer_all(io->fd, &end->message, end->context, end->answer);
    if (outcome <= 0) {
        end->outcome = outcome;
        ev_break(loop, EVBREAK_ALL);
    }
}

static int exchange(int fd, size_t size, void *context, answer_fn answer)
{
    struct end end = { .context = context, .answer = answer, .message = { .bytes = malloc(size), .size = size } };
    struct ev_loop *loop = make_loop();
    if (!loop || !end.message.bytes)
        return -ENOMEM;
    ev_set_userdata(loop, &end);
    ev_io io;
    ev_io_init(&io, on_message, fd, EV_READ);
    ev_io_start(loop, &io);
    ev_run(loop, 0);
    ev_loop_destroy(loop);
    free(end.message.bytes);
    return end.outcome;
}

struct loop {
    struct ev_loop *loop;
    void *context;
    note_fn note;
};

struct watch {
    ev_io io;
    struct loop *loop;
    size_t token;
};

struct waker {
    ev_async async;
    struct loop *loop;
    size_t token;
};

/* Its wakers may always be used from other threads. */
static void *loop_new(int threads)
{
    struct loop *loop = calloc(1, sizeof *loop);
    (void)threads;
    if (loop && !(loop->loop = make_loop())) {
        free(loop);
        return NULL;
    }
    return loop;
}

static void on_event(struct ev_loop *loop, ev_io *io, int events)
{
    struct watch *watch = (struct watch *)io;
    (void)loop;
    (void)events;
    watch->loop->note(watch->loop->context, watch->token);
}

static void *watch(void *loop, int fd, size_t token)
{
    struct watch *watch = malloc(sizeof *watch);
    if (!watch)
        return NULL;
    watch->loop = loop;
    watch->token = token;
    ev_io_init(&watch->io, on_event, fd, EV_READ);
    ev_io_start(watch->loop->loop, &watch->io);
    return watch;
}

static int rewatch(void *argument, size_t token)
{
    struct watch *watch = argument;
    watch->token = token;
    ev_io_stop(watch->loop->loop, &watch->io);
    ev_io_set(&watch->io, watch->io.fd, EV_READ);
    ev_io_start(watch->loop->loop, &watch->io);
    return 0;
}

static void unwatch(void *argument)
{
    struct watch *watch = argument;
    ev_io_stop(watch->loop->loop, &watch->io);
    free(watch);
}

static void on_wake(struct ev_loop *loop, ev_async *async, int events)
{
    struct waker *waker = (struct waker *)async;
    (void)loop;
    (void)events;
    waker->loop->note(waker->loop->context, waker->token);
}

static void *waker_new(void *loop, size_t token)
{
    struct waker *waker = malloc(sizeof *waker);
    if (!waker)
        return NULL;
    waker->loop = loop;
    waker->token = token;
    ev_async_init(&waker->async, on_wake);
    ev_async_start(waker->loop->loop, &waker->async);
    return waker;
}

static void wake(void *argument)
{
    struct waker *waker = argument;
    ev_async_send(waker->loop->loop, &waker->async);
}

static int run(void *argument, int wait, void *context, note_fn note)
{
    struct loop *loop = argument;
    loop->context = context;
    loop->note = note;
    ev_run(loop->loop, wait ? EVRUN_ONCE : EVRUN_NOWAIT);
    return 0;
}

const struct library bench_libev = {
    version, echo, exchange, loop_new, watch, rewatch, unwatch, waker_new, wake, run,
};

/*
 * Timers, as src/engines/timers/libev.rs calls them: as many as are asked for, in one piece, known by their number. They live
 * until the process ends.
 */
struct timers {
    struct ev_loop *loop;
    ev_timer *all;
    void *context;
    note_fn note;
};

static void on_time(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct timers *timers = ev_userdata(loop);
    (void)events;
    timers->note(timers->context, (size_t)(timer - timers->all));
}

void *bench_libev_timers(size_t number)
{
    struct timers *timers = calloc(1, sizeof *timers);
    if (!timers)
        return NULL;
    timers->loop = make_loop();
    timers->all = calloc(number, sizeof *timers->all);
    if (!timers->loop || !timers->all)
        return NULL;
    ev_set_userdata(timers->loop, timers);
    for (size_t place = 0; place < number; place++)
        ev_timer_init(&timers->all[place], on_time, 0., 0.);
    return timers;
}

/* The loop's time, which stands still until it runs; with `update` it is told what time it is. */
double bench_libev_now(void *argument, int update)
{
    struct timers *timers = argument;
    if (update)
        ev_now_update(timers->loop);
    return ev_now(timers->loop);
}

/* From the loop's time on, in seconds; whether it is armed or not. */
void bench_libev_set(void *argument, size_t number, double after)
{
    struct timers *timers = argument;
    ev_timer *timer = &timers->all[number];
    if (ev_is_active(timer))
        ev_timer_stop(timers->loop, timer);
    ev_timer_set(timer, after, 0.);
    ev_timer_start(timers->loop, timer);
}

/* Whether it was armed. */
int bench_libev_cancel(void *argument, size_t number)
{
    struct timers *timers = argument;
    ev_timer *timer = &timers->all[number];
    int was_armed = ev_is_active(timer);
    ev_timer_stop(timers->loop, timer);
    return was_armed;
}

void bench_libev_expire(void *argument, int wait, void *context, note_fn note)
{
    struct timers *timers = argument;
    timers->context = context;
    timers->note = note;
    ev_run(timers->loop, wait ? EVRUN_ONCE : EVRUN_NOWAIT);
}
