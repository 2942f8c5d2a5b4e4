#ifndef NSM_NSM_H
#define NSM_NSM_H

/*
 * libnsm: the Nitro Secure Module from C. Requests to /dev/nsm, attestation
 * documents parsed and verified, data that KMS encrypted for an enclave opened.
 *
 * Sources: aws-nitro-enclaves-nsm-api (src/api/mod.rs) and the kernel's
 * drivers/misc/nsm.c for the device; AWS's "Verifying the root of trust" for
 * documents; RFC 8152 (COSE), 5280 (X.509), 5652 (CMS), 8017 (RSA-OAEP).
 *
 * There are no globals: any number of threads may call anything at once, as
 * long as each has buffers of its own. Functions return 0 (or a descriptor) or
 * a negative number, for which nsm_error_text has words: -errno where the
 * system failed, -NSM_E_... for all else. What is called ret_x is set on success
 * only, unless it says otherwise.
 *
 * See libnsm(3).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	NSM_PCR_COUNT = 32,    /* of the NSMs there are; 0 to 15 are locked */
	NSM_PCR_SIZE = 48,     /* bytes of a SHA-384 PCR, the only kind today */
	NSM_PCR_SIZE_MAX = 64, /* bytes of the longest digest */
	NSM_MODULE_ID_MAX = 127,
	NSM_EXTEND_MAX = 4068,	      /* bytes that fit into any extension */
	NSM_DOCUMENT_MAX = 0x3000,    /* bytes of the longest document */
	NSM_FIELD_MAX = 1024,	      /* user_data, nonce, public_key in one */
	NSM_PAYLOAD_MAX = 16384,      /* bytes of a document's payload */
	NSM_CABUNDLE_MAX = 16,	      /* certificates in a document's bundle */
	NSM_CERTIFICATE_MAX = 1024,   /* bytes of each */
	NSM_RECIPIENT_SPKI_MAX = 600, /* bytes of a recipient's public key */
	NSM_RECIPIENT_KEY_MAX = 2560, /* bytes of its private key, as DER */
	NSM_CMS_MAX = 6144,	      /* bytes of a CiphertextForRecipient */
	NSM_OBJECT_MAX = 32,	      /* with its NUL: what an error is about */
};

/* Bytes of somebody else. DATA is NULL: absent; LEN is 0: empty. */
struct nsm_bytes {
	const uint8_t *data;
	size_t len;
};

/* --- errors --- */

enum nsm_error {
	/* The NSM refused; the names are its own. */
	NSM_E_FIRST = 5000,
	NSM_E_INVALID_ARGUMENT,
	NSM_E_INVALID_INDEX,
	NSM_E_INVALID_RESPONSE,
	NSM_E_READ_ONLY_INDEX,
	NSM_E_INVALID_OPERATION,
	NSM_E_BUFFER_TOO_SMALL,
	NSM_E_INPUT_TOO_LARGE,
	NSM_E_INTERNAL_ERROR,
	NSM_E_UNKNOWN, /* by a name that is none of these */

	/* Its answer is no good. */
	NSM_E_TRUNCATED, /* cut short */
	NSM_E_MALFORMED, /* not an answer to what was asked */

	/* It said that it did, but did not. */
	NSM_E_NOT_EXTENDED,
	NSM_E_NOT_LOCKED,
	NSM_E_DEVICE_END,

	/* A document is not one. */
	NSM_E_DOC_CUT = 5100, /* ends too early */
	NSM_E_DOC_TRAILING,   /* goes on after its end */
	NSM_E_DOC_CBOR,	      /* not CBOR, or of indefinite length */
	NSM_E_DOC_COSE,	      /* not a COSE_Sign1 structure */
	NSM_E_DOC_TWICE,      /* a key or PCR comes twice */
	NSM_E_DOC_MISSING,    /* a field is missing or null */
	NSM_E_DOC_TYPE,	      /* a field is of another type */
	NSM_E_DOC_LENGTH,     /* a field is empty or too long */
	NSM_E_DOC_RANGE,      /* a number or count is out of range */

