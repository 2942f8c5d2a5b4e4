#ifndef TESTS_SEAMS_SEAM_H
#define TESTS_SEAMS_SEAM_H

/*
 * What the replaced seams share. They are told what to do by words of PID 1's
 * environment (NSM_ERRNO=5, ...: tests/README.md), and tell what was asked of
 * them on the descriptor that the word RECORD numbers, one line each.
 */

/* The number that the word NAME holds, or OTHERWISE. */
int seam_number(const char *name, int otherwise);

/* A line of the record; nothing where there is none. */
__attribute__((format(printf, 1, 2))) void seam_record(const char *format, ...);

#endif
