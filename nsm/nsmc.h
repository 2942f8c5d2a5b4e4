#ifndef NSMC_H
#define NSMC_H

/*
 * libnsmc: the Nitro Secure Module (NSM) from C. Requests to /dev/nsm,
 * attestation documents parsed and verified, data that KMS encrypted for an
 * enclave opened.
 *
 * Sources: aws-nitro-enclaves-nsm-api (src/api/mod.rs) and the kernel's
 * drivers/misc/nsm.c for the device; AWS's "Verifying the root of trust" for
 * documents; RFC 9052 (COSE), 5280 (X.509), 5652 (CMS), 8017 (RSA-OAEP).
 *
 * The library has no globals, but for what it once found out of the processor.
 * Functions return 0 (or a descriptor) or a negative number, for which
 * nsmc_error_text has words: -errno where the system failed, -NSMC_E_... for
 * all else. What is called ret_x is set on success only, unless its comment
 * says otherwise. A NULL pointer with a length that is not 0 is -EINVAL
 * wherever bytes are taken.
 *
 * Threads: any number may call anything at once, as long as each has buffers
 * of its own. A policy that is no longer changed and a recipient may be
 * shared; a cache belongs to one thread at a time.
 *
 * Structs end with reserved members, which are zero in what the library gives
 * out: later versions of the library use them without changing a size.
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
	NSMC_PCR_COUNT = 32, /* of all NSMs so far; 0 to 15 are locked */
	NSMC_PCR_SIZE = 48,  /* bytes of a SHA-384 PCR, the only kind today */
	NSMC_PCR_SIZE_MAX = 64, /* bytes of the longest digest */
	NSMC_MODULE_ID_MAX = 127,
	NSMC_EXTEND_MAX = 4068,	      /* bytes that fit into any extension */
	NSMC_DOCUMENT_MAX = 0x3000,   /* bytes of the longest document */
	NSMC_FIELD_MAX = 1024,	      /* user_data, nonce, public_key in one */
	NSMC_PAYLOAD_MAX = 16384,     /* bytes of a document's payload */
	NSMC_CABUNDLE_MAX = 16,	      /* certificates in a document's bundle */
	NSMC_CERTIFICATE_MAX = 1024,  /* bytes of each, and of a root */
	NSMC_ROOTS_MAX = 8,	      /* root certificates in a policy */
	NSMC_CACHE_LINKS_MAX = 65536, /* links in a cache */
	NSMC_LEEWAY_DEFAULT_S = 5,    /* how slow a verifier's clock may be */
	NSMC_LEEWAY_MAX_S = 3600,
	NSMC_ATTEMPTS_DEFAULT = 3, /* openings of a recipient that may fail */
	NSMC_RECIPIENT_SPKI_MAX = 600, /* bytes of a recipient's public key */
	NSMC_RECIPIENT_KEY_MAX = 2560, /* bytes of its private key, as DER */
	NSMC_CMS_MAX = 6144,	       /* bytes of a CiphertextForRecipient */
	NSMC_OBJECT_MAX = 32, /* with its NUL: what an error is about */
};

/*
 * A view of bytes that belong to someone else. DATA is NULL: absent; LEN is 0:
 * empty. NULL with a length is an error, never absent.
 */
struct nsmc_bytes {
	const uint8_t *data;
	size_t len;
};

#ifdef __cplusplus
#define NSMC_BYTES(data, len) (nsmc_bytes{ (data), (len) })
#else
#define NSMC_BYTES(data, len) ((struct nsmc_bytes){ (data), (len) })
#endif
#define NSMC_ABSENT NSMC_BYTES(NULL, 0)
#define NSMC_EMPTY NSMC_BYTES((const uint8_t *)"", 0)

/* --- errors --- */

