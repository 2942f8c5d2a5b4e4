#ifndef NSM_KMS_CREDENTIALS_SOURCE_H
#define NSM_KMS_CREDENTIALS_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "vsock/relay/plan/address.h"

/*
 * Where credentials come from, as users write it. Pure.
 *
 *	PATH | file PATH	a file
 *	- | fd:N		standard input, or a descriptor that was inherited
 *	environment		AWS_ACCESS_KEY_ID and its kin, or else the endpoint that
 *				AWS_CONTAINER_CREDENTIALS_FULL_URI names
 *	imds ADDRESS [ROLE]	IMDSv2 at vsock:3:PORT, which is a relay's, or at
 *				tcp:169.254.169.254:80
 *	container URL		an endpoint as ECS and EKS have it: http:// and a loopback
 *				address or one of theirs
 *	container ADDRESS PATH	the same by vsock:, tcp: or unix:
 *	setclient vsock:PORT	what a kmstool_instance sends to PORT (kmstool_enclave)
 */

enum source_kind {
	SOURCE_NONE,
	SOURCE_FILE,
	SOURCE_FD,
	SOURCE_ENVIRONMENT,
	SOURCE_IMDS,
	SOURCE_CONTAINER,
	SOURCE_SETCLIENT,
};

enum {
	SOURCE_TEXT_MAX = 2048, /* characters of one */
	SOURCE_ROLE_MAX = 64,	/* of a role's name, as IAM limits it */
	SOURCE_FD_MAX = 1023,
};

struct source {
	enum source_kind kind;
	struct address address; /* imds, container, setclient */
	int fd;
	/* A path of a file, a role, a path of the endpoint with its query; within the
	   text, and no NUL ends it. */
	const char *name;
	size_t name_len;
	/* container: HOST or HOST:PORT as the URL has it; empty: there was no URL */
	const char *host;
	size_t host_len;
};

/*
 * Reads the LEN characters at TEXT, of which *RET points to some. Returns NULL, or why it
 * is none.
 */
const char *source_read(const char *text, size_t len, struct source *ret);

/* The same for a URL alone. */
const char *source_read_url(const char *text, size_t len, struct source *ret);

#endif
