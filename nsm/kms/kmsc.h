#ifndef KMSC_H
#define KMSC_H

/*
 * libkmsc: AWS KMS from inside an enclave, in C. A request carries an attestation
 * document; KMS encrypts its answer for the key in that document, so that nobody
 * else can read it, and TLS, which ends here, shows that KMS wrote it.
 *
 * Sources: AWS KMS's API reference and botocore's model of it (kms, 2014-11-01);
 * "Signature Version 4"; "Cryptographic attestation support in AWS KMS".
 *
 * The library contains libnsmc and shows its functions: a program links one of
 * both. Conventions are those of nsmc.h. Functions return 0 or a negative number,
 * for which kmsc_error_text has words: -errno where the system failed,
 * -NSMC_E_... where libnsmc did, and -KMSC_E_... for all else. What is called
 * ret_x is set on success only, reterr_x on failure only.
 *
 * There are no globals. A client belongs to one thread at a time; any number of
 * clients may be used at once. Nothing is kept between calls but the clock and
 * what the caller set: each call makes its own connection, and closes it.
 *
 * See libkmsc(3).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nsm/nsmc.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
	KMSC_REGION_MAX = 32,	 /* characters, as in all of these */
	KMSC_HOST_MAX = 253,	 /* of an endpoint's name */
	KMSC_ADDRESS_MAX = 300,	 /* of where to connect */
	KMSC_KEY_ARN_MAX = 2048, /* of a key, as KMS limits it */
	KMSC_USER_AGENT_MAX = 128,
	KMSC_CA_MAX = 65536,	/* bytes of certificates */
	KMSC_CA_COUNT_MAX = 64, /* of them */

	KMSC_ACCESS_KEY_ID_MAX = 128,
	KMSC_SECRET_ACCESS_KEY_MAX = 128,
	KMSC_SESSION_TOKEN_MAX = 8192,

	/* Of a request. These are KMS's own limits. */
	KMSC_CIPHERTEXT_MAX = 6144,
	KMSC_PUBLIC_KEY_MAX = 8192,
	KMSC_RANDOM_MAX = 1024, /* number_of_bytes */
	KMSC_GRANT_TOKENS_MAX = 10,
	KMSC_GRANT_TOKEN_MAX = 8192,
	/* And these ours: together the pairs are at most 8192 bytes. */
	KMSC_CONTEXT_MAX = 64, /* pairs */
	KMSC_CONTEXT_BYTES_MAX = 8192,

	KMSC_FORWARD_MAX = 65536, /* bytes of a forwarded request and answer */

	KMSC_TIMEOUT_DEFAULT_MS = 30000, /* of a whole call */
	KMSC_TIMEOUT_MAX_MS = 600000,
	KMSC_ATTEMPTS_DEFAULT = 4,
	KMSC_ATTEMPTS_MAX = 10,

	/* Of struct kmsc_error, each with its NUL. */
	KMSC_AWS_CODE_SIZE = 64,
	KMSC_MESSAGE_SIZE = 1024,
	KMSC_REQUEST_ID_SIZE = 64,
	KMSC_WORDS_SIZE = 512,
	KMSC_KEY_SIZE = 256,
	KMSC_ERROR_LINE_SIZE = 4096, /* what kmsc_error_print writes */
};

/* --- errors --- */

/* The numbers are part of the interface: none ever changes. */
enum kmsc_code {
	/* The client or the request is not usable. Nothing was sent. */
	KMSC_E_REGION = 6001,	   /* no region, or none that exists */
	KMSC_E_ENDPOINT = 6002,	   /* not HOST or HOST:PORT */
	KMSC_E_ADDRESS = 6003,	   /* of the connection: not an address */
	KMSC_E_CA = 6004,	   /* not certificates of authorities */
	KMSC_E_KEY_ARN = 6005,	   /* not the full ARN of a key */
	KMSC_E_KEY_MISSING = 6006, /* no key was named, nor any_key said */
	KMSC_E_KEY_REGION = 6007,  /* the key is in another region */
	KMSC_E_REQUEST = 6008,	   /* a member is missing or out of range */
	KMSC_E_NO_NSM = 6009,	   /* the client has no NSM, nor an attester */
	KMSC_E_OPERATION = 6010,   /* not an operation that is forwarded */