/* The numbers are part of the interface: none ever changes. */
enum nsmc_error {
	/* The NSM refused; the names are its own. */
	NSMC_E_INVALID_ARGUMENT = 5001,
	NSMC_E_INVALID_INDEX = 5002,
	NSMC_E_INVALID_RESPONSE = 5003,
	NSMC_E_READ_ONLY_INDEX = 5004,
	NSMC_E_INVALID_OPERATION = 5005,
	NSMC_E_BUFFER_TOO_SMALL = 5006,
	NSMC_E_INPUT_TOO_LARGE = 5007,
	NSMC_E_INTERNAL_ERROR = 5008,
	NSMC_E_UNKNOWN = 5009, /* by another name than these */

	/* The NSM's answer is not usable. */
	NSMC_E_TRUNCATED = 5010, /* cut short */
	NSMC_E_MALFORMED = 5011, /* not an answer to the request */

	/* The NSM claimed to have done it, but did not. */
	NSMC_E_NOT_EXTENDED = 5012,
	NSMC_E_NOT_LOCKED = 5013,

	/* The bytes are not a document. */
	NSMC_E_DOC_CUT = 5100,	    /* ends too early */
	NSMC_E_DOC_TRAILING = 5101, /* goes on after its end */
	NSMC_E_DOC_CBOR = 5102,	    /* not CBOR, or strings in chunks */
	NSMC_E_DOC_COSE = 5103,	    /* not a COSE_Sign1 structure */
	NSMC_E_DOC_TWICE = 5104,    /* a key or PCR comes twice */
	NSMC_E_DOC_MISSING = 5105,  /* a field is missing or null */
	NSMC_E_DOC_TYPE = 5106,	    /* a field is of another type */
	NSMC_E_DOC_LENGTH = 5107,   /* a field is empty or too long */
	NSMC_E_DOC_RANGE = 5108,    /* a number or count is out of range */

	/* A document is not to be believed. */
	NSMC_E_ALGORITHM = 5200,	/* not ES384 */
	NSMC_E_SIGNATURE_LENGTH = 5201, /* not 96 bytes */
	NSMC_E_DIGEST = 5202,		/* not SHA384 */
	NSMC_E_ROOT = 5203,		/* no usable root certificate */
	NSMC_E_ROOT_OTHER = 5204,     /* the bundle begins with another root */
	NSMC_E_CERT_FORM = 5205,      /* no certificate, or several */
	NSMC_E_CERT_VERSION = 5206,   /* not version 3 */
	NSMC_E_CERT_ALGORITHM = 5207, /* not signed by ecdsa-with-SHA384 */
	NSMC_E_CERT_KEY = 5208,	      /* no key on P-384 */
	NSMC_E_CERT_ISSUER = 5209,    /* not issued by the one before */
	NSMC_E_CERT_SIGNATURE = 5210, /* not signed by the one before */
	NSMC_E_CERT_NOT_YET = 5211,   /* not valid yet at that time */
	NSMC_E_CERT_EXPIRED = 5212,   /* not valid any more at that time */
	NSMC_E_CERT_NOT_CA = 5213,    /* issues without being an authority */
	NSMC_E_CERT_KEY_USAGE = 5214, /* its key is not meant for that */
	NSMC_E_CERT_PATH_LENGTH = 5215, /* too many authorities below */
	NSMC_E_CERT_IS_CA = 5216,	/* an authority signs no documents */
	NSMC_E_CERT_EXTENSION = 5217,	/* critical, twice, malformed */
	NSMC_E_SIGNATURE = 5218,	/* the document's signature is wrong */
	NSMC_E_LEAF_TIME = 5219,	/* not of its leaf's time */

	/* A document is genuine, but not what was asked for. */
	NSMC_E_POLICY = 5300,	 /* no sense, or pins nothing */
	NSMC_E_DEBUG = 5301,	 /* the enclave is in debug mode */
	NSMC_E_ABSENT = 5302,	 /* not there, but was asked for */
	NSMC_E_PRESENT = 5303,	 /* there, but should be absent */
	NSMC_E_OTHER = 5304,	 /* another value */
	NSMC_E_TOO_OLD = 5305,	 /* older than the window */
	NSMC_E_IN_FUTURE = 5306, /* newer than now and the leeway */
	NSMC_E_KIND = 5307,	 /* NitroTPM for enclave, or reverse */

