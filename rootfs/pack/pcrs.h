#ifndef ROOTFS_PACK_PCRS_H
#define ROOTFS_PACK_PCRS_H

struct eif_pcrs;

/* Prints the measurements as nitro-cli does after a build. */
void pcrs_print_json(const struct eif_pcrs *pcrs);

#endif