	/* A document is not to be believed. */
	NSM_E_ALGORITHM = 5200, /* not ES384 */
	NSM_E_SIGNATURE_LENGTH, /* not 96 bytes */
	NSM_E_DIGEST,		/* not SHA384 */
	NSM_E_ROOT,		/* the root given is no usable certificate */
	NSM_E_ROOT_OTHER,	/* the bundle begins with another root */
	NSM_E_CERT_FORM,	/* no X.509 certificate, or more than one */
	NSM_E_CERT_VERSION,	/* not version 3 */
	NSM_E_CERT_ALGORITHM,	/* not signed by ecdsa-with-SHA384 */
	NSM_E_CERT_KEY,		/* no key on P-384 */
	NSM_E_CERT_ISSUER,	/* not issued by the one before */
	NSM_E_CERT_SIGNATURE,	/* not signed by the one before */
	NSM_E_CERT_NOT_YET,	/* not valid yet at that time */
	NSM_E_CERT_EXPIRED,	/* not valid any more at that time */
	NSM_E_CERT_NOT_CA,	/* issues without being an authority */
	NSM_E_CERT_KEY_USAGE,	/* its key is not meant for that */
	NSM_E_CERT_PATH_LENGTH, /* more authorities below than it allows */
	NSM_E_CERT_IS_CA,	/* an authority signs no documents */
	NSM_E_CERT_EXTENSION,	/* an extension unknown, or there twice */
	NSM_E_SIGNATURE,	/* the document's signature is wrong */

	/* A document is true, but not what was asked for. */
	NSM_E_POLICY = 5300, /* what was asked for makes no sense */
	NSM_E_DEBUG,	     /* the enclave is in debug mode */
	NSM_E_ABSENT,	     /* not there, but was asked for */
	NSM_E_PRESENT,	     /* there, but was to be absent */
	NSM_E_OTHER,	     /* another value */
	NSM_E_TOO_OLD,	     /* older than the window */
	NSM_E_IN_FUTURE,     /* newer than now and the clocks' difference */

	/* KMS's answer, or the key for it. */
	NSM_E_CMS_CUT = 5400, /* ends too early */
	NSM_E_CMS_TRAILING,   /* goes on after its end */
	NSM_E_CMS_FORM,	      /* not BER, or not an EnvelopedData as KMS's */
	NSM_E_CMS_VERSION,    /* not version 2 */
	NSM_E_CMS_RECIPIENTS, /* not exactly one recipient */
	NSM_E_CMS_ALGORITHM,  /* not RSAES-OAEP-SHA-256 and AES-256-CBC */
	NSM_E_CMS_LENGTH,     /* content that is empty or no whole blocks */
	NSM_E_CMS_OTHER_KEY,  /* not for this key */
	NSM_E_DECRYPT,	      /* does not decrypt; why is not told */
	NSM_E_KEY,	      /* no RSA key of 2048, 3072 or 4096 bits */
	NSM_E_KEY_MAKE,	      /* the key could not be made */
	NSM_E_END,
};

/*
 * The words for R, a negative return of any function here ("no error" for what
 * is none). Never NULL.
 */
const char *nsm_error_text(int r);

/* "NSM_E_OTHER" for -NSM_E_OTHER, for programs; NULL if R is none of them. */
const char *nsm_error_name(int r);

/* --- the device --- */

/*
 * A call cannot be interrupted and may take the driver's 120 s. Errors of all
 * of them: -errno of the ioctl; one of the NSM's refusals; -NSM_E_TRUNCATED;
 * -NSM_E_MALFORMED. Nothing is allocated.
 */

/*
 * Opens /dev/nsm; a descriptor, close-on-exec, which the caller closes, or
 * -errno: -ENOENT, -ENODEV or -ENXIO outside an enclave.
 */
int nsm_open(void);

struct nsm_description {
	uint16_t version_major, version_minor, version_patch;
	uint16_t max_pcrs;
	uint32_t locked_pcrs;		       /* bit N: PCR N is locked */
	char module_id[NSM_MODULE_ID_MAX + 1]; /* cut if it is longer; printable
						  ASCII, all else is '?' */
	char digest[8];			       /* "SHA384" */
};

/* What the NSM says of itself. Locked PCRs from 32 on are not told. */
int nsm_describe(int fd, struct nsm_description *ret);

/*
 * Fills BUF with LEN random bytes, in as many requests as it takes (the device
 * gives up to 256 at a time). On failure BUF holds nothing.
 */