	/* KMS's answer, or the key for it. */
	NSMC_E_CMS_CUT = 5400,	    /* ends too early */
	NSMC_E_CMS_TRAILING = 5401, /* goes on after its end */
	NSMC_E_CMS_FORM = 5402, /* not BER, or not an EnvelopedData as KMS's */
	NSMC_E_CMS_VERSION = 5403,    /* not its recipient's version */
	NSMC_E_CMS_RECIPIENTS = 5404, /* not exactly one recipient */
	NSMC_E_CMS_ALGORITHM = 5405,  /* not OAEP-SHA-256, AES-256-CBC */
	NSMC_E_CMS_LENGTH = 5406, /* content that is empty or no whole blocks */
	NSMC_E_CMS_OTHER_KEY = 5407, /* not for this key */
	NSMC_E_DECRYPT = 5408,	     /* does not decrypt; no reason is given */
	NSMC_E_KEY = 5409,	     /* no RSA key of 2048, 3072 or 4096 bits */
	NSMC_E_KEY_MAKE = 5410,	     /* the key could not be made */
	NSMC_E_KEY_SPENT = 5411,     /* too many openings by it have failed */
};

/*
 * Returns the words for R, a negative result of any function here ("no error"
 * for other numbers). Never NULL.
 */
const char *nsmc_error_text(int r);

/*
 * Returns "NSMC_E_OTHER" for -NSMC_E_OTHER, for programs; NULL if R is none of
 * them.
 */
const char *nsmc_error_name(int r);

/* --- the device --- */

/*
 * A call cannot be interrupted and may take the driver's 120 s. All of these
 * functions may return: -errno of the ioctl; one of the NSM's refusals;
 * -NSMC_E_TRUNCATED; -NSMC_E_MALFORMED. Nothing is allocated.
 */

/*
 * Opens /dev/nsm. Returns a descriptor, close-on-exec, which the caller closes,
 * or -errno: -ENOENT, -ENODEV or -ENXIO outside an enclave.
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

/* Describes the NSM. Locked PCRs from 32 on are not reported. */
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

/* Reads PCR INDEX. */
int nsmc_describe_pcr(int fd, uint8_t index, struct nsmc_pcr *ret);

/*
 * Extends PCR INDEX with LEN bytes of DATA, at most NSMC_EXTEND_MAX
 * (-EMSGSIZE): new = SHA384(old || DATA). DATA is not hashed before. *RET is
 * the new value (locked is false); RET may be NULL.
 */
int nsmc_extend_pcr(int fd, uint8_t index, const void *data, size_t len,
		    struct nsmc_pcr *ret);

/* Locks PCR INDEX; -NSMC_E_READ_ONLY_INDEX if it is locked already. */
int nsmc_lock_pcr(int fd, uint8_t index);

/*
 * Locks the PCRs 0 to END - 1, including those that are locked already: 18
 * locks 16 and 17. END is 0 to 32.
 */
int nsmc_lock_pcrs_below(int fd, uint8_t end);

/*
 * Requests an attestation document over the locked PCRs with USER_DATA, NONCE
 * and PUBLIC_KEY, each absent (NSMC_ABSENT), empty (NSMC_EMPTY) or bytes;
 * together they must fit into a request of 4096 bytes (-EMSGSIZE). Verifiers
 * refuse more than 1024 bytes in one, some more than 512, and some an empty
 * PUBLIC_KEY. The document goes to BUF of CAP bytes (-ENOBUFS if that is too
 * short; NSMC_DOCUMENT_MAX is enough), its length to *RET_LEN.
 */
int nsmc_attest(int fd, struct nsmc_bytes user_data, struct nsmc_bytes nonce,
		struct nsmc_bytes public_key, void *buf, size_t cap,
		size_t *ret_len);

/* Does an enclave run in debug mode, in which the PCRs measure nothing? */
enum nsmc_debug {
	NSMC_DEBUG_UNKNOWN = 0, /* unknown: not production */
	NSMC_DEBUG_NO = 1,
	NSMC_DEBUG_YES = 2,
};