	/* Credentials. */
	KMSC_E_NO_CREDENTIALS = 6020, /* there are none */
	KMSC_E_CREDENTIALS = 6021,    /* they are malformed: nothing was sent */
	KMSC_E_CREDENTIALS_REFUSED = 6022, /* by KMS, newly read ones too */

	/* The way to KMS. */
	KMSC_E_CONNECT = 6030,	   /* nobody answers at the address */
	KMSC_E_CLOSED = 6031,	   /* closed before a whole answer came */
	KMSC_E_TIMEOUT = 6032,	   /* the call's time is over */
	KMSC_E_TLS = 6033,	   /* the handshake or a record failed */
	KMSC_E_CERTIFICATE = 6034, /* the peer's is not to be believed */
	KMSC_E_HTTP = 6035,	   /* the answer is not HTTP as expected */
	KMSC_E_TOO_LONG = 6036,	   /* the answer is longer than allowed */

	/* KMS answered, but with an error: see aws_code. */
	KMSC_E_DENIED = 6040,	   /* AccessDeniedException */
	KMSC_E_CIPHERTEXT = 6041,  /* InvalidCiphertextException */
	KMSC_E_OTHER_KEY = 6042,   /* IncorrectKeyException */
	KMSC_E_NOT_FOUND = 6043,   /* NotFoundException */
	KMSC_E_CLOCK = 6044,	   /* the signature's time is refused */
	KMSC_E_SIGNATURE = 6045,   /* the signature is refused otherwise */
	KMSC_E_THROTTLED = 6046,   /* too many requests, to the last attempt */
	KMSC_E_UNAVAILABLE = 6047, /* KMS failed, to the last attempt */
	KMSC_E_REFUSED = 6048,	   /* any other refusal of KMS's */
	KMSC_E_DRY_RUN = 6049,	   /* the dry run would have succeeded */

	/* An answer of KMS's that must not be used. */
	KMSC_E_ANSWER = 6060,	 /* not JSON, or a member is not usable;
				    or a secret of another length */
	KMSC_E_PLAINTEXT = 6061, /* in the clear: the peer ignored Recipient */
	KMSC_E_NO_RECIPIENT = 6062, /* nothing is encrypted for the enclave */
	KMSC_E_ANSWER_KEY = 6063,   /* made with another key than was named */
};

/* What an error is about: how far a call had come. */
enum kmsc_step {
	KMSC_STEP_REQUEST = 0, /* checking what the caller gave */
	KMSC_STEP_CREDENTIALS = 1,
	KMSC_STEP_DOCUMENT = 2, /* recipient key and attestation document */
	KMSC_STEP_CONNECT = 3,
	KMSC_STEP_TLS = 4,
	KMSC_STEP_SEND = 5,   /* signing and sending */
	KMSC_STEP_ANSWER = 6, /* reading and judging */
	KMSC_STEP_OPEN = 7,   /* CiphertextForRecipient */
};

/*
 * Why a call failed. All text is printable ASCII with a NUL: what came from a peer is
 * cut, and its other characters are '?'. No secret is ever in it.
 */
struct kmsc_error {
	int code; /* what the function returned */
	enum kmsc_step step;
	int attempts; /* requests that were begun; 0: none */
	int status;   /* HTTP's, of the last request; 0: it had no answer */
	char aws_code[KMSC_AWS_CODE_SIZE]; /* "AccessDeniedException" or "" */
	char message[KMSC_MESSAGE_SIZE];   /* AWS's words or "" */
	char request_id[KMSC_REQUEST_ID_SIZE]; /* or "" */
	char words[KMSC_WORDS_SIZE]; /* ours: what happened, and to what */
	char key[KMSC_KEY_SIZE];     /* that the request named, or "" */

	/* What the document carried. */
	bool has_document;
	enum nsmc_debug debug;
	uint32_t pcrs;		       /* bit N: PCR N is in the document */
	uint8_t pcr[9][NSMC_PCR_SIZE]; /* PCRs 0 to 8 */
	int64_t time_ms;	       /* its timestamp */
	uint64_t reserved[8];
};

