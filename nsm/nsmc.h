#ifndef NSMC_H
#define NSMC_H

/*
 * libnsmc: the Nitro Secure Module from C. Requests to /dev/nsm, attestation
 * documents parsed and verified, data that KMS encrypted for an enclave opened.
 *
 * Sources: aws-nitro-enclaves-nsm-api (src/api/mod.rs) and the kernel's
 * drivers/misc/nsm.c for the device; AWS's "Verifying the root of trust" for
 * documents; RFC 8152 (COSE), 5280 (X.509), 5652 (CMS), 8017 (RSA-OAEP).
 *
 * There are no globals: any number of threads may call anything at once, as
 * long as each has buffers of its own. Functions return 0 (or a descriptor) or
 * a negative number, for which nsmc_error_text has words: -errno where the
 * system failed, -NSMC_E_... for all else. What is called ret_x is set on success
 * only, unless it says otherwise.
 *
 * See libnsmc(3).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	NSMC_PCR_COUNT = 32, /* of the NSMs there are; 0 to 15 are locked */
	NSMC_PCR_SIZE = 48,  /* bytes of a SHA-384 PCR, the only kind today */
	NSMC_PCR_SIZE_MAX = 64, /* bytes of the longest digest */
	NSMC_MODULE_ID_MAX = 127,
	NSMC_EXTEND_MAX = 4068,	       /* bytes that fit into any extension */
	NSMC_DOCUMENT_MAX = 0x3000,    /* bytes of the longest document */
	NSMC_FIELD_MAX = 1024,	       /* user_data, nonce, public_key in one */
	NSMC_PAYLOAD_MAX = 16384,      /* bytes of a document's payload */
	NSMC_CABUNDLE_MAX = 16,	       /* certificates in a document's bundle */
	NSMC_CERTIFICATE_MAX = 1024,   /* bytes of each */
	NSMC_RECIPIENT_SPKI_MAX = 600, /* bytes of a recipient's public key */
	NSMC_RECIPIENT_KEY_MAX = 2560, /* bytes of its private key, as DER */
	NSMC_CMS_MAX = 6144,	       /* bytes of a CiphertextForRecipient */
	NSMC_OBJECT_MAX = 32, /* with its NUL: what an error is about */
};

/* Bytes of somebody else. DATA is NULL: absent; LEN is 0: empty. */
struct nsmc_bytes {
	const uint8_t *data;
	size_t len;
};

/* --- errors --- */

enum nsmc_error {
	/* The NSM refused; the names are its own. */
	NSMC_E_FIRST = 5000,
	NSMC_E_INVALID_ARGUMENT,
	NSMC_E_INVALID_INDEX,
	NSMC_E_INVALID_RESPONSE,
	NSMC_E_READ_ONLY_INDEX,
	NSMC_E_INVALID_OPERATION,
	NSMC_E_BUFFER_TOO_SMALL,
	NSMC_E_INPUT_TOO_LARGE,
	NSMC_E_INTERNAL_ERROR,
	NSMC_E_UNKNOWN, /* by a name that is none of these */

	/* Its answer is no good. */
	NSMC_E_TRUNCATED, /* cut short */
	NSMC_E_MALFORMED, /* not an answer to what was asked */

	/* It said that it did, but did not. */
	NSMC_E_NOT_EXTENDED,
	NSMC_E_NOT_LOCKED,
	NSMC_E_DEVICE_END,

	/* A document is not one. */
	NSMC_E_DOC_CUT = 5100, /* ends too early */
	NSMC_E_DOC_TRAILING,   /* goes on after its end */
	NSMC_E_DOC_CBOR,       /* not CBOR, or of indefinite length */
	NSMC_E_DOC_COSE,       /* not a COSE_Sign1 structure */
	NSMC_E_DOC_TWICE,      /* a key or PCR comes twice */
	NSMC_E_DOC_MISSING,    /* a field is missing or null */
	NSMC_E_DOC_TYPE,       /* a field is of another type */
	NSMC_E_DOC_LENGTH,     /* a field is empty or too long */
	NSMC_E_DOC_RANGE,      /* a number or count is out of range */