/*
 * Does this enclave run in debug mode, with PCR0 locked and zero? PCR0 of a
 * production enclave measures the image, and is locked. If it is not locked, as
 * on a bare emulated device, the answer is NSMC_DEBUG_UNKNOWN.
 */
int nsmc_get_debug(int fd, enum nsmc_debug *ret);

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
 * The same for the regular file FD from its beginning (its offset does not
 * move). -EINVAL: not a regular file; -EAGAIN: its length changed meanwhile; or
 * -errno.
 */
int nsmc_measure_file(const void *name, size_t name_len, int fd,
		      uint8_t ret[NSMC_PCR_SIZE]);

/* Computes what an extension with LEN bytes of DATA makes of a PCR of VALUE. */
void nsmc_predict(uint8_t value[NSMC_PCR_SIZE], const void *data, size_t len);

/*
 * Like nsmc_extend_pcr, but trusts nothing: reads the PCR before, and compares
 * both the answer and the PCR afterwards with the expected value.
 * -NSMC_E_READ_ONLY_INDEX if it was locked; -NSMC_E_NOT_EXTENDED.
 */
int nsmc_extend_pcr_checked(int fd, uint8_t index, const void *data, size_t len,
			    struct nsmc_pcr *ret);

/*
 * Like nsmc_lock_pcr, but checks that the PCR is locked afterwards and has the
 * same value as before; a PCR that was locked already is no error.
 * -NSMC_E_NOT_LOCKED.
 */
int nsmc_lock_pcr_checked(int fd, uint8_t index, struct nsmc_pcr *ret);

/*
 * The same for nsmc_lock_pcrs_below; -NSMC_E_INVALID_INDEX if END is over 32.
 */
int nsmc_lock_pcrs_below_checked(int fd, uint8_t end);

/* --- attestation documents: reading --- */

enum { NSMC_ALGORITHM_ES384 = -35 }; /* RFC 9053, table 1 */

/* What signed a document. Both kinds have the same root. */
enum nsmc_kind {
	NSMC_KIND_ENCLAVE = 0,	/* an enclave's NSM; its PCRs measure an EIF */
	NSMC_KIND_NITROTPM = 1, /* an EC2 instance's NitroTPM: those of a TPM */
};

/* Views into the bytes that were parsed. */
struct nsmc_doc {
	struct nsmc_bytes protected_header; /* as signed */
	int64_t algorithm;		    /* COSE's */
	struct nsmc_bytes payload;	    /* as signed */
	struct nsmc_bytes signature;

	enum nsmc_kind kind;		       /* by pcrs or nitrotpm_pcrs */
	struct nsmc_bytes module_id;	       /* text, not checked for UTF-8 */
	struct nsmc_bytes digest;	       /* text */
	uint64_t timestamp_ms;		       /* since 1970, UTC */
	struct nsmc_bytes pcr[NSMC_PCR_COUNT]; /* absent: not locked */
	struct nsmc_bytes certificate;	       /* the leaf */
	struct nsmc_bytes cabundle[NSMC_CABUNDLE_MAX]; /* the root first */
	size_t cabundle_count;
	/* Absent if the key is missing or null; may be empty. */
	struct nsmc_bytes public_key, user_data, nonce;
	struct nsmc_bytes reserved[4];
};

/* What an error is about: "nonce", "PCR3", "cabundle[1]"; or "". */
struct nsmc_object {
	char name[NSMC_OBJECT_MAX];
};

/*
 * Reads a document of LEN bytes, tagged (18) or not, of a real NSM, a NitroTPM
 * or QEMU. Types, lengths and ranges are those of AWS's documentation
 * (user_data and nonce up to 1024 bytes, public_key may be empty); keys that it
 * does not name are skipped. Maps and arrays may be of definite or indefinite
 * length, strings may not. Nothing is verified. -NSMC_E_DOC_...; *RETERR_OBJECT
 * (may be NULL) names what is wrong. Nothing is allocated; BUF must outlive
 * *RET, and nothing may write to it meanwhile.
 */
