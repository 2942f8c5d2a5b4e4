#ifndef ROOTFS_PACK_IMAGE_PYTHON_H
#define ROOTFS_PACK_IMAGE_PYTHON_H

#include <stddef.h>
#include <stdint.h>

struct fault;
struct tree_node;

/*
 * Adds to *RET how many of the compiled modules below DIR Python uses if files keep their times, and does not if all of them are
 * of the time MTIME: those that name their source's time and size (PEP 552, Lib/importlib/_bootstrap_external.py). It then
 * compiles these modules at each start.
 */
int python_count_stale(const struct tree_node *dir, uint32_t mtime, size_t *ret,
		       struct fault *reterr);

#endif
