#include "nsm/nsmc.h"

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
	WORDS(NSMC_E_DOC_CUT, "the document ends too early"),
	WORDS(NSMC_E_DOC_TRAILING, "there are bytes after its end"),
	WORDS(NSMC_E_DOC_CBOR, "it is not CBOR, or has strings in chunks"),
	WORDS(NSMC_E_DOC_COSE, "it is not a COSE_Sign1 structure"),
	WORDS(NSMC_E_DOC_TWICE, "it comes twice"),
	WORDS(NSMC_E_DOC_MISSING, "it is missing"),
	WORDS(NSMC_E_DOC_TYPE, "it is of another type"),
	WORDS(NSMC_E_DOC_LENGTH, "it is empty or too long"),
	WORDS(NSMC_E_DOC_RANGE, "it is out of range"),

	WORDS(NSMC_E_ALGORITHM, "the document is not signed by ES384"),
	WORDS(NSMC_E_SIGNATURE_LENGTH, "a signature of ES384 has 96 bytes"),
	WORDS(NSMC_E_DIGEST, "the PCRs are not of SHA384"),
	WORDS(NSMC_E_ROOT, "the root is no usable certificate"),
	WORDS(NSMC_E_ROOT_OTHER, "the chain begins with another root"),
	WORDS(NSMC_E_CERT_FORM, "it is not one X.509 certificate"),
	WORDS(NSMC_E_CERT_VERSION, "it is not X.509 version 3"),
	WORDS(NSMC_E_CERT_ALGORITHM, "it is not signed by ecdsa-with-SHA384"),
	WORDS(NSMC_E_CERT_KEY, "its key is not on P-384"),
	WORDS(NSMC_E_CERT_ISSUER, "it was not issued by the one before"),
	WORDS(NSMC_E_CERT_SIGNATURE, "the one before did not sign it"),
	WORDS(NSMC_E_CERT_NOT_YET, "it is not valid yet"),
	WORDS(NSMC_E_CERT_EXPIRED, "it has expired"),
	WORDS(NSMC_E_CERT_NOT_CA, "it is not of a certificate authority"),
	WORDS(NSMC_E_CERT_KEY_USAGE, "its key may not be used for that"),
	WORDS(NSMC_E_CERT_PATH_LENGTH,
	      "there are more authorities below it than it allows"),
	WORDS(NSMC_E_CERT_IS_CA,
	      "an authority's certificate signs no documents"),
	WORDS(NSMC_E_CERT_EXTENSION,
	      "an extension of it is critical and unknown, or malformed"),
	WORDS(NSMC_E_SIGNATURE, "the signature is wrong"),
	WORDS(NSMC_E_LEAF_TIME,
	      "the document was made while its certificate was not valid"),

	WORDS(NSMC_E_POLICY,
	      "what is asked for makes no sense, or pins nothing"),
	WORDS(NSMC_E_DEBUG, "the enclave is in debug mode"),
	WORDS(NSMC_E_ABSENT, "it is absent"),
	WORDS(NSMC_E_PRESENT, "it is present"),
	WORDS(NSMC_E_OTHER, "it is not the one expected"),
	WORDS(NSMC_E_TOO_OLD, "the document is too old"),
	WORDS(NSMC_E_IN_FUTURE, "the document is from the future"),
	WORDS(NSMC_E_KIND, "it is of another kind: NitroTPM or enclave"),

	WORDS(NSMC_E_CMS_CUT, "the message ends too early"),
	WORDS(NSMC_E_CMS_TRAILING, "there are bytes after the message's end"),
	WORDS(NSMC_E_CMS_FORM,
	      "it is not a CMS EnvelopedData as KMS writes it"),
	WORDS(NSMC_E_CMS_VERSION, "its version is not that of its recipient"),
	WORDS(NSMC_E_CMS_RECIPIENTS, "the message has not just one recipient"),
	WORDS(NSMC_E_CMS_ALGORITHM, "it is another algorithm than KMS's"),
	WORDS(NSMC_E_CMS_LENGTH, "the content is empty or of another length"),
	WORDS(NSMC_E_CMS_OTHER_KEY,
	      "it does not decrypt, and names another key than this one"),
	WORDS(NSMC_E_DECRYPT, "the message does not decrypt"),
	WORDS(NSMC_E_KEY, "it is not an RSA key of 2048, 3072 or 4096 bits"),
	WORDS(NSMC_E_KEY_MAKE, "the key could not be made"),
	WORDS(NSMC_E_KEY_SPENT,
	      "too many openings by this key have failed: it is spent"),
};

/* Errors of the device, whose texts PID 1 contains as well. */
static const struct words names[] = {
	WORDS(NSMC_E_INVALID_ARGUMENT, NULL),
	WORDS(NSMC_E_INVALID_INDEX, NULL),
	WORDS(NSMC_E_INVALID_RESPONSE, NULL),
	WORDS(NSMC_E_READ_ONLY_INDEX, NULL),
	WORDS(NSMC_E_INVALID_OPERATION, NULL),
	WORDS(NSMC_E_BUFFER_TOO_SMALL, NULL),
	WORDS(NSMC_E_INPUT_TOO_LARGE, NULL),
	WORDS(NSMC_E_INTERNAL_ERROR, NULL),
	WORDS(NSMC_E_UNKNOWN, NULL),
	WORDS(NSMC_E_TRUNCATED, NULL),
	WORDS(NSMC_E_MALFORMED, NULL),
	WORDS(NSMC_E_NOT_EXTENDED, NULL),
	WORDS(NSMC_E_NOT_LOCKED, NULL),
};

enum {
	WORDS_COUNT = sizeof(words) / sizeof(words[0]),
	NAMES_COUNT = sizeof(names) / sizeof(names[0]),
};
_Static_assert(NAMES_COUNT == WIRE_ERROR_END - WIRE_ERROR_FIRST,
	       "a name for each");

static const struct words *find(const struct words *in, size_t n, int r)
{
	for (size_t i = 0; i < n; i++)
		/* Not -R: INT_MIN cannot be negated. */
		if (in[i].code == -(int64_t)r)
			return &in[i];
	return NULL;
}

const char *nsmc_error_text(int r)
{
	const struct words *w = find(words, WORDS_COUNT, r);

	if (r >= 0)
		return "no error";
	return w ? w->text : wire_error_text(r);
}

const char *nsmc_error_name(int r)
{
	const struct words *w = find(words, WORDS_COUNT, r);

	if (!w)
		w = find(names, NAMES_COUNT, r);
	return w ? w->name : NULL;
}