int nsmc_doc_parse(const void *buf, size_t len, struct nsmc_doc *ret,
		   struct nsmc_object *reterr_object);

/*
 * Finds the document within an NSM's whole answer to an attestation request, of
 * LEN bytes; programs that speak to the device themselves store that. Returns a
 * view into BUF. -NSMC_E_TRUNCATED, -NSMC_E_MALFORMED: it is not such an
 * answer.
 */
int nsmc_doc_of_answer(const void *buf, size_t len, struct nsmc_bytes *ret);

/*
 * Does DOC come from an enclave in debug mode? Yes if its PCR0 is zero, or,
 * without PCR0, PCR1 or PCR2. NSMC_DEBUG_UNKNOWN without these, and for a
 * NitroTPM, which has no such mode.
 */
enum nsmc_debug nsmc_doc_debug(const struct nsmc_doc *doc);

/* --- attestation documents: believing --- */

/* AWS's root certificate, G1 of the aws partition, DER; static. */
struct nsmc_bytes nsmc_aws_root(void);

/*
 * What a document must be. A new policy is empty, and then needs
 *
 *   - a time for the certificates: nsmc_policy_time or _time_of_document;
 *   - a PCR: nsmc_policy_pcr, or explicitly nsmc_policy_any_image;
 *   - a proof that the document is new: nsmc_policy_field with a nonce
 *     that is not empty, or nsmc_policy_max_age; or explicitly
 *     nsmc_policy_any_age or nsmc_policy_time_of_document.
 *
 * A policy without one of these is -NSMC_E_POLICY in nsmc_doc_verify: any
 * customer of AWS can make a document that satisfies a policy which pins
 * nothing. All setters copy what they are given. They return 0, or -EINVAL for
 * an argument that is NULL, of another length, or out of range; the policy is
 * then unchanged.
 */
struct nsmc_policy;

/* Free it with nsmc_policy_free. -ENOMEM. */
int nsmc_policy_new(struct nsmc_policy **ret);
/* NULL is fine. */
void nsmc_policy_free(struct nsmc_policy *policy);

/*
 * Trusts the root certificate DER of LEN bytes; at most NSMC_ROOTS_MAX of them
 * (-ENOSPC). Without any, AWS's is trusted; otherwise only those given.
 * -NSMC_E_ROOT: not an X.509 certificate on P-384.
 */
int nsmc_policy_root(struct nsmc_policy *policy, const void *der, size_t len);

/* The certificates must be valid at TIME_S, seconds since 1970, UTC: now. */
int nsmc_policy_time(struct nsmc_policy *policy, int64_t time_s);

/*
 * Instead: they must be valid at the document's own timestamp, for stored
 * documents, whose leaf certificate lives three hours. That does not show that
 * they are valid now: NSMC_CHECK_VALIDITY is not set. No maximal age can be
 * asked for.
 */
void nsmc_policy_time_of_document(struct nsmc_policy *policy);

/*
 * How many seconds the verifier's clock may be slow, 0 to NSMC_LEEWAY_MAX_S;
 * NSMC_LEEWAY_DEFAULT_S if not set. A certificate may begin, and a document may
 * be made, this much after the time, and the timestamp may lie this far outside
 * of the leaf's validity. The end of a certificate has no leeway.
 */
int nsmc_policy_leeway(struct nsmc_policy *policy, uint32_t seconds);

/* The document is at most so many seconds old, 0 to UINT32_MAX. */
int nsmc_policy_max_age(struct nsmc_policy *policy, uint32_t seconds);

/* PCR INDEX is in the document, with this VALUE of 48 bytes. */
int nsmc_policy_pcr(struct nsmc_policy *policy, unsigned index,
		    const void *value, size_t len);
/* PCR INDEX is not in the document: it is not locked. */
int nsmc_policy_pcr_absent(struct nsmc_policy *policy, unsigned index);