/*
 * Returns the words for R, a negative result of any function here or in nsmc.h ("no
 * error" for other numbers). Never NULL.
 */
const char *kmsc_error_text(int r);

/* Returns "KMSC_E_DENIED" for -KMSC_E_DENIED, nsmc_error_name for its; or NULL. */
const char *kmsc_error_name(int r);

/*
 * Writes all that ERROR says for people to BUF of CAP bytes, cut if it is longer, with a
 * NUL: lines separated by '\n', without one at the end. The first is the error itself with
 * AWS's code, message and request id; those after it, which there may be, say what the
 * document carried and what to do. Returns its length in bytes.
 */
size_t kmsc_error_print(const struct kmsc_error *error, char *buf, size_t cap);

/* --- credentials --- */

struct kmsc_credentials {
	char access_key_id[KMSC_ACCESS_KEY_ID_MAX + 1];
	char secret_access_key[KMSC_SECRET_ACCESS_KEY_MAX + 1];
	char session_token[KMSC_SESSION_TOKEN_MAX + 1]; /* "": there is none */
	int64_t expiration_s; /* since 1970, UTC; 0: never or unknown */
};

/*
 * Gives the credentials to sign with. It is called before each call of KMS, in the
 * thread of the call; a source keeps what it has and refreshes it before its end.
 * REFUSED: KMS has just refused those of the last time, and the source must get others;
 * this happens once a call at most. TIMEOUT_MS: what is left of the call's time. Returns
 * 0 and *RET, which the client wipes; or -KMSC_E_NO_CREDENTIALS, -KMSC_E_CREDENTIALS or
 * any other negative number, which the call then returns; it may write printable words, up to
 * KMSC_WORDS_SIZE with the NUL, to WORDS, which is "" before.
 */
typedef int kmsc_credentials_fn(void *ctx, bool refused, uint32_t timeout_ms,
				struct kmsc_credentials *ret,
				char words[KMSC_WORDS_SIZE]);

/* --- the client --- */

struct kmsc_client;

/* Makes a client, which needs credentials and an NSM or attester. -ENOMEM. */
int kmsc_client_new(struct kmsc_client **ret);
/* Wipes and frees it; NULL is fine. */
void kmsc_client_free(struct kmsc_client *client);

/*
 * The setters copy what they are given; texts are not NULL and end with a NUL. On failure
 * the client is unchanged. -EINVAL: an argument is NULL or out of range. -ENOMEM.
 */

/*
 * The region: of the endpoint, and of signatures. If it is not set, that of the key's ARN
 * is taken, and a request without one is refused. -KMSC_E_REGION.
 */
int kmsc_client_region(struct kmsc_client *client, const char *region);

/* Which of a region's endpoints: FIPS 140, and the one that has IPv6, too. */
enum { KMSC_ENDPOINT_FIPS = 1, KMSC_ENDPOINT_DUAL_STACK = 2 };
int kmsc_client_endpoint_flags(struct kmsc_client *client, unsigned flags);

/*
 * Another endpoint than the region's own, as that of a VPC: HOST or HOST:PORT. The
 * certificate must be for HOST. -KMSC_E_ENDPOINT.
 */
int kmsc_client_endpoint(struct kmsc_client *client, const char *endpoint);

/*
 * Where to connect: "vsock:[CID:]PORT", "tcp:IP:PORT", "tcp:NAME:PORT" or "unix:PATH";
 * "vsock:3:8000", vsock-proxy's, if it is not set. Whoever answers there needs the
 * endpoint's certificate. -KMSC_E_ADDRESS.
 */
int kmsc_client_connect(struct kmsc_client *client, const char *address);

/*
 * Trusts these certificates of authorities, LEN bytes of PEM (any number) or DER (one),
 * instead of Amazon's five that are built in. -KMSC_E_CA.
 */
int kmsc_client_ca(struct kmsc_client *client, const void *certificates,
		   size_t len);

/*
 * The time for a whole call, with all attempts: 1 to KMSC_TIMEOUT_MAX_MS. The NSM's part
 * cannot be interrupted and may take its driver's 120 s beyond that.
 */
int kmsc_client_timeout(struct kmsc_client *client, uint32_t ms);

