/* SPDX-License-Identifier: ISC */
/* For tests that look at the process's memory: whether AddressSanitizer is in it. It keeps freed memory for a while, and its own besides,
 * so figures of memory mean nothing under it, and a test leaves them out (and nothing else). gcc says it by a macro of its own, clang
 * by a feature. It defines SANITIZED as 1 or 0 and owns nothing.
 * Programs that include it have the folder tests/parts among their include directories, as those have that play a part. */
#ifndef TESTS_PARTS_SANITIZED_H
#define TESTS_PARTS_SANITIZED_H

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#endif
