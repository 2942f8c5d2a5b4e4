#include "nsm/nsm.h"

#include "nsm/wire.h"

struct words {
	int code;
	const char *name, *text;
};

/* A code, its name for programs, and its words. */
#define WORDS(code, text)           \
	{                           \
		code, #code, (text) \
	}

static const struct words words[] = {
	WORDS(NSM_E_DOC_CUT, "the document ends too early"),
	WORDS(NSM_E_DOC_TRAILING, "there are bytes after its end"),
	WORDS(NSM_E_DOC_CBOR, "it is not CBOR of definite length"),
	WORDS(NSM_E_DOC_COSE, "it is not a COSE_Sign1 structure"),
	WORDS(NSM_E_DOC_TWICE, "it comes twice"),
	WORDS(NSM_E_DOC_MISSING, "it is missing"),
	WORDS(NSM_E_DOC_TYPE, "it is of another type"),
	WORDS(NSM_E_DOC_LENGTH, "it is empty or too long"),
	WORDS(NSM_E_DOC_RANGE, "it is out of range"),

	WORDS(NSM_E_ALGORITHM, "the document is not signed by ES384"),
	WORDS(NSM_E_SIGNATURE_LENGTH, "a signature of ES384 has 96 bytes"),
	WORDS(NSM_E_DIGEST, "the PCRs are not of SHA384"),
	WORDS(NSM_E_ROOT, "the root is no usable certificate"),
	WORDS(NSM_E_ROOT_OTHER, "the chain begins with another root"),
	WORDS(NSM_E_CERT_FORM, "it is not one X.509 certificate"),
	WORDS(NSM_E_CERT_VERSION, "it is not X.509 version 3"),
	WORDS(NSM_E_CERT_ALGORITHM, "it is not signed by ecdsa-with-SHA384"),
	WORDS(NSM_E_CERT_KEY, "its key is not on P-384"),
	WORDS(NSM_E_CERT_ISSUER, "it was not issued by the one before"),
	WORDS(NSM_E_CERT_SIGNATURE, "the one before did not sign it"),
	WORDS(NSM_E_CERT_NOT_YET, "it is not valid yet"),
	WORDS(NSM_E_CERT_EXPIRED, "it has expired"),
	WORDS(NSM_E_CERT_NOT_CA, "it is not of a certificate authority"),
	WORDS(NSM_E_CERT_KEY_USAGE, "its key may not be used for that"),
	WORDS(NSM_E_CERT_PATH_LENGTH,
	      "there are more authorities below it than it allows"),
	WORDS(NSM_E_CERT_IS_CA,
	      "an authority's certificate signs no documents"),
	WORDS(NSM_E_CERT_EXTENSION,
	      "an extension of it is critical and unknown, or malformed"),
	WORDS(NSM_E_SIGNATURE, "the signature is wrong"),

	WORDS(NSM_E_POLICY, "what is asked for makes no sense"),
	WORDS(NSM_E_DEBUG, "the enclave is in debug mode"),
	WORDS(NSM_E_ABSENT, "it is absent"),
	WORDS(NSM_E_PRESENT, "it is present"),
	WORDS(NSM_E_OTHER, "it is not the one expected"),
	WORDS(NSM_E_TOO_OLD, "the document is too old"),
	WORDS(NSM_E_IN_FUTURE, "the document is from the future"),

	WORDS(NSM_E_CMS_CUT, "the message ends too early"),
	WORDS(NSM_E_CMS_TRAILING, "there are bytes after the message's end"),
	WORDS(NSM_E_CMS_FORM, "it is not a CMS EnvelopedData as KMS writes it"),
	WORDS(NSM_E_CMS_VERSION, "its version is not 2"),
	WORDS(NSM_E_CMS_RECIPIENTS, "the message has not just one recipient"),
	WORDS(NSM_E_CMS_ALGORITHM, "it is another algorithm than KMS's"),
	WORDS(NSM_E_CMS_LENGTH, "the content is empty or of another length"),
	WORDS(NSM_E_CMS_OTHER_KEY,
	      "it does not decrypt, and names another key than this one"),
	WORDS(NSM_E_DECRYPT, "the message does not decrypt"),
	WORDS(NSM_E_KEY, "it is not an RSA key of 2048, 3072 or 4096 bits"),
	WORDS(NSM_E_KEY_MAKE, "the key could not be made"),
};

/* The device's, whose texts PID 1 has too. */
static const struct words names[] = {
	WORDS(NSM_E_INVALID_ARGUMENT, NULL),
	WORDS(NSM_E_INVALID_INDEX, NULL),
	WORDS(NSM_E_INVALID_RESPONSE, NULL),
	WORDS(NSM_E_READ_ONLY_INDEX, NULL),
	WORDS(NSM_E_INVALID_OPERATION, NULL),
	WORDS(NSM_E_BUFFER_TOO_SMALL, NULL),
	WORDS(NSM_E_INPUT_TOO_LARGE, NULL),
	WORDS(NSM_E_INTERNAL_ERROR, NULL),
	WORDS(NSM_E_UNKNOWN, NULL),
	WORDS(NSM_E_TRUNCATED, NULL),
	WORDS(NSM_E_MALFORMED, NULL),
	WORDS(NSM_E_NOT_EXTENDED, NULL),
	WORDS(NSM_E_NOT_LOCKED, NULL),
};

enum {
	WORDS_COUNT = sizeof(words) / sizeof(words[0]),
	NAMES_COUNT = sizeof(names) / sizeof(names[0]),
};
_Static_assert(NAMES_COUNT == NSM_E_DEVICE_END - NSM_E_FIRST - 1,
	       "a name for each");

static const struct words *find(const struct words *in, size_t n, int r)
{
	for (size_t i = 0; i < n; i++)
		if (in[i].code == -r)
			return &in[i];
	return NULL;
}

const char *nsm_error_text(int r)
{
	const struct words *w = find(words, WORDS_COUNT, r);

	if (r >= 0)
		return "no error";
	return w ? w->text : wire_error_text(r);
}

const char *nsm_error_name(int r)
{
	const struct words *w = find(words, WORDS_COUNT, r);

	if (!w)
		w = find(names, NAMES_COUNT, r);
	return w ? w->name : NULL;
}