	/* A document is not to be believed. */
	NSMC_E_ALGORITHM = 5200, /* not ES384 */
	NSMC_E_SIGNATURE_LENGTH, /* not 96 bytes */
	NSMC_E_DIGEST,		 /* not SHA384 */
	NSMC_E_ROOT,		 /* the root given is no usable certificate */
	NSMC_E_ROOT_OTHER,	 /* the bundle begins with another root */
	NSMC_E_CERT_FORM,	 /* no X.509 certificate, or more than one */
	NSMC_E_CERT_VERSION,	 /* not version 3 */
	NSMC_E_CERT_ALGORITHM,	 /* not signed by ecdsa-with-SHA384 */
	NSMC_E_CERT_KEY,	 /* no key on P-384 */
	NSMC_E_CERT_ISSUER,	 /* not issued by the one before */
	NSMC_E_CERT_SIGNATURE,	 /* not signed by the one before */
	NSMC_E_CERT_NOT_YET,	 /* not valid yet at that time */
	NSMC_E_CERT_EXPIRED,	 /* not valid any more at that time */
	NSMC_E_CERT_NOT_CA,	 /* issues without being an authority */
	NSMC_E_CERT_KEY_USAGE,	 /* its key is not meant for that */
	NSMC_E_CERT_PATH_LENGTH, /* more authorities below than it allows */
	NSMC_E_CERT_IS_CA,	 /* an authority signs no documents */
	NSMC_E_CERT_EXTENSION,	 /* an extension unknown, or there twice */
	NSMC_E_SIGNATURE,	 /* the document's signature is wrong */

	/* A document is true, but not what was asked for. */
	NSMC_E_POLICY = 5300, /* what was asked for makes no sense */
	NSMC_E_DEBUG,	      /* the enclave is in debug mode */
	NSMC_E_ABSENT,	      /* not there, but was asked for */
	NSMC_E_PRESENT,	      /* there, but was to be absent */
	NSMC_E_OTHER,	      /* another value */
	NSMC_E_TOO_OLD,	      /* older than the window */
	NSMC_E_IN_FUTURE,     /* newer than now and the clocks' difference */

	/* KMS's answer, or the key for it. */
	NSMC_E_CMS_CUT = 5400, /* ends too early */
	NSMC_E_CMS_TRAILING,   /* goes on after its end */
	NSMC_E_CMS_FORM,       /* not BER, or not an EnvelopedData as KMS's */
	NSMC_E_CMS_VERSION,    /* not version 2 */
	NSMC_E_CMS_RECIPIENTS, /* not exactly one recipient */
	NSMC_E_CMS_ALGORITHM,  /* not RSAES-OAEP-SHA-256 and AES-256-CBC */
	NSMC_E_CMS_LENGTH,     /* content that is empty or no whole blocks */
	NSMC_E_CMS_OTHER_KEY,  /* not for this key */
	NSMC_E_DECRYPT,	       /* does not decrypt; why is not told */
	NSMC_E_KEY,	       /* no RSA key of 2048, 3072 or 4096 bits */
	NSMC_E_KEY_MAKE,       /* the key could not be made */
	NSMC_E_END,
};

/*
 * The words for R, a negative return of any function here ("no error" for what
 * is none). Never NULL.
 */
const char *nsmc_error_text(int r);

/* "NSMC_E_OTHER" for -NSMC_E_OTHER, for programs; NULL if R is none of them. */
const char *nsmc_error_name(int r);

/* --- the device --- */

/*
 * A call cannot be interrupted and may take the driver's 120 s. Errors of all
 * of them: -errno of the ioctl; one of the NSM's refusals; -NSMC_E_TRUNCATED;
 * -NSMC_E_MALFORMED. Nothing is allocated.
 */

/*
 * Opens /dev/nsm; a descriptor, close-on-exec, which the caller closes, or
 * -errno: -ENOENT, -ENODEV or -ENXIO outside an enclave.
 */
int nsmc_open(void);

struct nsmc_description {
	uint16_t version_major, version_minor, version_patch;
	uint16_t max_pcrs;
	uint32_t locked_pcrs; /* bit N: PCR N is locked */
	char module_id[NSMC_MODULE_ID_MAX +
		       1]; /* cut if it is longer; printable
						  ASCII, all else is '?' */
	char digest[8];	   /* "SHA384" */
};

/* What the NSM says of itself. Locked PCRs from 32 on are not told. */
int nsmc_describe(int fd, struct nsmc_description *ret);

/*
 * Fills BUF with LEN random bytes, in as many requests as it takes (the device
 * gives up to 256 at a time). On failure BUF holds nothing.
 */
int nsmc_get_random(int fd, void *buf, size_t len);

