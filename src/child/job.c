/* SPDX-License-Identifier: ISC */
#include "child/child.h"

void child_job_defer(struct child *c, const struct ipc_job *job)
{
    struct hub_peer *queue = ipc_hub_find(c->hub, PROCESS_QUEUE);
    struct verdict v = status_verdict(STATUS_LOCAL_ERROR);
    struct ipc_message m = {.type = IPC_result, .fd = -1};
    m.u.result.job = job->job;
    CHILD_VERDICT_SET(m.u.result, &v);
    m.u.result.recipients = job->recipients;
    struct ipc_message end = {.type = IPC_job_done, .fd = -1, .u.job_done = {job->job}};
    log_line(LOG_ERROR, "no memory for a job of the queue");
    if (!queue)
        return; /* the next one is told of no lease, and gives it out again */
    ipc_hub_send(c->hub, queue, &m);
    ipc_hub_send(c->hub, queue, &end);
}
