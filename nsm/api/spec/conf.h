#ifndef NSM_API_SPEC_CONF_H
#define NSM_API_SPEC_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The configuration of the local API, enclave-api.conf(5). Pure: api and mkeif read the same. Plain data;
 * its texts point into the text that was read, and end with a NUL.
 */

enum {
	SPEC_TEXT_MAX = 64 << 10,
	SPEC_KEYS_MAX = 64,
	SPEC_SECRETS_MAX = 64,
	SPEC_CONTEXT_MAX = 8, /* pairs that a key line pins */
	SPEC_LISTENS_MAX = 4,
	SPEC_COMPATS_MAX = 8,
	SPEC_ALLOWS_MAX = 64,
	SPEC_NAME_MAX = 64,	  /* bytes of a key's name */
	SPEC_ARN_MAX = 256,	  /* bytes of a key's ARN */
	SPEC_CONTEXT_TEXT = 1024, /* bytes of a pair's name, or of its value */
	SPEC_WORKERS_MAX = 16,
	SPEC_SOCKET_MAX =
		106, /* bytes of its path: it has one more until it listens */
	SPEC_CONNECT_MAX = 300,		  /* bytes */
	SPEC_KMS_MS_MAX = 10 * 60 * 1000, /* of kms-timeout */
	SPEC_WORDS = 512,
};

/* Where the API listens without a line "socket". */
#define SPEC_SOCKET "/run/api/api.sock"

struct spec_pair {
	const char *name, *value;
};

/* key = NAME ARN [context.NAME=VALUE]...: what a caller may name, and what its calls always contain. */
struct spec_key {
	unsigned line;
	const char *name;
	const char *
		arn; /* a full key ARN, never an alias; all of its form was checked */
	size_t pairs;
	struct spec_pair pair[SPEC_CONTEXT_MAX];
};

/* secret = NAME KEY FILE: a ciphertext in the image, which KMS decrypts with KEY for who asks for NAME. */
struct spec_secret {
	unsigned line;
	const char *name; /* "default/key/1" */
	const struct spec_key *key;
	const char *path;
};

/* Where it listens on loopback: 127.0.0.0/8 or [::1], never another address. */
struct spec_loopback {
	unsigned line;
	bool is_v6;
	uint8_t ip[16]; /* 4 or 16 bytes, in the network's order */
	uint16_t port;
};

enum spec_dialect {
	SPEC_OWN, /* the API itself: /v1/... and AWS's protocol at POST / */
	SPEC_ENCLAVER,
	SPEC_EVERVAULT,
	SPEC_OYSTER,
	SPEC_COCO,
	SPEC_NITRIDING,
	SPEC_DIALECTS,
};

/* compat = DIALECT ADDRESS:PORT */
struct spec_compat {
	enum spec_dialect dialect; /* not SPEC_OWN; each at most once */
	struct spec_loopback at;
};

/* What a rule is about; each route belongs to one. */
enum spec_subject {
	SPEC_HEALTH,
	SPEC_DESCRIBE,
	SPEC_RANDOM,
	SPEC_ATTESTATION,
	SPEC_PCRS,   /* reading them */
	SPEC_EXTEND, /* extending and locking them */
	SPEC_VERIFY,
	SPEC_KMS, /* /v1/kms/... and POST / */
	SPEC_CREDENTIALS,
	SPEC_READY,
	SPEC_SUBJECTS,
};

enum spec_who {
	SPEC_WHO_ANY, /* also those on loopback, of whom no user is known */
	SPEC_WHO_USER,
	SPEC_WHO_GROUP, /* the process's own group or one of its further ones */
};

/*
 * allow = SUBJECT[:KEY] any|user=USER|group=GROUP...: one for each who. As soon as a subject has one, only those who are
 * listed may. Without any, all may who can connect, but for extend, credentials and ready.
 */
struct spec_allow {
	unsigned line;
	enum spec_subject subject;
	const struct spec_key *
		key; /* SPEC_KMS: of this key alone; NULL: of all that have no line of their own */
	enum spec_who who;
	const char *name; /* a name, or a number */
};

struct spec {
	const char *region; /* NULL: no KMS */
	unsigned region_line;
	const char *endpoint; /* HOST or HOST:PORT; NULL: the region's */
	const char *ca;	      /* path of a file; NULL: Amazon's roots */
	const char *
		connect; /* an address as relay writes it; default vsock:3:8000 */
	const char *
		credentials; /* as nsm/kms/credentials/source.h has it; NULL: none */
	unsigned kms_workers;	/* calls of KMS at a time: 1 to 16; 4 */
	int64_t kms_timeout_ms; /* of a call with all its attempts; 30 s */
	int64_t nsm_timeout_ms; /* of a call of the NSM; 10 s */
	int64_t recipient_max_ms; /* the recipient key is renewed after so long; 6 h */
	const char *socket;	  /* absolute path; default SPEC_SOCKET */
	const char *socket_group; /* NULL: that of the process */
	unsigned socket_mode;	  /* 0660 */
	const char *
		notify_dir; /* of what POST /v1/ready may send to; /run/enclave/notify */
	size_t keys, listens, compats, allows, secrets;
	struct spec_key key[SPEC_KEYS_MAX];
	struct spec_secret secret[SPEC_SECRETS_MAX];
	struct spec_loopback listen[SPEC_LISTENS_MAX];
	struct spec_compat compat[SPEC_COMPATS_MAX];
	struct spec_allow allow[SPEC_ALLOWS_MAX];
};

struct spec_fault {
	unsigned line; /* 0: of none */
	char words[SPEC_WORDS];
};

/*
 * Reads LEN bytes of lines "KEY = VALUE"; # begins a comment line. TEXT has room for one byte more, is changed (a NUL goes
 * behind each word) and must stay as long as *RET. Returns 0, or -EINVAL with *RETERR.
 */
int conf_read(char *text, size_t len, struct spec *ret,
	      struct spec_fault *reterr);

/* The key that a caller calls NAME, of LEN bytes, or whose ARN that is; NULL: none. */
const struct spec_key *conf_find_key(const struct spec *s, const char *name,
				     size_t len);

/* The word of a dialect or subject in the configuration. */
const char *conf_dialect_text(enum spec_dialect dialect);
const char *conf_subject_text(enum spec_subject subject);

#endif
