/* SPDX-License-Identifier: ISC */
/* How many descriptors this process has open, for tests that none is left. */
#ifndef PROC_DELIVER_DESCRIPTORS_TEST_H
#define PROC_DELIVER_DESCRIPTORS_TEST_H

#include <dirent.h>

static inline unsigned descriptors(void)
{
    unsigned count = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

#endif
