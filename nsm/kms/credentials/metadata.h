#ifndef NSM_KMS_CREDENTIALS_METADATA_H
#define NSM_KMS_CREDENTIALS_METADATA_H

#include <stdbool.h>
#include <stddef.h>

#include "nsm/kms/kmsc.h"

/*
 * What is said to the metadata service of EC2, version 2, and to the endpoint of a
 * container, request by request ("Use the Instance Metadata Service", EC2's user guide;
 * botocore's utils.py). Pure: who has one makes each exchange. Version 1, without a token, is
 * not spoken.
 */

enum {
	METADATA_TOKEN_MAX =
		1024, /* characters of a session's token; 56 are usual */
	METADATA_TTL_S = 21600,
	METADATA_REQUEST_CAP = 16384, /* bytes of any request */
	METADATA_ROLE_MAX = 64,
	METADATA_PATH_MAX = 2048,
	METADATA_HOST_MAX = 320,
	METADATA_AUTHORIZATION_MAX = 8192,
};

enum metadata_step {
	METADATA_TOKEN,	      /* PUT /latest/api/token */
	METADATA_ROLE,	      /* GET .../security-credentials/ */
	METADATA_CREDENTIALS, /* GET .../security-credentials/ROLE */
	METADATA_CONTAINER,   /* GET the endpoint's path */
};

struct metadata {
	enum metadata_step step;
	bool is_restarted;		    /* the token was refused once */
	char token[METADATA_TOKEN_MAX + 1]; /* secret */
	char role[METADATA_ROLE_MAX + 1];
	/* The container's: */
	char path[METADATA_PATH_MAX + 1];
	char host[METADATA_HOST_MAX + 1];
	char authorization[METADATA_AUTHORIZATION_MAX + 1]; /* secret */
};

/* Begins with IMDSv2. ROLE of LEN characters may be empty: IMDS is asked for it. */
int metadata_begin(struct metadata *m, const char *role, size_t len);

/*
 * Begins with a container's endpoint: PATH, HOST for the header of that name, and
 * AUTHORIZATION, which may be NULL. -EINVAL: one is too long.
 */
int metadata_begin_container(struct metadata *m, const char *path,
			     size_t path_len, const char *host, size_t host_len,
			     const char *authorization);

/* Writes the next request, which may be secret. -EINVAL, -ENOSPC. */
int metadata_request(const struct metadata *m, char buf[METADATA_REQUEST_CAP],
		     size_t *ret_len);

/*
 * Takes the answer: its status, and LEN bytes of its body. Returns 1: there is another
 * request; 0: *RET is set; -EAGAIN: the service has trouble, which may pass; or
 * -KMSC_E_CREDENTIALS, -KMSC_E_NO_CREDENTIALS, -ENOMEM. WORDS then says why.
 */
int metadata_answer(struct metadata *m, unsigned status, const char *body,
		    size_t len, struct kmsc_credentials *ret,
		    char words[KMSC_WORDS_SIZE]);

void metadata_wipe(struct metadata *m);

#endif