/*
 * How many requests a call may make for what passes by itself, 1 to KMSC_ATTEMPTS_MAX. Beyond
 * them it makes one with other credentials if these are refused, and one if the time is.
 */
int kmsc_client_attempts(struct kmsc_client *client, unsigned attempts);

/* The User-Agent, printable ASCII; "libkmsc/VERSION" if it is not set. */
int kmsc_client_user_agent(struct kmsc_client *client, const char *text);

/*
 * Takes documents and random bytes from the NSM FD, with a recipient key of 2048 bits
 * that is made for each call. FD stays the caller's and must outlive the client; a
 * negative number is returned as it is.
 */
int kmsc_client_nsm(struct kmsc_client *client, int fd);

/*
 * Gets a document over PUBLIC_KEY, without nonce and user data, into BUF of CAP bytes
 * (NSMC_DOCUMENT_MAX), its length to *RET_LEN, within TIMEOUT_MS. Called once for each
 * call, again if KMS refuses the time. Returns 0 or a negative number.
 */
typedef int kmsc_attest_fn(void *ctx, struct nsmc_bytes public_key,
			   uint32_t timeout_ms, void *buf, size_t cap,
			   size_t *ret_len);

/*
 * Instead of kmsc_client_nsm, for services: documents come from ATTEST, and answers are
 * opened with the key KEPT, which stays the caller's, outlives the client, and must serve
 * nothing but answers of KMS that came inside a client's own TLS: nsmc.h says why.
 * -NSMC_E_KEY_SPENT from a call: make another key.
 */
int kmsc_client_attester(struct kmsc_client *client, kmsc_attest_fn *attest,
			 void *ctx, struct nsmc_recipient *kept);

/*
 * Mixes LEN bytes of SEED, random and of the NSM, into the generator for TLS, which has the
 * kernel's in any case and with kmsc_client_nsm also the NSM's. At most 256 bytes.
 */
int kmsc_client_seed(struct kmsc_client *client, const void *seed, size_t len);

/* Credentials are CREDENTIALS' from now on. */
int kmsc_client_credentials(struct kmsc_client *client,
			    kmsc_credentials_fn *credentials, void *ctx);

/*
 * Or a source that TEXT names: "PATH", "-" or "fd:N" (a file as IMDS writes it, or lines of
 * AWS_ACCESS_KEY_ID=...), "environment", "imds ADDRESS [ROLE]", "container URL"; kms(1) has all of
 * them. They are kept, and fetched again 15 minutes before their end. -KMSC_E_CREDENTIALS: there is
 * no such source, and RETERR_WORDS (may be NULL) says why.
 */
int kmsc_client_source(struct kmsc_client *client, const char *text,
		       char reterr_words[KMSC_WORDS_SIZE]);

/*
 * Or always these. TOKEN may be NULL. -KMSC_E_CREDENTIALS: characters or lengths that no
 * credentials have.
 */
int kmsc_client_keys(struct kmsc_client *client, const char *access_key_id,
		     const char *secret_access_key, const char *token);

/* --- calls --- */

/* The operations whose answers KMS encrypts for an enclave. */
enum kmsc_operation {
	KMSC_DECRYPT = 0,
	KMSC_GENERATE_DATA_KEY = 1,
	KMSC_GENERATE_DATA_KEY_PAIR = 2,
	KMSC_GENERATE_RANDOM = 3,
	KMSC_DERIVE_SHARED_SECRET = 4,
};

/* A member of an encryption context, UTF-8; both end with a NUL. NAME is not "". */
struct kmsc_pair {
	const char *name, *value;
};

/*
 * A request. Start from zero, `struct kmsc_request r = { 0 };`; what is zero is not sent.
 * All memory stays the caller's.
 *
 * KEY_ARN is the key's full ARN, "arn:aws:kms:REGION:ACCOUNT:key/ID", which should come
 * from what is measured with the image: the answer must name the same key, or is refused.
 * The parent chooses credentials and network, and could otherwise let another key answer. Who
 * wants that sets ANY_KEY; KEY_ARN may then also be NULL for Decrypt, or be an alias' ARN, a
 * key's id or an alias. GenerateRandom has no key.
 */
