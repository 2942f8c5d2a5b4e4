#ifndef NSM_TOOL_INPUT_H
#define NSM_TOOL_INPUT_H

#include <stddef.h>
#include <stdint.h>

#include "nsm/nsmc.h"
#include "nsm/tool/blob.h"

struct tool;

enum input_code {
	INPUT_DONE = 0,
	INPUT_LONG = -1, /* longer than the limit; nothing was printed */
};

/*
 * Reads the file PATH ("-": stdin, once) of at most MAX bytes. Returns 0, an
 * exit code after printing the reason, or INPUT_LONG.
 */
int input_file(struct tool *t, const char *path, size_t max, struct blob *ret);

/*
 * Reads the bytes that the argument ARG stands for; WHAT is an option's name.
 * ARG is hex, hex:HEX, base64:..., text:..., @FILE, - or @- for stdin. There
 * must be MIN to MAX of them, otherwise that is a misuse.
 */
int input_bytes(struct tool *t, const char *what, const char *arg, size_t min,
		size_t max, struct blob *ret);

/*
 * Computes what a PCR is extended with for the content ARG, as above but of any
 * length (stdin up to 64 MiB), under NAME: see nsmc_measure.
 */
int input_measured(struct tool *t, const char *what, const char *name,
		   const char *arg, uint8_t ret[NSMC_PCR_SIZE]);

enum input_kind {
	INPUT_DOCUMENT, /* an attestation document */
	INPUT_CMS,	/* a CiphertextForRecipient */
};

/*
 * Reads one of these from PATH: binary, hex or base64, as its first bytes show;
 * or in quotes, armoured as PEM, or the NSM's whole answer. An empty file is
 * refused.
 */
int input_message(struct tool *t, enum input_kind kind, const char *path,
		  struct blob *ret);

/* Reads the certificate in PATH, DER or PEM. */
int input_certificate(struct tool *t, const char *path, struct blob *ret);

/* Reads a number of decimal digits from MIN to MAX, for WHAT. */
int input_number(const struct tool *t, const char *what, const char *arg,
		 uint64_t min, uint64_t max, uint64_t *ret);

#endif
