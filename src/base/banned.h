/* SPDX-License-Identifier: ISC */
/* Functions of the C library that have no safe use are compile errors in this tree. Each name is replaced by one
 * that does not exist, so that the message names both. Use slice and buf to build strings, and base/units.h to read
 * numbers. This header is included first, through base/base.h, before any header of the C library could be. */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#undef strcpy
#undef strcat
#undef strncpy
#undef strncat
#undef sprintf
#undef vsprintf
#undef strtok
#undef atoi
#undef atol
#undef gmtime
#undef localtime
#undef ctime
#undef asctime

#define strcpy(a, b) banned_function_strcpy_use_buf
#define strcat(a, b) banned_function_strcat_use_buf
#define strncpy(a, b, n) banned_function_strncpy_use_buf
#define strncat(a, b, n) banned_function_strncat_use_buf
#define sprintf(...) banned_function_sprintf_use_buf_printf
#define vsprintf(...) banned_function_vsprintf_use_buf_printf
#define strtok(a, b) banned_function_strtok_use_slice_cut
#define atoi(a) banned_function_atoi_use_slice_to_u64
#define atol(a) banned_function_atol_use_slice_to_u64
#define gmtime(a) banned_function_gmtime_use_mail_date
#define localtime(a) banned_function_localtime_use_mail_date
#define ctime(a) banned_function_ctime_use_mail_date
#define asctime(a) banned_function_asctime_use_mail_date

#endif
