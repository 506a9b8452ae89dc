/* SPDX-License-Identifier: ISC */
#include "proc/master/state.h"

#define BACKLOG 4096

/* What binding of one generation goes through. */
struct binding {
    struct master *m;
    struct master_generation *g;
    buf *why;
    int exit_status;
};

static bool same_address(const struct socket_address *a, const struct socket_address *b)
{
    return a->ip_len == b->ip_len && memcmp(a->ip, b->ip, a->ip_len) == 0 && a->port == b->port &&
           slice_equal(slice_str(a->path), slice_str(b->path));
}

static struct master_listener *find_listener(struct master *m, const struct socket_address *a)
{
    LIST_FOREACH(at, &m->listeners) {
        struct master_listener *l = LIST_ENTRY(at, struct master_listener, link);
        if (same_address(&l->address, a))
            return l;
    }
    return NULL;
}

static enum err say_why(struct binding *b, const struct socket_address *a, enum err e)
{
    buf_printf(b->why, "cannot listen on ");
    socket_address_print(b->why, a);
    if (e == ERR_EXISTS && a->ip_len > 0)
        buf_printf(b->why, ": another program listens there (`ss -ltnp sport = :%u` names it)\n", a->port);
    else if (e == ERR_EXISTS)
        buf_printf(b->why, ": another program listens there, or the file is no socket\n");
    else if (e == ERR_PERMISSION && a->ip_len > 0 && a->port < 1024)
        buf_printf(b->why, ": no permission; ports below 1024 need root\n");
    else if (e == ERR_NOTFOUND)
        buf_printf(b->why, ": its folder is not there\n");
    else if (e == ERR_UNREACHABLE)
        buf_printf(b->why, ": this machine has no such address\n");
    else
        buf_printf(b->why, ": %s\n", err_text(e));
    b->exit_status = e == ERR_PERMISSION ? EXIT_PERMISSION : EXIT_UNAVAILABLE;
    return e;
}

static void log_listening(const struct socket_address *a, const char *how)
{
    char memory[160];
    buf text;
    buf_init_fixed(&text, memory, sizeof memory);
    socket_address_print(&text, a);
    log_line(LOG_INFO, "listening on %.*s%s", SLICE_ARG(buf_slice(&text)), how);
}

static enum err open_listener(struct binding *b, const struct socket_address *a, unsigned mode,
                              struct master_listener **l_r)
{
    struct master_listener *l = calloc(1, sizeof *l);
    if (!l)
        return say_why(b, a, ERR_NOMEM);
    enum err e = socket_listen(a, BACKLOG, mode, &l->fd);
    if (e != ERR_OK) {
        free(l);
        *l_r = NULL;
        return e;
    }
    l->address = *a;
    list_push(&b->m->listeners, &l->link);
    log_listening(a, "");
    *l_r = l;
    return ERR_OK;
}

static enum err use_address(struct binding *b, const struct socket_address *a, unsigned mode, int *fd_r)
{
    struct master_listener *l = find_listener(b->m, a);
    if (!l) {
        enum err e = open_listener(b, a, mode, &l);
        if (e != ERR_OK)
            return e;
    }
    l->used = true;
    *fd_r = l->fd;
    return ERR_OK;
}

static enum err use_for_receivers(struct binding *b, const struct socket_address *a, size_t conf_index)
{
    int fd;
    if (b->g->fd_count == LISTENERS_MAX)
        return ERR_LIMIT;
    enum err e = use_address(b, a, 0666, &fd);
    if (e != ERR_OK)
        return e;
    b->g->fds[b->g->fd_count] = fd;
    b->g->fd_conf[b->g->fd_count++] = conf_index;
    return ERR_OK;
}

static enum err set_path(struct socket_address *a, slice path)
{
    *a = (struct socket_address){0};
    if (path.len == 0 || path.len >= sizeof a->path)
        return ERR_LIMIT;
    memcpy(a->path, path.ptr, path.len);
    return ERR_OK;
}

/* A machine without IPv6 (or without IPv4) listens on what it has. */
static enum err bind_every(struct binding *b, uint16_t port, size_t conf_index)
{
    static const char *const hosts[] = {"0.0.0.0", "::"};
    size_t bound = 0;
    for (size_t i = 0; i < 2; i++) {
        struct socket_address a;
        enum err e = socket_address_parse(slice_str(hosts[i]), port, &a);
        if (e == ERR_OK)
            e = use_for_receivers(b, &a, conf_index);
        if (e == ERR_OK)
            bound++;
        else if ((e != ERR_UNSUPPORTED && e != ERR_UNREACHABLE) || (i == 1 && bound == 0))
            return say_why(b, &a, e);
    }
    return ERR_OK;
}

static enum err bind_conf(struct binding *b, size_t conf_index)
{
    const struct conf_listener *c = &b->g->conf->listeners[conf_index];
    struct socket_address a = {0};
    enum err e;
    if (c->unix_path.len == 0 && slice_equal(c->host, SLICE("*")))
        return bind_every(b, c->port, conf_index);
    if (c->unix_path.len > 0)
        e = set_path(&a, c->unix_path);
    else
        e = socket_address_parse(c->host, c->port, &a);
    if (e == ERR_OK)
        e = use_for_receivers(b, &a, conf_index);
    return e == ERR_OK ? e : say_why(b, &a, e);
}

