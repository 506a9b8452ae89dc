/* SPDX-License-Identifier: ISC */
/* Numbers that the master leases: queue ids, and names of segments and large files. A range in use and one in reserve, so that nobody waits for the master. */
#include "proc/receiver/state.h"

#define WANTED 8192u
#define FOR_WRITER 64u

void numbers_ask(struct receiver *r)
{
    if (r->numbers_asked)
        return;
    r->numbers_asked = true;
    struct ipc_message m = {.type = IPC_numbers_wanted, .fd = -1, .u.numbers_wanted = {WANTED}};
    ipc_hub_send(r->child.hub, NULL, &m);
}

static uint64_t draw(struct receiver *r, uint32_t count)
{
    if (r->number_end - r->number_next < count) {
        /* a rest that is too small for the writer is lost: numbers are plenty */
        if (r->spare_end - r->spare_next < count) {
            numbers_ask(r);
            return 0;
        }
        r->number_next = r->spare_next;
        r->number_end = r->spare_end;
        r->spare_next = r->spare_end = 0;
    }
    uint64_t first = r->number_next;
    r->number_next += count;
    if (r->spare_end == 0)
        numbers_ask(r);
    return first;
}

uint64_t numbers_draw(struct receiver *r)
{
    return draw(r, 1);
}

void numbers_writer_low(struct receiver *r)
{
    uint64_t first = draw(r, FOR_WRITER);
    r->writer_wants_numbers = first == 0;
    if (first)
        spool_writer_supply_numbers(r->writer, first, FOR_WRITER);
}

void numbers_arrived(struct receiver *r, uint64_t first, uint32_t count)
{
    r->numbers_asked = false;
    if (r->number_next == r->number_end) {
        r->number_next = first;
        r->number_end = first + count;
    } else {
        r->spare_next = first;
        r->spare_end = first + count;
    }
    if (!r->listening || r->writer_wants_numbers)
        numbers_writer_low(r);
    listeners_start(r);
}