enum nsmc_field {
	NSMC_FIELD_NONCE = 0,
	NSMC_FIELD_USER_DATA = 1,
	NSMC_FIELD_PUBLIC_KEY = 2,
};

/* FIELD is present with this VALUE: 0 to NSMC_FIELD_MAX bytes, not NULL. */
int nsmc_policy_field(struct nsmc_policy *policy, enum nsmc_field field,
		      const void *value, size_t len);
/* FIELD is absent; an empty field is not absent. */
int nsmc_policy_field_absent(struct nsmc_policy *policy, enum nsmc_field field);

/* The document is of this kind; an enclave's if not set. */
int nsmc_policy_kind(struct nsmc_policy *policy, enum nsmc_kind kind);

/* Accept debug mode, in which the PCRs prove nothing. */
void nsmc_policy_allow_debug(struct nsmc_policy *policy);
/* Accept any image: no PCR has to be asked for. */
void nsmc_policy_any_image(struct nsmc_policy *policy);
/* Accept a document of any age, a replayed one too. */
void nsmc_policy_any_age(struct nsmc_policy *policy);

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

/* Returns the word for one of these, such as "chain"; NULL if it is none. */
const char *nsmc_check_text(enum nsmc_check check);

struct nsmc_report {
	uint32_t checked;      /* NSMC_CHECK_... that hold; what is not in it
				  was not asked for, not reached, or failed */
	uint32_t pcrs_checked; /* bit N: PCR N is as asked for */
	enum nsmc_debug debug; /* of the enclave; unknown until reached */
	struct nsmc_object object; /* what a refusal is about */
	uint32_t reserved[8];
};

/*
 * Remembers signatures on certificates that were found good: four of the five
 * in a document are the same in all documents of an enclave for hours. All
 * other properties of a certificate are checked each time. Bounded; the
 * caller's; not for two threads at once. A cache never makes a bad document
 * good: a link is identified by a SHA-384 of both certificates' bytes.
 */
struct nsmc_cache;

/*
 * Makes a cache for LINKS links, 1 to NSMC_CACHE_LINKS_MAX (-EINVAL), 56 bytes
 * each; a document has four, of which those of region and zone are shared. The
 * least recently used link is replaced. -ENOMEM. Free it with nsmc_cache_free.
 */
int nsmc_cache_new(size_t links, struct nsmc_cache **ret);
/* NULL is fine. */
void nsmc_cache_free(struct nsmc_cache *cache);

/*
 * Returns 0 only if the document of LEN bytes is genuine and satisfies POLICY;
 * otherwise the first reason against it. It checks the form; the chain from a
 * root of the policy through the bundle, in its order, to the leaf: RFC 5280's
 * names, key identifiers, signatures, validity, authorities, path lengths, key
 * usages and extensions, all on P-384 with SHA-384 (not revocation, as AWS
 * advises); that the timestamp is within the leaf's validity; the signature;
 * and what the policy asks for.
 *
 * CACHE may be NULL. *RET_DOC (may be NULL) is all zero unless 0 is returned: a
 * refused document yields nothing. *RET_REPORT (may be NULL) is set in any
 * case. -EINVAL: POLICY, or BUF with a length, is NULL. Nothing is allocated.
 * BUF must outlive *RET_DOC, and nothing may write to it meanwhile, since the
 * checked bytes are not copied.
 */
int nsmc_doc_verify(const void *buf, size_t len,
		    const struct nsmc_policy *policy, struct nsmc_cache *cache,
		    struct nsmc_doc *ret_doc, struct nsmc_report *ret_report);

/* --- KMS: CiphertextForRecipient --- */

/*
 * An RSA key pair, whose public part KMS gets in a document.
 *
 * A key belongs to one request: make one for each, with nsmc_recipient_attest.
 * The message's content is AES-CBC without authentication, so a party that can
 * have many altered messages opened, and sees which of them fail, learns the
 * content of a good one (Vaudenay's attack). Therefore a key is spent after a
 * few failures.
 */
struct nsmc_recipient;

