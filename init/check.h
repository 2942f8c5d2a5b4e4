#ifndef INIT_CHECK_H
#define INIT_CHECK_H

/*
 * `init --check FILE [ROOT]`: says what is wrong with the configuration FILE on
 * standard error; with ROOT, a folder that is the image's root, also what is wrong
 * with the files of it that it names. Returns what to exit with: 0, or 1.
 */
int check_config(const char *file, const char *root);

#endif