int nsm_get_random(int fd, void *buf, size_t len);

struct nsm_pcr {
	bool locked;
	uint8_t value[NSM_PCR_SIZE_MAX];
	size_t len; /* 48: SHA-384 */
};

/* PCR INDEX as it is now. */
int nsm_describe_pcr(int fd, uint8_t index, struct nsm_pcr *ret);

/*
 * Extends PCR INDEX with LEN bytes of DATA, at most NSM_EXTEND_MAX (-EMSGSIZE):
 * new = SHA384(old || DATA). DATA is not hashed before. *RET is the new value
 * (locked is false); NULL: not of interest.
 */
int nsm_extend_pcr(int fd, uint8_t index, const void *data, size_t len,
		   struct nsm_pcr *ret);

/* Locks PCR INDEX; one that is locked already is -NSM_E_READ_ONLY_INDEX. */
int nsm_lock_pcr(int fd, uint8_t index);

/*
 * Locks the PCRs 0 to END - 1, those that are locked already too: 18 locks 16
 * and 17. END is 0 to 32.
 */
int nsm_lock_pcrs_below(int fd, uint8_t end);

/*
 * An attestation document over the locked PCRs with USER_DATA, NONCE and
 * PUBLIC_KEY, each absent (NULL), empty or bytes; together they must fit into
 * a request of 4096 bytes (-EMSGSIZE). Verifiers refuse more than 1024 bytes in
 * one, some more than 512, and an empty PUBLIC_KEY. The document goes to BUF of CAP
 * bytes (-ENOBUFS if that is short; NSM_DOCUMENT_MAX is enough), its length to
 * *RET_LEN.
 */
int nsm_attest(int fd, struct nsm_bytes user_data, struct nsm_bytes nonce,
	       struct nsm_bytes public_key, void *buf, size_t cap,
	       size_t *ret_len);

/*
 * Whether the enclave runs in debug mode: PCR0 locked and zero. PCR0 of a
 * production enclave measures the image; that of a bare emulated device is
 * zero, but not locked.
 */
int nsm_is_debug(int fd, bool *ret_debug);

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
void nsm_measure(const void *name, size_t name_len, const void *data,
		 size_t len, uint8_t ret[NSM_PCR_SIZE]);

/*
 * The same for the regular file FD from its begin (its offset is not moved).
 * -EINVAL: no regular file; -EAGAIN: its length changed meanwhile; or -errno.
 */
int nsm_measure_file(const void *name, size_t name_len, int fd,
		     uint8_t ret[NSM_PCR_SIZE]);

/* What a PCR of VALUE becomes by an extension with LEN bytes of DATA. */
void nsm_predict(uint8_t value[NSM_PCR_SIZE], const void *data, size_t len);

/*
 * nsm_extend_pcr that believes nothing: reads the PCR before, and afterwards
 * holds the answer and the PCR against what must have come of it.
 * -NSM_E_READ_ONLY_INDEX if it was locked; -NSM_E_NOT_EXTENDED.
 */
int nsm_extend_pcr_checked(int fd, uint8_t index, const void *data, size_t len,
			   struct nsm_pcr *ret);

/*
 * nsm_lock_pcr likewise: afterwards the PCR is locked and holds what it held
 * before; one that was locked already is fine. -NSM_E_NOT_LOCKED.
 */
int nsm_lock_pcr_checked(int fd, uint8_t index, struct nsm_pcr *ret);

/* nsm_lock_pcrs_below likewise; -NSM_E_INVALID_INDEX if END is over 32. */
int nsm_lock_pcrs_below_checked(int fd, uint8_t end);

/* --- attestation documents: reading --- */

enum { NSM_ALGORITHM_ES384 = -35 }; /* RFC 8152, table 5 */

/* Views into the bytes that were parsed. */
struct nsm_doc {
	struct nsm_bytes protected_header; /* as signed */
	int64_t algorithm;		   /* COSE's */
	struct nsm_bytes payload;	   /* as signed */
	struct nsm_bytes signature;

