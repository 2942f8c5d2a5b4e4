#ifndef ROOTFS_PACK_BASE_CIVIL_H
#define ROOTFS_PACK_BASE_CIVIL_H

#include <stdbool.h>
#include <stdint.h>

enum { CIVIL_CAP = 64 };

enum civil_form {
	CIVIL_RFC3339, /* "2026-11-24T13:20:24+00:00", as nitro-cli has it */
	CIVIL_OPENSSL, /* "Nov 24 13:20:24 2026 GMT" */
	CIVIL_MINUTE,  /* "2026-11-24 13:20" */
};

/* The time SECONDS since 1970, in UTC. False and "" if it has no year. */
bool civil_text(int64_t seconds, enum civil_form form, char ret[CIVIL_CAP]);

#endif