struct nsmc_pcr {
	bool locked;
	uint8_t value[NSMC_PCR_SIZE_MAX];
	size_t len; /* 48: SHA-384 */
};

/* PCR INDEX as it is now. */
int nsmc_describe_pcr(int fd, uint8_t index, struct nsmc_pcr *ret);

/*
 * Extends PCR INDEX with LEN bytes of DATA, at most NSMC_EXTEND_MAX (-EMSGSIZE):
 * new = SHA384(old || DATA). DATA is not hashed before. *RET is the new value
 * (locked is false); NULL: not of interest.
 */
int nsmc_extend_pcr(int fd, uint8_t index, const void *data, size_t len,
		    struct nsmc_pcr *ret);

/* Locks PCR INDEX; one that is locked already is -NSMC_E_READ_ONLY_INDEX. */
int nsmc_lock_pcr(int fd, uint8_t index);

/*
 * Locks the PCRs 0 to END - 1, those that are locked already too: 18 locks 16
 * and 17. END is 0 to 32.
 */
int nsmc_lock_pcrs_below(int fd, uint8_t end);

/*
 * An attestation document over the locked PCRs with USER_DATA, NONCE and
 * PUBLIC_KEY, each absent (NULL), empty or bytes; together they must fit into
 * a request of 4096 bytes (-EMSGSIZE). Verifiers refuse more than 1024 bytes in
 * one, some more than 512, and an empty PUBLIC_KEY. The document goes to BUF of CAP
 * bytes (-ENOBUFS if that is short; NSMC_DOCUMENT_MAX is enough), its length to
 * *RET_LEN.
 */
int nsmc_attest(int fd, struct nsmc_bytes user_data, struct nsmc_bytes nonce,
		struct nsmc_bytes public_key, void *buf, size_t cap,
		size_t *ret_len);

/*
 * Whether the enclave runs in debug mode: PCR0 locked and zero. PCR0 of a
 * production enclave measures the image; that of a bare emulated device is
 * zero, but not locked.
 */
int nsmc_is_debug(int fd, bool *ret_debug);

/* --- measuring into PCRs --- */

/*
 * The 48 bytes that a PCR is extended with for the content DATA of LEN bytes
 * under NAME of NAME_LEN bytes:
 *
 *   SHA384("enclave-init measurement 1" || 0x00 ||
 *          u64be(NAME_LEN) || NAME || u64be(LEN) || DATA)
 *
 * so that no two pairs of name and content give the same bytes.
 */
void nsmc_measure(const void *name, size_t name_len, const void *data,
		  size_t len, uint8_t ret[NSMC_PCR_SIZE]);

/*
 * The same for the regular file FD from its begin (its offset is not moved).
 * -EINVAL: no regular file; -EAGAIN: its length changed meanwhile; or -errno.
 */
int nsmc_measure_file(const void *name, size_t name_len, int fd,
		      uint8_t ret[NSMC_PCR_SIZE]);

/* What a PCR of VALUE becomes by an extension with LEN bytes of DATA. */
void nsmc_predict(uint8_t value[NSMC_PCR_SIZE], const void *data, size_t len);

/*
 * nsmc_extend_pcr that believes nothing: reads the PCR before, and afterwards
 * holds the answer and the PCR against what must have come of it.
 * -NSMC_E_READ_ONLY_INDEX if it was locked; -NSMC_E_NOT_EXTENDED.
 */
int nsmc_extend_pcr_checked(int fd, uint8_t index, const void *data, size_t len,
			    struct nsmc_pcr *ret);

/*
 * nsmc_lock_pcr likewise: afterwards the PCR is locked and holds what it held
 * before; one that was locked already is fine. -NSMC_E_NOT_LOCKED.
 */
int nsmc_lock_pcr_checked(int fd, uint8_t index, struct nsmc_pcr *ret);

/* nsmc_lock_pcrs_below likewise; -NSMC_E_INVALID_INDEX if END is over 32. */
int nsmc_lock_pcrs_below_checked(int fd, uint8_t end);

/* --- attestation documents: reading --- */

enum { NSMC_ALGORITHM_ES384 = -35 }; /* RFC 8152, table 5 */

/* Views into the bytes that were parsed. */
struct nsmc_doc {
	struct nsmc_bytes protected_header; /* as signed */
	int64_t algorithm;		    /* COSE's */
	struct nsmc_bytes payload;	    /* as signed */
	struct nsmc_bytes signature;

