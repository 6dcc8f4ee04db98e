/*
 * libuv: streams, as its guide has them. What comes is written at once as far as there is room (uv_try_write), the rest by a
 * request, and nothing is read meanwhile. Sources of others are watched by uv_poll_t.
 *
 * Manual: https://docs.libuv.org/en/v1.x/
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "bench.h"

struct server {
    uv_loop_t loop;
    uv_tcp_t listener;
    size_t to_come, open;
    char *buffer;
    size_t size;
    void *context;
    echoed_fn echoed;
    int outcome;
};

struct connection {
    uv_tcp_t stream;
    uv_write_t request;
    /* What the request writes. */
    char *rest;
    size_t length;
};

static void fail(struct server *server, int outcome)
{
    server->outcome = outcome;
    uv_stop(&server->loop);
}

static void on_closed(uv_handle_t *handle)
{
    struct connection *connection = (struct connection *)handle;
    struct server *server = handle->loop->data;
    free(connection->rest);
    free(connection);
    /* The loop ends by itself when nothing is left in it. */
    if (--server->open == 0 && server->to_come == 0)
        uv_stop(&server->loop);
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct server *server = handle->loop->data;
    (void)suggested;
    /* One for all: what is in it is written or copied before the next read. */
    *buffer = uv_buf_init(server->buffer, (unsigned)server->size);
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer);

static void on_written(uv_write_t *request, int status)
{
    struct connection *connection = request->data;
    uv_stream_t *stream = (uv_stream_t *)&connection->stream;
    struct server *server = stream->loop->data;
    if (status < 0)
        return fail(server, status);
    server->echoed(server->context, connection->length);
    uv_read_start(stream, on_allocate, on_read);
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
    struct connection *connection = (struct connection *)stream;
    struct server *server = stream->loop->data;
    if (length == UV_EOF)
        return uv_close((uv_handle_t *)stream, on_closed);
    if (length < 0)
        return fail(server, (int)length);
    if (length == 0)
        return;
    uv_buf_t whole = uv_buf_init(buffer->base, (unsigned)length);
    int written = uv_try_write(stream, &whole, 1);
    if (written == UV_EAGAIN)
        written = 0;
    if (written < 0)
        return fail(server, written);
    if (written > 0)
        server->echoed(server->context, (size_t)written);
    if (written == length)
        return;
    if (!connection->rest && !(connection->rest = malloc(server->size)))
        return fail(server, UV_ENOMEM);
    connection->length = (size_t)(length - written);
    memcpy(connection->rest, buffer->base + written, connection->length);
    uv_read_stop(stream);
    connection->request.data = connection;
    uv_buf_t rest = uv_buf_init(connection->rest, (unsigned)connection->length);
    int outcome = uv_write(&connection->request, stream, &rest, 1, on_written);
    if (outcome < 0)
        fail(server, outcome);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct server *server = listener->loop->data;
    if (status < 0)
        return fail(server, status);
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection)
        return fail(server, UV_ENOMEM);
    uv_tcp_init(&server->loop, &connection->stream);
    int outcome = uv_accept(listener, (uv_stream_t *)&connection->stream);
    if (outcome == 0)
        outcome = uv_tcp_nodelay(&connection->stream, 1);
    if (outcome == 0)
        outcome = uv_read_start((uv_stream_t *)&connection->stream, on_allocate, on_read);
    if (outcome < 0)
        return fail(server, outcome);
    server->open++;
    if (--server->to_come == 0)
        uv_close((uv_handle_t *)listener, NULL);
}

/* The library closes the listener. */
static int echo(int listener, size_t connections, size_t size, void *context, echoed_fn echoed)
{
    struct server server = {
        .to_come = connections, .buffer = malloc(size), .size = size, .context = context, .echoed = echoed,
    };
    if (!server.buffer)
        return UV_ENOMEM;
    int outcome = uv_loop_init(&server.loop);
    if (outcome < 0)
        return outcome;
    server.loop.data = &server;
    uv_tcp_init(&server.loop, &server.listener);
    outcome = uv_tcp_open(&server.listener, listener);
    if (outcome == 0)
        outcome = uv_listen((uv_stream_t *)&server.listener, 4096, on_connection);
    if (outcome < 0)
        return outcome;
    uv_run(&server.loop, UV_RUN_DEFAULT);
    free(server.buffer);
    return server.outcome;
}

struct end {
    uv_tcp_t stream;
    unsigned char *message;
    size_t size, length;
    void *context;
    answer_fn answer;
    int outcome;
};

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct end *end = (struct end *)handle;
    (void)suggested;
    *buffer = uv_buf_init((char *)end->message + end->length, (unsigned)(end->size - end->length));
}