static enum err bind_own(struct binding *b, bool control)
{
    char memory[512];
    buf path;
    struct socket_address a = {0};
    buf_init_fixed(&path, memory, sizeof memory);
    enum err e = control ? child_control_socket_path(b->g->conf, &path) : child_local_socket_path(b->g->conf, &path);
    if (e == ERR_OK)
        e = set_path(&a, buf_slice(&path));
    if (e == ERR_LIMIT) {
        buf_printf(b->why, "state_dir \"%.*s\" is too long for a socket in it (107 bytes)\n",
                   SLICE_ARG(b->g->conf->state_dir));
        b->exit_status = EXIT_CONF;
        return e;
    }
    if (e == ERR_OK && !control)
        e = use_for_receivers(b, &a, SIZE_MAX);
    else if (e == ERR_OK)
        e = use_address(b, &a, 0660, &b->g->control_fd);
    if (e == ERR_OK && control && b->m->root)
        e = socket_give(a.path, b->g->user.uid, b->g->user.gid);
    return e == ERR_OK ? e : say_why(b, &a, e);
}

static void close_unused(struct master *m)
{
    LIST_FOREACH(at, &m->listeners) {
        struct master_listener *l = LIST_ENTRY(at, struct master_listener, link);
        if (l->used || (l->passed && m->current))
            continue;
        list_remove(&l->link);
        os_close(&l->fd);
        if (l->address.path[0] && !l->passed && os_unlink(AT_FDCWD, slice_str(l->address.path)) != ERR_OK)
            log_line(LOG_WARNING, "cannot remove the socket %s", l->address.path);
        free(l);
    }
}

static void mark_used(struct master *m, const struct master_generation *g)
{
    LIST_FOREACH(at, &m->listeners) {
        struct master_listener *l = LIST_ENTRY(at, struct master_listener, link);
        l->used = g && l->fd == g->control_fd;
        for (size_t i = 0; g && i < g->fd_count; i++)
            l->used |= l->fd == g->fds[i];
    }
}

int master_listeners_adopt(struct master *m, buf *why)
{
    struct os_passed passed[OS_PASSED_MAX];
    size_t count = 0;
    buf_append(why, SLICE("thurn: "));
    enum err e = os_passed_take(passed, &count, why);
    if (e != ERR_OK)
        return EXIT_CONF;
    for (size_t i = 0; i < count; i++) {
        struct master_listener *l = calloc(1, sizeof *l);
        if (!l) {
            buf_printf(why, "%s\n", err_text(ERR_NOMEM));
            return EXIT_TRY_LATER;
        }
        l->address = passed[i].address;
        l->fd = passed[i].fd;
        l->passed = true;
        memcpy(l->name, passed[i].name, sizeof l->name);
        list_push(&m->listeners, &l->link);
        log_listening(&l->address, " as passed by the service manager");
    }
    return 0;
}

/* A name that is one of [listen]'s keys must be the one that has the address there. Any other means nothing: without FileDescriptorName= it is the socket unit's. */
static bool name_fits(const struct master_generation *g, const struct master_listener *l)
{
    static const char *const roles[] = {
        [CONF_LISTEN_MX] = "mx", [CONF_LISTEN_SUBMISSION] = "submission", [CONF_LISTEN_LMTP] = "lmtp"};
    slice name = slice_str(l->name);
    bool is_role = false;
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
        is_role |= slice_equal(name, slice_str(roles[i]));
    for (size_t i = 0; is_role && i < g->fd_count; i++) {
        if (g->fds[i] == l->fd)
            return g->fd_conf[i] != SIZE_MAX &&
                   slice_equal(name, slice_str(roles[g->conf->listeners[g->fd_conf[i]].role]));
    }
    return true;
}

/* The service manager keeps its sockets open: strangers would connect to one that nobody accepts from, and wait. */
static enum err check_passed(struct binding *b)
{
    mark_used(b->m, b->g);
    LIST_FOREACH(at, &b->m->listeners) {
        const struct master_listener *l = LIST_ENTRY(at, struct master_listener, link);
        if (!l->passed || (l->used && name_fits(b->g, l)))
            continue;
        buf_printf(b->why, "the service manager passes a socket for ");
        socket_address_print(b->why, &l->address);
        if (l->used)
            buf_printf(b->why, " as \"%s\" (FileDescriptorName=), and [listen] has that address under another key\n",
                       l->name);
        else
            buf_printf(b->why, ", which [listen] does not name: add it there, or take it out of the socket unit\n");
        b->exit_status = EXIT_CONF;
        return ERR_SYNTAX;
    }
    return ERR_OK;
}

enum err master_listeners_bind(struct master *m, struct master_generation *g, buf *why, int *exit_r)
{
    struct binding b = {m, g, why, EXIT_UNAVAILABLE};
    mark_used(m, m->current);
    enum err e = ERR_OK;
    for (size_t i = 0; i < g->conf->listener_count && e == ERR_OK; i++)
        e = bind_conf(&b, i);
    if (e == ERR_OK)
        e = bind_own(&b, false);
    if (e == ERR_OK)
        e = bind_own(&b, true);
    if (e == ERR_OK)
        e = check_passed(&b);
    if (e != ERR_OK) {
        mark_used(m, m->current);
        close_unused(m);
        *exit_r = b.exit_status;
    }
    return e;
}

void master_listeners_sweep(struct master *m)
{
    mark_used(m, m->current);
    close_unused(m);
}