/* In place of a descriptor of the NSM: the kernel's random bytes alone. */
enum { NSMC_KERNEL_RANDOM = -1 };

/*
 * Makes a key of BITS (2048, 3072, 4096; KMS's clients use 2048) from the
 * random bytes of the NSM FD and of the kernel. FD may be NSMC_KERNEL_RANDOM,
 * outside an enclave; any other negative number is an unchecked error of
 * nsmc_open, and is returned as it is. Free it with nsmc_recipient_free.
 * -NSMC_E_KEY: another BITS.
 */
int nsmc_recipient_new(int fd, unsigned bits, struct nsmc_recipient **ret);

/*
 * Makes a key, *RET, and a document with its public part, as nsmc_recipient_new
 * and nsmc_attest do: a request to KMS needs both. The document goes to BUF of
 * CAP bytes (-ENOBUFS; NSMC_DOCUMENT_MAX is enough), its length to *RET_LEN. FD
 * is an NSM's; a negative number is returned as it is.
 */
int nsmc_recipient_attest(int fd, unsigned bits, struct nsmc_bytes user_data,
			  struct nsmc_bytes nonce, void *buf, size_t cap,
			  size_t *ret_len, struct nsmc_recipient **ret);

/*
 * Sets how many openings may fail before the key is spent, 1 to UINT32_MAX
 * (-EINVAL); NSMC_ATTEMPTS_DEFAULT if not set. Call it before the first
 * opening.
 */
int nsmc_recipient_attempts(struct nsmc_recipient *recipient,
			    uint32_t failures);

/* Wipes and frees it; NULL is fine. */
void nsmc_recipient_free(struct nsmc_recipient *recipient);

/*
 * Writes the public key as KMS expects it in public_key, DER
 * SubjectPublicKeyInfo, to BUF of CAP bytes (-ENOBUFS; NSMC_RECIPIENT_SPKI_MAX
 * is enough).
 */
int nsmc_recipient_public_key(const struct nsmc_recipient *recipient, void *buf,
			      size_t cap, size_t *ret_len);

/*
 * Writes the private key, PKCS#1 RSAPrivateKey as DER, to BUF of CAP bytes
 * (-ENOBUFS; NSMC_RECIPIENT_KEY_MAX is enough). The caller wipes it.
 */
int nsmc_recipient_export(const struct nsmc_recipient *recipient, void *buf,
			  size_t cap, size_t *ret_len);

/*
 * The reverse: reads PKCS#1 or PKCS#8, DER or PEM (without a password), of LEN
 * bytes. -NSMC_E_KEY: anything else, or a key of another size.
 */
int nsmc_recipient_import(const void *key, size_t len,
			  struct nsmc_recipient **ret);

/*
 * Opens KMS's CiphertextForRecipient: a CMS EnvelopedData, BER or DER, of LEN
 * bytes (-EMSGSIZE: more than NSMC_CMS_MAX). The plaintext, always shorter than
 * LEN, goes to BUF of CAP bytes (-ENOBUFS if CAP < LEN), its length to
 * *RET_LEN. The caller wipes it; on failure BUF is wiped. BUF and CMS must not
 * overlap.
 *
 * -NSMC_E_CMS_...: the form, which anyone can see; *RETERR_OBJECT (may be NULL)
 * names what is wrong. Everything that depends on the key is one error:
 * -NSMC_E_DECRYPT, or -NSMC_E_CMS_OTHER_KEY if the message also names another
 * key (KMS names them by the SHA-256 of the public key). After
 * NSMC_ATTEMPTS_DEFAULT of these the key is spent for good: -NSMC_E_KEY_SPENT
 * for every message of a good form. An attempt is taken before the message is
 * decrypted; -EAGAIN: openings in other threads, still under way, have taken
 * the remaining ones. Nothing in a message proves that KMS wrote it.
 */
int nsmc_recipient_open(struct nsmc_recipient *recipient, const void *cms,
			size_t len, void *buf, size_t cap, size_t *ret_len,
			struct nsmc_object *reterr_object);

#ifdef __cplusplus
}
#endif

#endif