static void on_message(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
    struct end *end = (struct end *)stream;
    (void)buffer;
    if (length < 0) {
        end->outcome = (int)length;
        return uv_stop(stream->loop);
    }
    end->length += (size_t)length;
    if (end->length < end->size)
        return;
    end->length = 0;
    int next = end->answer(end->context, end->message);
    if (next == FAIL) {
        end->outcome = UV_EPROTO;
    } else if (next != STOP) {
        /* One message is under way: there is room. */
        uv_buf_t whole = uv_buf_init((char *)end->message, (unsigned)end->size);
        int written = uv_try_write(stream, &whole, 1);
        if (written != (int)end->size)
            end->outcome = written < 0 ? written : UV_EIO;
    }
    if (next != SEND || end->outcome != 0) {
        /* Else it reads on before it stops, and may find that the other side has closed. */
        uv_read_stop(stream);
        uv_stop(stream->loop);
    }
}

/* The loop and the stream live until the process ends: closing them would close the socket. */
static int exchange(int fd, size_t size, void *context, answer_fn answer)
{
    uv_loop_t *loop = malloc(sizeof *loop);
    struct end *end = calloc(1, sizeof *end);
    if (!loop || !end || !(end->message = malloc(size)))
        return UV_ENOMEM;
    end->size = size;
    end->context = context;
    end->answer = answer;
    int outcome = uv_loop_init(loop);
    if (outcome < 0)
        return outcome;
    uv_tcp_init(loop, &end->stream);
    outcome = uv_tcp_open(&end->stream, fd);
    if (outcome == 0)
        outcome = uv_read_start((uv_stream_t *)&end->stream, on_room, on_message);
    if (outcome < 0)
        return outcome;
    uv_run(loop, UV_RUN_DEFAULT);
    return end->outcome;
}

struct loop {
    uv_loop_t loop;
    void *context;
    note_fn note;
};

struct watch {
    uv_poll_t poll;
    size_t token;
};

struct waker {
    uv_async_t async;
    size_t token;
};

/* Its wakers may always be used from other threads. */
static void *loop_new(int threads)
{
    struct loop *loop = calloc(1, sizeof *loop);
    (void)threads;
    if (loop && uv_loop_init(&loop->loop) < 0) {
        free(loop);
        return NULL;
    }
    if (loop)
        loop->loop.data = loop;
    return loop;
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = (struct watch *)poll;
    struct loop *loop = poll->loop->data;
    (void)status;
    (void)events;
    loop->note(loop->context, watch->token);
}

static void *watch(void *argument, int fd, size_t token)
{
    struct loop *loop = argument;
    struct watch *watch = malloc(sizeof *watch);
    if (!watch)
        return NULL;
    watch->token = token;
    if (uv_poll_init(&loop->loop, &watch->poll, fd) < 0) {
        free(watch);
        return NULL;
    }
    if (uv_poll_start(&watch->poll, UV_READABLE, on_event) < 0)
        return NULL;
    return watch;
}

static int rewatch(void *argument, size_t token)
{
    struct watch *watch = argument;
    watch->token = token;
    uv_poll_stop(&watch->poll);
    return uv_poll_start(&watch->poll, UV_READABLE, on_event);
}

static void on_unwatched(uv_handle_t *handle)
{
    free(handle);
}

static void unwatch(void *argument)
{
    uv_close((uv_handle_t *)&((struct watch *)argument)->poll, on_unwatched);
}

static void on_wake(uv_async_t *async)
{
    struct waker *waker = (struct waker *)async;
    struct loop *loop = async->loop->data;
    loop->note(loop->context, waker->token);
}

static void *waker_new(void *argument, size_t token)
{
    struct loop *loop = argument;
    struct waker *waker = malloc(sizeof *waker);
    if (!waker)
        return NULL;
    waker->token = token;
    if (uv_async_init(&loop->loop, &waker->async, on_wake) < 0) {
        free(waker);
        return NULL;
    }
    return waker;
}

static void wake(void *waker)
{
    uv_async_send(&((struct waker *)waker)->async);
}

static int run(void *argument, int wait, void *context, note_fn note)
{
    struct loop *loop = argument;
    loop->context = context;
    loop->note = note;
    uv_run(&loop->loop, wait ? UV_RUN_ONCE : UV_RUN_NOWAIT);
    return 0;
}

const struct library bench_libuv = {
    uv_version_string, echo, exchange, loop_new, watch, rewatch, unwatch, waker_new, wake, run,
};
