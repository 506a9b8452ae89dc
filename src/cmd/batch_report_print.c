/* SPDX-License-Identifier: ISC */
#include "cmd/batch_report.h"

#include <inttypes.h>

#define BASE64_LINE 57 /* bytes that make 76 signs (RFC 2045 section 6.8) */

static slice state_word(const struct batch_report *r)
{
    static const slice words[] = {{"waiting", 7}, {"done", 4}, {"held", 4}, {"deleted", 7}, {"dead letter", 11}};
    return words[r->progress->state];
}

static slice job(const struct batch_report *r)
{
    return slice_of(r->progress->job, BATCH_JOB_ID);
}

static void list(const struct batch_report *r, enum batch_report_list which, const char *title, buf *out)
{
    if (r->count[which] == 0)
        return;
    buf_printf(out, "\n%s:\n", title);
    buf_append(out, buf_slice(&r->text[which]));
    if (r->left_out[which] > 0)
        buf_printf(out, "  and %" PRIu64 " more\n", r->left_out[which]);
}

void batch_report_text(const struct batch_report *r, buf *out)
{
    const struct batch_progress *p = r->progress;
    buf_printf(out, "Job        %.*s\nState      %.*s", SLICE_ARG(job(r)), SLICE_ARG(state_word(r)));
    if (p->why.len > 0)
        buf_printf(out, ": %.*s", SLICE_ARG(buf_slice(&p->why)));
    buf_append(out, SLICE("\nFile       "));
    buf_append_escaped(out, buf_slice(&p->path));
    buf_append(out, SLICE("\nSubmitter  "));
    buf_append_escaped(out, buf_slice(&p->user));
    buf_printf(out, " (uid %" PRIu64 ")\nBegun      ", p->uid);
    date_print_rfc3339(out, p->begun_s);
    buf_append(out, SLICE("\nEnded      "));
    date_print_rfc3339(out, r->ended_s);
    buf_printf(out,
               "\nMails      %" PRIu64 " queued, %" PRIu64 " not queued\nRefusals   %" PRIu64 "\nErrors     %" PRIu64
               "\n",
               p->mails, p->lost, p->refused, p->errors);
    list(r, BATCH_REPORT_TAKEN, "Queued", out);
    list(r, BATCH_REPORT_REFUSED, "Refused", out);
    list(r, BATCH_REPORT_ERRORS, "Not understood", out);
}

static void json_text(buf *out, const char *name, slice text)
{
    buf_printf(out, ",\"%s\":", name);
    buf_append_json(out, text);
}

static void json_list(const struct batch_report *r, enum batch_report_list which, const char *name, buf *out)
{
    buf_printf(out, ",\"%s\":[", name);
    buf_append(out, buf_slice(&r->json[which]));
    buf_printf(out, "],\"%s_left_out\":%" PRIu64, name, r->left_out[which]);
}

void batch_report_json(const struct batch_report *r, buf *out)
{
    const struct batch_progress *p = r->progress;
    buf_printf(out, "{\"job\":\"%.*s\"", SLICE_ARG(job(r)));
    json_text(out, "state", state_word(r));
    json_text(out, "reason", buf_slice(&p->why));
    json_text(out, "file", buf_slice(&p->path));
    json_text(out, "submitter", buf_slice(&p->user));
    buf_printf(out, ",\"uid\":%" PRIu64 ",\"begun\":\"", p->uid);
    date_print_rfc3339(out, p->begun_s);
    buf_append(out, SLICE("\",\"ended\":\""));
    date_print_rfc3339(out, r->ended_s);
    buf_printf(out,
               "\",\"mails_queued\":%" PRIu64 ",\"mails_not_queued\":%" PRIu64 ",\"refusals\":%" PRIu64
               ",\"errors\":%" PRIu64,
               p->mails, p->lost, p->refused, p->errors);
    json_list(r, BATCH_REPORT_TAKEN, "queued", out);
    json_list(r, BATCH_REPORT_REFUSED, "refused", out);
    json_list(r, BATCH_REPORT_ERRORS, "not_understood", out);
    buf_append_char(out, '}');
}

/* --- as a mail --- */

static void append_crlf(buf *out, slice text)
{
    slice line;
    while (text.len > 0) {
        (void)slice_cut(text, '\n', &line, &text);
        buf_append(out, line);
        buf_append(out, SLICE("\r\n"));
    }
}

static void append_base64(buf *out, slice data)
{
    for (size_t at = 0; at < data.len; at += BASE64_LINE) {
        buf_append_base64(out, slice_sub(data, at, at + BASE64_LINE));
        buf_append(out, SLICE("\r\n"));
    }
}

static void header(const struct batch_report *r, const struct batch_report_mail *mail, buf *out)
{
    const struct batch_progress *p = r->progress;
    buf_printf(out, "From: MAILER-DAEMON@%.*s (Thurn batch)\r\nTo:", SLICE_ARG(mail->hostname));
    for (size_t i = 0; i < mail->recipient_count; i++)
        buf_printf(out, "%s <%.*s>", i > 0 ? ",\r\n" : "", SLICE_ARG(mail->recipients[i]));
    buf_printf(out,
               "\r\nSubject: Batch job %.*s %.*s: %" PRIu64 " queued, %" PRIu64 " not, %" PRIu64 " errors\r\nDate: ",
               SLICE_ARG(job(r)), SLICE_ARG(state_word(r)), p->mails, p->lost, p->errors);
    date_print_rfc5322(out, r->ended_s, mail->offset_min);
    buf_printf(out,
               "\r\nMessage-ID: <batch.%.*s.%" PRIu64 "@%.*s>\r\nAuto-Submitted: auto-generated\r\n"
               "MIME-Version: 1.0\r\n",
               SLICE_ARG(job(r)), p->reports + 1, SLICE_ARG(mail->hostname));
}

/* Paths may be of any bytes, lines of any length: so both parts are in base64. */
void batch_report_message(const struct batch_report *r, const struct batch_report_mail *mail, buf *out)
{
    buf text, json;
    buf_init(&text, BATCH_REPORT_MAX);
    buf_init(&json, BATCH_REPORT_MAX);
    buf crlf;
    buf_init(&crlf, BATCH_REPORT_MAX);
    batch_report_text(r, &text);
    append_crlf(&crlf, buf_slice(&text));
    batch_report_json(r, &json);
    buf_append_char(&json, '\n');
    header(r, mail, out);
    buf_printf(out, "Content-Type: multipart/mixed; boundary=\"batch-%.*s\"\r\n\r\n", SLICE_ARG(job(r)));
    buf_printf(out,
               "--batch-%.*s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n",
               SLICE_ARG(job(r)));
    append_base64(out, buf_slice(&crlf));
    buf_printf(out,
               "--batch-%.*s\r\nContent-Type: application/json\r\n"
               "Content-Disposition: attachment; filename=\"%.*s.json\"\r\nContent-Transfer-Encoding: base64\r\n\r\n",
               SLICE_ARG(job(r)), SLICE_ARG(job(r)));
    append_base64(out, buf_slice(&json));
    buf_printf(out, "--batch-%.*s--\r\n", SLICE_ARG(job(r)));
    if (!buf_ok(&text) || !buf_ok(&json) || !buf_ok(&crlf))
        out->failed = true;
    buf_deinit(&text);
    buf_deinit(&crlf);
    buf_deinit(&json);
}
