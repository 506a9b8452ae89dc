/* SPDX-License-Identifier: ISC */
#include <assert.h>

#include "route/route.h"

#define HOSTS 40
#define TARGETS 12

/* An MX answer: never more targets than asked for, never one of ours, nowhere or twice, and preferences only go up. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct mx_address own = {{192, 0, 2, 99}, 4};

/* A host is six bytes: a letter of the name, preference, number of addresses and what they begin with. */
static size_t read_hosts(const uint8_t *data, size_t size, struct mx_host *hosts, struct mx_address *addresses)
{
    static const char names[] = "abcdefgh.";
    size_t count = 0;
    for (; count < HOSTS && size >= 6; count++, data += 6, size -= 6) {
        struct mx_host *h = &hosts[count];
        *h = (struct mx_host){slice_of(&names[data[0] % 9], 1), data[1] % 8, &addresses[3 * count], data[2] % 4};
        for (size_t i = 0; i < 3; i++) {
            struct mx_address *a = &addresses[3 * count + i];
            *a = (struct mx_address){{192, 0, 2, (uint8_t)(data[3 + i] % 128)}, 4};
            if (data[3 + i] >= 128)
                *a = (struct mx_address){{data[3 + i] == 255 ? 0 : 0x20, [15] = (uint8_t)(data[3 + i] % 8)}, 16};
        }
    }
    return count;
}

static uint16_t preference_of(const struct mx_host *hosts, size_t count, const struct mx_target *t)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < hosts[i].address_count; k++) {
            if (hosts[i].name.ptr == t->name.ptr && memcmp(&hosts[i].addresses[k], &t->address, sizeof(own)) == 0)
                return hosts[i].preference;
        }
    }
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mx_host hosts[HOSTS];
    struct mx_address addresses[3 * HOSTS];
    struct mx_target targets[TARGETS];
    struct mx_self self = {SLICE("h"), &own, 1};
    if (size < 2)
        return 0;
    size_t count = read_hosts(data + 2, size - 2, hosts, addresses);
    struct mx_order order = {.targets = targets, .max = 1 + data[0] % TARGETS};
    enum status status = mx_order(hosts, count, &self, data[1], &order);
    assert(status == STATUS_OK || order.count == 0);
    assert(order.count <= order.max);
    for (size_t i = 0; i < order.count; i++) {
        assert(targets[i].name.len == 1 && targets[i].name.ptr[0] != 'h' && targets[i].name.ptr[0] != '.');
        assert(!address_ip_is_nowhere(targets[i].address.ip, targets[i].address.ip_len));
        assert(memcmp(&targets[i].address, &own, sizeof(own)) != 0);
        for (size_t k = 0; k < i; k++)
            assert(memcmp(&targets[i].address, &targets[k].address, sizeof(own)) != 0);
        (void)preference_of(hosts, count, &targets[i]);
    }
    return 0;
}