	struct nsm_bytes module_id;	     /* text, not checked for UTF-8 */
	struct nsm_bytes digest;	     /* text */
	uint64_t timestamp_ms;		     /* since 1970, UTC */
	struct nsm_bytes pcr[NSM_PCR_COUNT]; /* absent: not locked */
	struct nsm_bytes certificate;	     /* the leaf */
	struct nsm_bytes cabundle[NSM_CABUNDLE_MAX]; /* the root first */
	size_t cabundle_count;
	struct nsm_bytes public_key, user_data, nonce; /* may be absent */
};

/* What an error is about: "nonce", "PCR3", "cabundle[1]"; or "". */
struct nsm_object {
	char name[NSM_OBJECT_MAX];
};

/*
 * Reads a document of LEN bytes, tagged (18) or not, a real NSM's or QEMU's:
 * types, lengths and ranges are those of AWS's documentation (user_data and
 * nonce up to 1024 bytes), keys that it does not name are passed over. That it is
 * true is not looked at. -NSM_E_DOC_...; *RETERR_OBJECT (may be NULL) says what
 * is wrong. Nothing is allocated; BUF must outlive *RET.
 */
int nsm_doc_parse(const void *buf, size_t len, struct nsm_doc *ret,
		  struct nsm_object *reterr_object);

/* Whether DOC is of an enclave in debug mode: its PCR0 is there and zero. */
bool nsm_doc_is_debug(const struct nsm_doc *doc);

/* --- attestation documents: believing --- */

/* AWS's root certificate, G1 of the aws partition, DER; static. */
struct nsm_bytes nsm_aws_root(void);

/*
 * The steps of nsm_doc_verify, one by one. Each of them alone proves nothing.
 * -errno is -ENOMEM only: mbedTLS allocates.
 */

/*
 * Algorithm ES384, a signature of 96 bytes, digest SHA384, and PCRs of 48 bytes,
 * one of them at least.
 */
int nsm_doc_check_form(const struct nsm_doc *doc,
		       struct nsm_object *reterr_object);

/*
 * The chain from ROOT (DER; absent: AWS's) by the cabundle, in its order, to the
 * certificate: RFC 5280's names, signatures, validity at TIME_S (seconds since
 * 1970, UTC), authorities, path lengths and key usages, all on P-384 with
 * SHA-384. The bundle must begin with ROOT. Revocation is not looked at, as AWS
 * has it.
 */
int nsm_doc_check_chain(const struct nsm_doc *doc, struct nsm_bytes root,
			int64_t time_s, struct nsm_object *reterr_object);

/* The signature, by the key of the certificate, whoever issued that. */
int nsm_doc_check_signature(const struct nsm_doc *doc,
			    struct nsm_object *reterr_object);

/* What to expect of a field. */
enum nsm_expect_kind {
	NSM_ANY = 0, /* not asked for, not checked */
	NSM_MISSING, /* must be absent */
	NSM_EQUAL,   /* must be there, and be these bytes */
};

struct nsm_expect {
	enum nsm_expect_kind kind;
	struct nsm_bytes value; /* for NSM_EQUAL: not absent, may be empty */
};

/*
 * What a document must be. All zero but TIME_S: a valid document of any enclave
 * that is not in debug mode.
 */
struct nsm_policy {
	struct nsm_bytes root; /* DER; absent: AWS's */
	/* When the certificates must be valid, and what the age counts from. */
	int64_t time_s;
	/*
	 * Instead of TIME_S the document's own timestamp: for stored documents,
	 * whose certificates live three hours. That they were valid then says
	 * nothing of now: NSM_CHECK_VALIDITY is not set. No age can be asked for.
	 */
	bool time_of_document;
	bool age_asked;	    /* MAX_AGE_S counts */
	uint32_t max_age_s; /* how old the document may be */
	/* How far ahead of TIME_S it may be: 1 at least, for its milliseconds. */
	uint32_t max_ahead_s;
	bool allow_debug;
	struct nsm_expect pcr[NSM_PCR_COUNT];
	struct nsm_expect nonce, user_data, public_key;
};

enum nsm_check {
	NSM_CHECK_FORM = 1 << 0,
	NSM_CHECK_CHAIN = 1 << 1,
	NSM_CHECK_VALIDITY = 1 << 2, /* of the certificates in time */
	NSM_CHECK_SIGNATURE = 1 << 3,
	NSM_CHECK_DEBUG = 1 << 4, /* not in debug mode */
	NSM_CHECK_PCRS = 1 << 5,  /* any; see PCRS_CHECKED */
	NSM_CHECK_NONCE = 1 << 6,
	NSM_CHECK_USER_DATA = 1 << 7,
	NSM_CHECK_PUBLIC_KEY = 1 << 8,
	NSM_CHECK_AGE = 1 << 9,
	NSM_CHECK_ALL = (1 << 10) - 1,
};

