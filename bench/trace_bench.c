/* SPDX-License-Identifier: ISC */
/* What telling an event costs: as many ACCEPTED events as a receiver tells, with the fields of one, to a log that leaves them out and a ring of 4 MiB in FOLDER; without FOLDER to no ring.
 *
 *   perf stat -e instructions:u trace_bench EVENTS [FOLDER]
 *   valgrind --tool=callgrind trace_bench EVENTS [FOLDER]
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "os/os.h"
#include "trace/trace.h"

static void emit(int64_t size)
{
    struct trace_event e;
    trace_event_init(&e, TRACE_ACCEPTED, LOG_INFO);
    trace_add(&e, TRACE_KEY_CLIENT, SLICE("203.0.113.9"));
    trace_add(&e, TRACE_KEY_CLIENT_NAME, SLICE("client.example.net"));
    trace_add(&e, TRACE_KEY_HELO, SLICE("client.example.net"));
    trace_add(&e, TRACE_KEY_LISTENER, SLICE("mx"));
    trace_add(&e, TRACE_KEY_TLS, SLICE("TLSv1.3 with cipher TLS_AES_256_GCM_SHA384"));
    trace_add(&e, TRACE_KEY_ID, SLICE("7K3QX2M9"));
    trace_add(&e, TRACE_KEY_MESSAGE_ID, SLICE("<20261122083653.GA1234@client.example.net>"));
    trace_add(&e, TRACE_KEY_FROM, SLICE("alice@example.net"));
    trace_add_number(&e, TRACE_KEY_SIZE, size);
    trace_add_number(&e, TRACE_KEY_RECIPIENTS, 1);
    trace_add_number(&e, TRACE_KEY_SYNC_MS, 2);
    trace_add_number(&e, TRACE_KEY_PORT, 25);
    trace_emit(&e, SLICE("7K3QX2M9: client=client.example.net[203.0.113.9]"));
}

int main(int argc, char **argv)
{
    struct trace_ring *ring = NULL;
    long long count = argc > 1 ? atoll(argv[1]) : 0;
    if (argc < 2 || argc > 3 || count < 1) {
        (void)fprintf(stderr, "usage: trace_bench EVENTS [FOLDER]\n");
        return 64;
    }
    log_open(SLICE("bench"), open("/dev/null", O_WRONLY), LOG_ERROR);
    if (argc == 3) {
        int folder = open(argv[2], O_RDONLY | O_DIRECTORY);
        enum err e = trace_ring_open(folder, "bench-0", 4u << 20, &ring);
        if (e != ERR_OK) {
            (void)fprintf(stderr, "trace_bench: %s: %s\n", argv[2], err_text(e));
            return 1;
        }
        trace_ring_use(ring);
    }
    for (long long i = 0; i < count; i++)
        emit(i);
    trace_ring_close(&ring);
    return 0;
}
