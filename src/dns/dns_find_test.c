/* SPDX-License-Identifier: ISC */
#include "dns/dns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* The resolver answers these itself: no name server is asked, whatever this machine has. */
static void names_that_need_no_network(void **state)
{
    static const uint8_t loopback[4] = {127, 0, 0, 1};
    struct dns_wanted wanted[2] = {{.type = DNS_A}, {.type = DNS_A}};
    struct arena arena;
    (void)state;
    assert_int_equal(dns_name_set(&wanted[0].name, SLICE("localhost")), ERR_OK);
    assert_int_equal(dns_name_set(&wanted[1].name, SLICE("nothing.invalid")), ERR_OK);
    arena_init(&arena, 1u << 20);
    assert_int_equal(dns_find(wanted, 2, &arena, 60000), ERR_OK);
    assert_int_equal(wanted[0].status, DNS_FOUND);
    assert_true(wanted[0].count >= 1);
    assert_int_equal(wanted[0].records[0].len, 4);
    assert_memory_equal(wanted[0].records[0].ptr, loopback, 4);
    assert_int_equal(wanted[1].status, DNS_NXDOMAIN);
    arena_deinit(&arena);
}

static void nothing_to_ask(void **state)
{
    struct arena arena;
    (void)state;
    arena_init(&arena, 1u << 20);
    assert_int_equal(dns_find(NULL, 0, &arena, 60000), ERR_OK);
    arena_deinit(&arena);
}

static void without_memory_nothing_is_known(void **state)
{
    struct dns_wanted wanted = {.type = DNS_MX, .status = DNS_FOUND};
    struct arena arena;
    (void)state;
    assert_int_equal(dns_name_set(&wanted.name, SLICE("thurn-test.example")), ERR_OK);
    arena_init(&arena, 8); /* too little for the question */
    assert_int_equal(dns_find(&wanted, 1, &arena, 60000), ERR_NOMEM);
    assert_int_equal(wanted.status, DNS_TEMPORARY);
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names_that_need_no_network), cmocka_unit_test(nothing_to_ask),
                                       cmocka_unit_test(without_memory_nothing_is_known)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