/* The words for one of these: "chain". NULL if it is none. */
const char *nsm_check_text(enum nsm_check check);

struct nsm_report {
	unsigned checked;      /* NSM_CHECK_... that hold; what is not in it was
				  not asked for, not reached, or failed */
	uint32_t pcrs_checked; /* bit N: PCR N is as asked for */
	bool debug;	       /* it is of an enclave in debug mode */
	struct nsm_object object; /* what a refusal is about */
};

/*
 * Holds DOC against POLICY; true or not. *RET_REPORT, all zero or of the steps
 * before, is set in any case, and keeps what it says of those steps.
 */
int nsm_doc_check_policy(const struct nsm_doc *doc,
			 const struct nsm_policy *policy,
			 struct nsm_report *ret_report);

/*
 * All of it: parses LEN bytes of BUF and returns 0 only if the document is true
 * and as POLICY wants it; else the first reason why not. *RET_REPORT is set in any
 * case; *RET_DOC (may be NULL) as soon as the document could be parsed.
 */
int nsm_doc_verify(const void *buf, size_t len, const struct nsm_policy *policy,
		   struct nsm_doc *ret_doc, struct nsm_report *ret_report);

/* --- KMS: CiphertextForRecipient --- */

/* An RSA key pair, of which KMS gets the public part in a document. */
struct nsm_recipient;

/*
 * Makes a key of BITS (2048, 3072, 4096; KMS's clients use 2048) from the
 * random bytes of the NSM FD; -1: from the kernel's, outside an enclave. To be
 * freed with nsm_recipient_free. -NSM_E_KEY: another BITS.
 */
int nsm_recipient_new(int fd, unsigned bits, struct nsm_recipient **ret);

/* Wipes and frees it; NULL is fine. */
void nsm_recipient_free(struct nsm_recipient *recipient);

/*
 * The public key as KMS wants it in public_key: DER SubjectPublicKeyInfo, to BUF of
 * CAP bytes (-ENOBUFS; NSM_RECIPIENT_SPKI_MAX is enough).
 */
int nsm_recipient_public_key(const struct nsm_recipient *recipient, void *buf,
			     size_t cap, size_t *ret_len);

/*
 * The private key, PKCS#1 RSAPrivateKey as DER, to BUF of CAP bytes (-ENOBUFS;
 * NSM_RECIPIENT_KEY_MAX is enough). The caller wipes it.
 */
int nsm_recipient_export(const struct nsm_recipient *recipient, void *buf,
			 size_t cap, size_t *ret_len);

/*
 * The reverse; PKCS#1 or PKCS#8, DER or PEM (without a password), of LEN bytes.
 * -NSM_E_KEY: anything else, or a key of another size.
 */
int nsm_recipient_import(const void *key, size_t len,
			 struct nsm_recipient **ret);

/*
 * Opens KMS's CiphertextForRecipient: a CMS EnvelopedData, BER or DER, of LEN
 * bytes (-EMSGSIZE: more than NSM_CMS_MAX). The plaintext, always shorter than LEN, goes to
 * BUF of CAP bytes (-ENOBUFS if CAP < LEN), its length to *RET_LEN. The caller
 * wipes it; on failure BUF is wiped. -NSM_E_CMS_...: the form, which anybody can
 * see; *RETERR_OBJECT (may be NULL) says what of it. All that depends on
 * the key is one error: -NSM_E_DECRYPT, or -NSM_E_CMS_OTHER_KEY if the message
 * names another key as well: KMS names them by the SHA-256 of the public key. That
 * KMS wrote the message is not said by anything in it. BUF and CMS must not overlap.
 */
int nsm_recipient_open(const struct nsm_recipient *recipient, const void *cms,
		       size_t len, void *buf, size_t cap, size_t *ret_len,
		       struct nsm_object *reterr_object);

#ifdef __cplusplus
}
#endif

#endif
