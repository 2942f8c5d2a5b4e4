#ifndef INIT_MODULE_H
#define INIT_MODULE_H

/*
 * Seam: finit_module(2) of the open file FD with the parameters PARAMS
 * ("name=value name=value"). Returns 0 or -errno.
 */
int module_insert(int fd, const char *params);

#endif
