#ifndef ROOTFS_PACK_COMMAND_SIGN_OPTIONS_H
#define ROOTFS_PACK_COMMAND_SIGN_OPTIONS_H

#include "rootfs/pack/sign/sign_key.h"

struct command;
struct fault;
struct output;

/* The options that sign: the same in build, set-init and sign. */

enum {
	SIGN_OPTIONS_KEY = 1000, /* above the command's own */
	SIGN_OPTIONS_CERT,
	SIGN_OPTIONS_PASS,
};

/* Rows of a command's table for command_option(), nitro-cli's names among them. */
#define SIGN_OPTIONS                                                          \
	{ "sign-key", required_argument, NULL, SIGN_OPTIONS_KEY },            \
		{ "sign-cert", required_argument, NULL, SIGN_OPTIONS_CERT },  \
		{ "private-key", required_argument, NULL, SIGN_OPTIONS_KEY }, \
		{ "signing-certificate", required_argument, NULL,             \
		  SIGN_OPTIONS_CERT },                                        \
	{                                                                     \
		"sign-key-pass-file", required_argument, NULL,                \
			SIGN_OPTIONS_PASS                                     \
	}

/* For names that people try. */
#define SIGN_OPTIONS_HINTS                        \
	{ "key", COMMAND_HINT("sign-key") },      \
	{                                         \
		"cert", COMMAND_HINT("sign-cert") \
	}

/* For a command's help. */
#define SIGN_OPTIONS_HELP                                                                \
	"  --sign-key KEY             PEM, also from a pipe or fd:N; or a pkcs11: URI\n" \
	"  --sign-cert FILE           the key's certificate, valid now; gives PCR8\n"    \
	"  --sign-key-pass-file FILE  its first line: the key's passphrase or PIN\n"

/* Takes OPTION with its VALUE: 1, or 0 where it is none of these. An fd:N has to be open. */
int sign_options_take(struct sign_key_source *to, int option, const char *value,
		      struct fault *reterr);

/* A misuse where some are given without the others they need. */
int sign_options_check(const struct sign_key_source *from,
		       struct fault *reterr);

/* Refuses an OUTPUT that is one of their files. */
int sign_options_check_output(const struct sign_key_source *from,
			      const struct output *output,
			      struct fault *reterr);

/*
 * Loads the key, and says on stderr, as C does, what is to be known of it; *RET stays
 * NULL where none was asked for. From then on the process leaves no core dump.
 */
int sign_options_load(const struct command *c,
		      const struct sign_key_source *from, struct sign_key **ret,
		      struct fault *reterr);

#endif