struct kmsc_request {
	const char *key_arn;
	enum kmsc_operation operation;
	bool any_key;
	bool dry_run; /* ends with -KMSC_E_DRY_RUN if it would succeed */

	struct nsmc_bytes ciphertext;	  /* Decrypt: CiphertextBlob */
	const char *encryption_algorithm; /* Decrypt: "RSAES_OAEP_SHA_256"; for
					     other keys than symmetric ones */
	/* Decrypt, GenerateDataKey, GenerateDataKeyPair */
	const struct kmsc_pair *context;
	size_t context_count;

	/* GenerateDataKey: "AES_256", "AES_128", or number_of_bytes instead;
	   GenerateDataKeyPair: "RSA_2048", "ECC_NIST_P256" ... */
	const char *key_spec;
	uint32_t number_of_bytes;	 /* or GenerateRandom */
	const char *custom_key_store_id; /* GenerateRandom */

	struct nsmc_bytes public_key;	     /* DeriveSharedSecret: DER SPKI */
	const char *key_agreement_algorithm; /* "ECDH" if it is NULL */

	const char *const *grant_tokens;
	size_t grant_token_count;
	uint64_t reserved[8];
};

/*
 * An answer. Views into memory of its own, which kmsc_answer_free wipes. Bytes that the
 * operation does not have are absent, texts NULL; texts are printable and end with a NUL.
 */
struct kmsc_answer {
	/* What KMS encrypted for the enclave, opened: Plaintext; the private key, DER
	   PKCS#8; or SharedSecret. */
	struct nsmc_bytes plaintext;
	struct nsmc_bytes ciphertext_blob; /* CiphertextBlob or
					      PrivateKeyCiphertextBlob */
	struct nsmc_bytes public_key;	   /* GenerateDataKeyPair: DER SPKI */
	const char *key_id;		   /* the key's ARN */
	const char *key_material_id;
	const char *encryption_algorithm;
	const char *key_pair_spec;
	const char *key_agreement_algorithm;
	const char *key_origin;
	const char *request_id;
	int attempts;	 /* requests that it took */
	int64_t time_ms; /* the signed time of the document */
	uint64_t reserved[8];
};

/*
 * Calls KMS: gets credentials and a document, connects, signs by the document's time, sends,
 * repeats what may be repeated, checks the answer and opens it. Returns 0 and *RET, which
 * the caller frees with kmsc_answer_free; or a negative number, and then *RETERR (may be NULL)
 * says why. An answer with a plaintext in the clear, or of another key, yields nothing.
 */
int kmsc_call(struct kmsc_client *client, const struct kmsc_request *request,
	      struct kmsc_answer **ret, struct kmsc_error *reterr);

/* Wipes and frees it; NULL is fine. */
void kmsc_answer_free(struct kmsc_answer *answer);

/*
 * Forwards an operation that KMS does not encrypt for enclaves, such as "Encrypt" or
 * "DescribeKey": signs the JSON in BODY of LEN bytes (KMSC_FORWARD_MAX) with the client's
 * credentials and sends it inside TLS. What the request may say is for the caller to
 * check before. The answer's body goes to BUF of CAP bytes (-ENOBUFS; KMSC_FORWARD_MAX is
 * enough), its length to *RET_LEN, HTTP's status to *RET_STATUS: 0 is returned for errors
 * of KMS, too, which are the caller's to pass on; *RETERR then has AWS's code and request id.
 *
 * KEY_ARN may be NULL; otherwise an answer of status 200 must not have the KeyId of another
 * key: -KMSC_E_ANSWER_KEY; one of an operation such as EnableKey may be empty. Without a region
 * the client takes that of KEY_ARN.
 * -KMSC_E_OPERATION: not a name of letters, or one of those that kmsc_call makes.
 *
 * Repeated are only connections that could not be made, once what was refused for its
 * credentials, and once for its time.
 */
int kmsc_forward(struct kmsc_client *client, const char *operation,
		 const char *key_arn, const void *body, size_t len, void *buf,
		 size_t cap, size_t *ret_len, int *ret_status,
		 struct kmsc_error *reterr);

#ifdef __cplusplus
}
#endif

#endif
