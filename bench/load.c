/* SPDX-License-Identifier: ISC */
#include "load.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const struct {
    const char *name;
    void (*run)(const struct load_options *);
} tasks[] = {
    {"send", load_send},   {"sink", load_sink},           {"idle", load_idle},
    {"files", load_files}, {"handshake", load_handshake}, {"maildir", load_maildir},
};

double load_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double load_cpu(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

void load_die(const char *what)
{
    fprintf(stderr, "bench-load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static struct {
    bool on;
    uint32_t next;
} spread;
static struct {
    uint32_t addresses; /* 0: only 127.0.0.1 */
    uint32_t next;
} towards;

void load_spread(void)
{
    spread.on = true;
}

void load_towards(int addresses)
{
    towards.addresses = (uint32_t)addresses;
}

/* 250 of each network of 24 bits, as measures.py gives them to its domains. */
static uint32_t next_address(void)
{
    if (towards.addresses == 0)
        return INADDR_LOOPBACK;
    uint32_t n = towards.next++ % towards.addresses;
    return 0x7f020001 + n / 250 * 256 + n % 250;
}

/* Another network of 24 bits each time. */
static void come_from_another(int fd)
{
    uint32_t n = spread.next++;
    struct sockaddr_in from = {.sin_family = AF_INET};
    from.sin_addr.s_addr = htonl(0x7f010002 + (n % 60000) * 256);
    int on = 1;
    setsockopt(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) != 0)
        load_die("bind");
}

int load_connect(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        load_die("socket");
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (spread.on)
        come_from_another(fd);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(next_address());
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS)
        load_die("connect");
    return fd;
}

static _Noreturn void usage(void)
{
    fputs("usage: bench-load send|sink|idle|files|handshake|maildir [-p port] [-c sessions] [-n count] [-s size]\n"
          "                  [-k mails a connection] [-T seconds] [-P] [-t recipient] [-d folder]\n"
          "                  [-D domains] [-w milliseconds] [-M mails a connection] [-S (TLS)] [-a (from many "
          "addresses)] [-A addresses (to so many)] [-m (stamped)]\n",
          stderr);
    exit(64);
}

static int number(const char *text)
{
    char *end;
    long n = strtol(text, &end, 10);
    if (*end || end == text || n < 0 || n > 100000000)
        usage();
    return (int)n;
}

static struct load_options read_options(int argc, char **argv)
{
    struct load_options o = {.sessions = 1, .count = 1, .size = 4096, .per_connection = 1, .limit_s = 60};
    o.to = "user@local.test";
    for (int c; (c = getopt(argc, argv, "p:c:n:s:k:T:Pt:d:D:w:M:SamA:")) != -1;) {
        switch (c) {
        case 'p':
            o.port = number(optarg);
            break;
        case 'c':
            o.sessions = number(optarg);
            break;
        case 'n':
            o.count = number(optarg);
            break;
        case 's':
            o.size = number(optarg);
            break;
        case 'k':
            o.per_connection = number(optarg);
            break;
        case 'T':
            o.limit_s = number(optarg);
            break;
        case 'P':
            o.pipeline = true;
            break;
        case 't':
            o.to = optarg;
            break;
        case 'd':
            o.folder = optarg;
            break;
        case 'D':
            o.domains = number(optarg);
            break;
        case 'w':
            o.wait_ms = number(optarg);
            break;
        case 'M':
            o.mails_max = number(optarg);
            break;
        case 'S':
            o.tls = true;
            break;
        case 'a':
            load_spread();
            break;
        case 'A':
            load_towards(number(optarg));
            break;
        case 'm':
            o.stamp = true;
            break;
        default:
            usage();
        }
    }
    return o;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        usage();
    struct load_options options = read_options(argc - 1, argv + 1);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
        if (strcmp(tasks[i].name, argv[1]) == 0) {
            tasks[i].run(&options);
            return 0;
        }
    }
    usage();
}
