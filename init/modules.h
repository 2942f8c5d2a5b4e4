#ifndef INIT_MODULES_H
#define INIT_MODULES_H

#include <stddef.h>

/*
 * The kernel modules of the boot ramdisk: those that /modules_load_order names,
 * a path relative to / in each line, or else /nsm.ko.
 */

enum {
	MODULES_PARAMS_MAX = 4096, /* no longer than a kernel command line */
	MODULES_ORDER_MAX = 65536, /* bytes of the list */
};

/*
 * Called for each file in turn with what became of it: R is 0 or -errno. Files
 * that are not there are passed over.
 */
typedef void modules_told_fn(void *ctx, const char *file, int r);

/*
 * Loads them, with the parameters that the kernel command line gives them
 * (module.param=value). Absent, loaded already and built in are all fine. One that
 * fails does not keep the others from being loaded, since a stop may need them to
 * reach the parent; returns the first -errno, or that of the list.
 */
int modules_load(modules_told_fn *told, void *ctx);

/*
 * Picks out of CMDLINE what is meant for the module of the file FILE ("nsm.ko",
 * "/lib/virtio_mmio.ko"): "module.param=value" gives "param=value", with - and _
 * of the module's name alike and double quotes kept together. Writes to PARAMS,
 * which holds MODULES_PARAMS_MAX bytes. Pure.
 */
void modules_params(const char *cmdline, const char *file, char *params);

#endif