	struct nsmc_bytes module_id;	       /* text, not checked for UTF-8 */
	struct nsmc_bytes digest;	       /* text */
	uint64_t timestamp_ms;		       /* since 1970, UTC */
	struct nsmc_bytes pcr[NSMC_PCR_COUNT]; /* absent: not locked */
	struct nsmc_bytes certificate;	       /* the leaf */
	struct nsmc_bytes cabundle[NSMC_CABUNDLE_MAX]; /* the root first */
	size_t cabundle_count;
	struct nsmc_bytes public_key, user_data, nonce; /* may be absent */
};

/* What an error is about: "nonce", "PCR3", "cabundle[1]"; or "". */
struct nsmc_object {
	char name[NSMC_OBJECT_MAX];
};

/*
 * Reads a document of LEN bytes, tagged (18) or not, a real NSM's or QEMU's:
 * types, lengths and ranges are those of AWS's documentation (user_data and
 * nonce up to 1024 bytes), keys that it does not name are passed over. That it is
 * true is not looked at. -NSMC_E_DOC_...; *RETERR_OBJECT (may be NULL) says what
 * is wrong. Nothing is allocated; BUF must outlive *RET.
 */
int nsmc_doc_parse(const void *buf, size_t len, struct nsmc_doc *ret,
		   struct nsmc_object *reterr_object);

/* Whether DOC is of an enclave in debug mode: its PCR0 is there and zero. */
bool nsmc_doc_is_debug(const struct nsmc_doc *doc);

/* --- attestation documents: believing --- */

/* AWS's root certificate, G1 of the aws partition, DER; static. */
struct nsmc_bytes nsmc_aws_root(void);

/*
 * The steps of nsmc_doc_verify, one by one. Each of them alone proves nothing.
 * -errno is -ENOMEM only: mbedTLS allocates.
 */

/*
 * Algorithm ES384, a signature of 96 bytes, digest SHA384, and PCRs of 48 bytes,
 * one of them at least.
 */
int nsmc_doc_check_form(const struct nsmc_doc *doc,
			struct nsmc_object *reterr_object);

/*
 * The chain from ROOT (DER; absent: AWS's) by the cabundle, in its order, to the
 * certificate: RFC 5280's names, signatures, validity at TIME_S (seconds since
 * 1970, UTC), authorities, path lengths and key usages, all on P-384 with
 * SHA-384. The bundle must begin with ROOT. Revocation is not looked at, as AWS
 * has it.
 */
int nsmc_doc_check_chain(const struct nsmc_doc *doc, struct nsmc_bytes root,
			 int64_t time_s, struct nsmc_object *reterr_object);

/* The signature, by the key of the certificate, whoever issued that. */
int nsmc_doc_check_signature(const struct nsmc_doc *doc,
			     struct nsmc_object *reterr_object);

/* What to expect of a field. */
enum nsmc_expect_kind {
	NSMC_ANY = 0, /* not asked for, not checked */
	NSMC_MISSING, /* must be absent */
	NSMC_EQUAL,   /* must be there, and be these bytes */
};

struct nsmc_expect {
	enum nsmc_expect_kind kind;
	struct nsmc_bytes value; /* for NSMC_EQUAL: not absent, may be empty */
};

/*
 * What a document must be. All zero but TIME_S: a valid document of any enclave
 * that is not in debug mode.
 */
struct nsmc_policy {
	struct nsmc_bytes root; /* DER; absent: AWS's */
	/* When the certificates must be valid, and what the age counts from. */
	int64_t time_s;
	/*
	 * Instead of TIME_S the document's own timestamp: for stored documents,
	 * whose certificates live three hours. That they were valid then says
	 * nothing of now: NSMC_CHECK_VALIDITY is not set. No age can be asked for.
	 */
	bool time_of_document;
	bool age_asked;	    /* MAX_AGE_S counts */
	uint32_t max_age_s; /* how old the document may be */
	/* How far ahead of TIME_S it may be: 1 at least, for its milliseconds. */
	uint32_t max_ahead_s;
	bool allow_debug;
	struct nsmc_expect pcr[NSMC_PCR_COUNT];
	struct nsmc_expect nonce, user_data, public_key;
};

