/* SPDX-License-Identifier: ISC */
#include "proc/lookup/lookup.h"

/* The folder, because the file is replaced and not rewritten. */
static slice folder_of(slice path)
{
    ptrdiff_t slash = slice_rfind_char(path, '/');
    return slash > 0 ? slice_sub(path, 0, (size_t)slash) : slash == 0 ? SLICE("/") : SLICE(".");
}

void lookup_sandbox(const struct child_start *start, struct sandbox_profile *profile_r)
{
    const struct conf_auth *auth = &start->conf->auth;
    *profile_r = (struct sandbox_profile){.name = "lookup",
                                          .calls = SANDBOX_FILES | SANDBOX_CHANGES | SANDBOX_THREADS | SANDBOX_CONNECT |
                                                   SANDBOX_NAMES | SANDBOX_RESOLVE};
    sandbox_add_names(profile_r);
    sandbox_add(profile_r, SLICE("/dev/urandom"), SANDBOX_READ);
    if (auth->via == CONF_AUTH_FILE)
        sandbox_add(profile_r, folder_of(auth->path), SANDBOX_READ);
    if (auth->introspection.len == 0)
        return;
    profile_r->calls |= SANDBOX_LIBRARIES;
    sandbox_add(profile_r, SLICE("/usr"), SANDBOX_READ);
    sandbox_add(profile_r, SLICE("/lib"), SANDBOX_READ);
    sandbox_add_authorities(profile_r);
    if (auth->introspection_ca.len > 0)
        sandbox_add(profile_r, auth->introspection_ca, SANDBOX_READ);
}
