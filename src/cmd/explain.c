/* SPDX-License-Identifier: ISC */
#include "cmd/explain.h"

#include <errno.h>
#include <stdlib.h>

#include "cmd/command.h"
#include "cmd/explain_batch.h"

#define ARENA_MAX ((size_t)64 << 20)
#define OUT_MAX ((size_t)64 << 20)
#define LINE_MAX_BYTES 65536

struct explain {
    struct command command;
    struct explain_question question; /* what all have in common */
    bool offline, json;
    const char *batch;
    bool many; /* each answer says whose it is */
};

static int usage(FILE *to)
{
    (void)fprintf(to, "usage: thurn explain [-c FILE] [--from A] [--ip IP] [--user LOGIN]\n"
                      "                     [--helo NAME] [--listener L] [--tls yes|none]\n"
                      "                     [--mail PARAMETERS] [--offline] [--json] ADDRESS...\n"
                      "       thurn explain [-c FILE] [OPTION...] --batch FILE|-\n"
                      "Says what the server would answer to a mail for ADDRESS, by which steps, with\n"
                      "the file and line of each, and where it would go. No server needs to run.\n"
                      "Without --ip, --user or --listener the client is a stranger from outside. L is\n"
                      "mx, submission, lmtp, local, or HOST:PORT as in [listen].\n"
                      "  --mail PARAMETERS  of MAIL, like \"REQUIRETLS\" or \"SIZE=1000000\"\n"
                      "  --offline          asks no name server\n"
                      "  --batch FILE|-     questions as lines of JSON:\n"
                      "                     {\"to\": ..., \"from\": ..., \"ip\": ...}\n"
                      "Exit status: 0 accepted; 67 no such user; 75 temporary; 77 not permitted; 65 no\n"
                      "address; 69 refused else.\n");
    return to == stdout ? 0 : EX_USAGE;
}

/* RFC 3463: X.1.1 is a mailbox that there is not, X.1.3, X.1.7 and X.5.4 bad syntax, X.7 security or policy. */
static int status_of(const struct verdict *v)
{
    if (verdict_ok(v))
        return 0;
    if (verdict_class(v) == VERDICT_TEMPORARY)
        return EX_TEMPFAIL;
    if (v->enhanced[1] == 7)
        return EX_NOPERM;
    if (v->enhanced[1] == 5 || (v->enhanced[1] == 1 && (v->enhanced[2] == 3 || v->enhanced[2] == 7)))
        return EX_DATAERR;
    return v->enhanced[1] == 1 && v->enhanced[2] == 1 ? EX_NOUSER : EX_UNAVAILABLE;
}

static int answer(const struct explain *e, struct explanation *x, buf *out)
{
    char memory[256];
    buf why;
    buf_init_fixed(&why, memory, sizeof memory);
    if (!explain_client_set(x, &why)) {
        command_say("%.*s", SLICE_ARG(why.len > 0 ? buf_slice(&why) : slice_str(err_text(ERR_NOMEM))));
        return EX_USAGE;
    }
    if (explain_session_run(x)) {
        explain_steps_tell(x);
        if (x->result && verdict_ok(&x->verdict))
            explain_deliveries_find(x);
    }
    if (x->out_of_memory) {
        command_say("%s", err_text(ERR_NOMEM));
        return EX_OSERR;
    }
    if (e->json) {
        explain_print_json(out, x);
    } else {
        if (e->many)
            buf_printf(out, "%.*s\n", SLICE_ARG(x->question.to));
        explain_print_text(out, x);
    }
    return status_of(&x->verdict);
}

/* Prints the answer at once: the next one may take the DNS's time. */
static int explain(const struct explain *e, const struct explain_house *h, const struct explain_question *q)
{
    struct explanation x = {.house = h, .question = *q};
    buf out;
    arena_init(&x.arena, ARENA_MAX);
    buf_init(&out, OUT_MAX);
    int status = answer(e, &x, &out);
    int printed = buf_ok(&out) ? command_print(&out) : EX_OSERR;
    (void)fflush(stdout);
    buf_deinit(&out);
    arena_deinit(&x.arena);
    return printed != 0 ? printed : status;
}