enum nsmc_check {
	NSMC_CHECK_FORM = 1 << 0,
	NSMC_CHECK_CHAIN = 1 << 1,
	NSMC_CHECK_VALIDITY = 1 << 2, /* of the certificates in time */
	NSMC_CHECK_SIGNATURE = 1 << 3,
	NSMC_CHECK_DEBUG = 1 << 4, /* not in debug mode */
	NSMC_CHECK_PCRS = 1 << 5,  /* any; see PCRS_CHECKED */
	NSMC_CHECK_NONCE = 1 << 6,
	NSMC_CHECK_USER_DATA = 1 << 7,
	NSMC_CHECK_PUBLIC_KEY = 1 << 8,
	NSMC_CHECK_AGE = 1 << 9,
	NSMC_CHECK_ALL = (1 << 10) - 1,
};

/* The words for one of these: "chain". NULL if it is none. */
const char *nsmc_check_text(enum nsmc_check check);

struct nsmc_report {
	unsigned checked; /* NSMC_CHECK_... that hold; what is not in it was
				  not asked for, not reached, or failed */
	uint32_t pcrs_checked;	   /* bit N: PCR N is as asked for */
	bool debug;		   /* it is of an enclave in debug mode */
	struct nsmc_object object; /* what a refusal is about */
};

/*
 * Holds DOC against POLICY; true or not. *RET_REPORT, all zero or of the steps
 * before, is set in any case, and keeps what it says of those steps.
 */
int nsmc_doc_check_policy(const struct nsmc_doc *doc,
			  const struct nsmc_policy *policy,
			  struct nsmc_report *ret_report);

/*
 * All of it: parses LEN bytes of BUF and returns 0 only if the document is true
 * and as POLICY wants it; else the first reason why not. *RET_REPORT is set in any
 * case; *RET_DOC (may be NULL) as soon as the document could be parsed.
 */
int nsmc_doc_verify(const void *buf, size_t len,
		    const struct nsmc_policy *policy, struct nsmc_doc *ret_doc,
		    struct nsmc_report *ret_report);

/* --- KMS: CiphertextForRecipient --- */

/* An RSA key pair, of which KMS gets the public part in a document. */
struct nsmc_recipient;

/*
 * Makes a key of BITS (2048, 3072, 4096; KMS's clients use 2048) from the
 * random bytes of the NSM FD; -1: from the kernel's, outside an enclave. To be
 * freed with nsmc_recipient_free. -NSMC_E_KEY: another BITS.
 */
int nsmc_recipient_new(int fd, unsigned bits, struct nsmc_recipient **ret);

/* Wipes and frees it; NULL is fine. */
void nsmc_recipient_free(struct nsmc_recipient *recipient);

/*
 * The public key as KMS wants it in public_key: DER SubjectPublicKeyInfo, to BUF of
 * CAP bytes (-ENOBUFS; NSMC_RECIPIENT_SPKI_MAX is enough).
 */
int nsmc_recipient_public_key(const struct nsmc_recipient *recipient, void *buf,
			      size_t cap, size_t *ret_len);

/*
 * The private key, PKCS#1 RSAPrivateKey as DER, to BUF of CAP bytes (-ENOBUFS;
 * NSMC_RECIPIENT_KEY_MAX is enough). The caller wipes it.
 */
int nsmc_recipient_export(const struct nsmc_recipient *recipient, void *buf,
			  size_t cap, size_t *ret_len);

/*
 * The reverse; PKCS#1 or PKCS#8, DER or PEM (without a password), of LEN bytes.
 * -NSMC_E_KEY: anything else, or a key of another size.
 */
int nsmc_recipient_import(const void *key, size_t len,
			  struct nsmc_recipient **ret);

/*
 * Opens KMS's CiphertextForRecipient: a CMS EnvelopedData, BER or DER, of LEN
 * bytes (-EMSGSIZE: more than NSMC_CMS_MAX). The plaintext, always shorter than LEN, goes to
 * BUF of CAP bytes (-ENOBUFS if CAP < LEN), its length to *RET_LEN. The caller
 * wipes it; on failure BUF is wiped. -NSMC_E_CMS_...: the form, which anybody can
 * see; *RETERR_OBJECT (may be NULL) says what of it. All that depends on
 * the key is one error: -NSMC_E_DECRYPT, or -NSMC_E_CMS_OTHER_KEY if the message
 * names another key as well: KMS names them by the SHA-256 of the public key. That
 * KMS wrote the message is not said by anything in it. BUF and CMS must not overlap.
 */
int nsmc_recipient_open(const struct nsmc_recipient *recipient, const void *cms,
			size_t len, void *buf, size_t cap, size_t *ret_len,
			struct nsmc_object *reterr_object);

#ifdef __cplusplus
}
#endif

#endif
