#ifndef INIT_RELRO_H
#define INIT_RELRO_H

/*
 * Makes what only relocation had to write (PT_GNU_RELRO: the tables of function
 * pointers) read-only. musl does so in its dynamic loader alone, not in a
 * static program. Where the kernel refuses, nothing is worse than before.
 */
void relro_apply(void);

#endif