static int batch_line(const struct explain *e, const struct explain_house *h, slice line, uint64_t number)
{
    struct explain_question q = e->question;
    struct arena arena;
    char memory[256];
    buf why;
    buf_init_fixed(&why, memory, sizeof memory);
    arena_init(&arena, LINE_MAX_BYTES * 4);
    enum err err = explain_batch_read(line, &arena, &q, &why);
    int status = EX_DATAERR;
    if (err != ERR_OK)
        command_say("line %llu: %.*s", (unsigned long long)number,
                    SLICE_ARG(why.len > 0 ? buf_slice(&why) : slice_str(err_text(err))));
    else
        status = explain(e, h, &q);
    arena_deinit(&arena);
    bool judged = status != EX_USAGE && status != EX_OSERR && status != EX_IOERR && err == ERR_OK;
    return judged ? 0 : status == EX_USAGE ? EX_DATAERR : status;
}

/* Verdicts do not count here: the exit status says whether there is one for each line. */
static int batch(const struct explain *e, const struct explain_house *h)
{
    bool standard = slice_equal(slice_str(e->batch), SLICE("-"));
    FILE *in = standard ? stdin : fopen(e->batch, "re");
    char *line = NULL;
    size_t size = 0;
    ssize_t got;
    int status = 0;
    if (!in) {
        command_say("%s: %s", e->batch, err_text(os_err(errno)));
        return EX_NOINPUT;
    }
    for (uint64_t number = 1; status == 0 && (got = getline(&line, &size, in)) >= 0; number++) {
        slice text = slice_trim(slice_of(line, (size_t)got));
        if (text.len > 0)
            status = batch_line(e, h, text, number);
    }
    free(line);
    if (!standard)
        (void)fclose(in);
    return status;
}

static int run(struct explain *e, char **addresses, int count)
{
    struct conf *conf = NULL;
    struct explain_house h;
    int status = command_load_whole(&e->command, &conf);
    if (status != 0)
        return status;
    status = explain_house_open(&h, conf, e->offline);
    e->many = count > 1 || e->batch;
    if (status == 0 && e->batch)
        status = batch(e, &h);
    else if (status == 0)
        for (int i = 0; i < count; i++) {
            struct explain_question q = e->question;
            q.to = slice_str(addresses[i]);
            int one = explain(e, &h, &q);
            status = status == 0 ? one : status;
        }
    explain_house_close(&h);
    conf_close(&conf);
    return status;
}

static bool take_option(struct explain *e, int option, const char *value)
{
    struct explain_question *q = &e->question;
    slice *texts[] = {['f'] = &q->from, ['i'] = &q->ip,       ['u'] = &q->user, ['H'] = &q->helo,
                      ['t'] = &q->tls,  ['l'] = &q->listener, ['m'] = &q->mail};
    if (option == 'o') {
        e->offline = true;
    } else if (option == 'j') {
        e->json = true;
    } else if (option == 'b') {
        e->batch = value;
    } else if (option > 0 && (size_t)option < sizeof texts / sizeof texts[0] && texts[option]) {
        *texts[option] = slice_str(value);
        q->from_given = q->from_given || option == 'f';
    } else {
        return command_option(&e->command, option, value);
    }
    return true;
}

int cmd_explain(int argc, char **argv)
{
    static const struct option options[] = {COMMAND_OPTIONS,
                                            {"from", required_argument, NULL, 'f'},
                                            {"ip", required_argument, NULL, 'i'},
                                            {"user", required_argument, NULL, 'u'},
                                            {"helo", required_argument, NULL, 'H'},
                                            {"listener", required_argument, NULL, 'l'},
                                            {"tls", required_argument, NULL, 't'},
                                            {"mail", required_argument, NULL, 'm'},
                                            {"offline", no_argument, NULL, 'o'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"batch", required_argument, NULL, 'b'},
                                            {NULL, 0, NULL, 0}};
    static struct explain e = {.command = {.conf_path = COMMAND_CONF}};
    for (int o; (o = getopt_long(argc, argv, COMMAND_OPTIONS_SHORT, options, NULL)) != -1;) {
        if (!take_option(&e, o, optarg))
            return usage(stderr);
    }
    if (e.command.help)
        return usage(stdout);
    int count = argc - optind;
    if ((count > 0) == (e.batch != NULL)) {
        command_say(e.batch ? "--batch has its addresses in its lines" : "which address?");
        return usage(stderr);
    }
    return run(&e, argv + optind, count);
}
