#include "nsm/nsmc.h"

#include <limits.h>

#include "nsm/wire.h"

/* Each code but those of WIRE_ERRORS, and its text. */
/* clang-format off */
#define ERRORS(ERROR) \
	ERROR(NSMC_E_DOC_CUT, "the document ends too early") \
	ERROR(NSMC_E_DOC_TRAILING, "there are bytes after its end") \
	ERROR(NSMC_E_DOC_CBOR, "it is not CBOR, or has strings in chunks") \
	ERROR(NSMC_E_DOC_COSE, "it is not a COSE_Sign1 structure") \
	ERROR(NSMC_E_DOC_TWICE, "it comes twice") \
	ERROR(NSMC_E_DOC_MISSING, "it is missing") \
	ERROR(NSMC_E_DOC_TYPE, "it is of another type") \
	ERROR(NSMC_E_DOC_LENGTH, "it is empty or too long") \
	ERROR(NSMC_E_DOC_RANGE, "it is out of range") \
	ERROR(NSMC_E_ALGORITHM, "the document is not signed by ES384") \
	ERROR(NSMC_E_SIGNATURE_LENGTH, "a signature of ES384 has 96 bytes") \
	ERROR(NSMC_E_DIGEST, "the PCRs are not of SHA384") \
	ERROR(NSMC_E_ROOT, "the root is no usable certificate") \
	ERROR(NSMC_E_ROOT_OTHER, "the chain begins with another root") \
	ERROR(NSMC_E_CERT_FORM, "it is not one X.509 certificate") \
	ERROR(NSMC_E_CERT_VERSION, "it is not X.509 version 3") \
	ERROR(NSMC_E_CERT_ALGORITHM, "it is not signed by ecdsa-with-SHA384") \
	ERROR(NSMC_E_CERT_KEY, "its key is not on P-384") \
	ERROR(NSMC_E_CERT_ISSUER, "it was not issued by the one before") \
	ERROR(NSMC_E_CERT_SIGNATURE, "the one before did not sign it") \
	ERROR(NSMC_E_CERT_NOT_YET, "it is not valid yet") \
	ERROR(NSMC_E_CERT_EXPIRED, "it has expired") \
	ERROR(NSMC_E_CERT_NOT_CA, "it is not of a certificate authority") \
	ERROR(NSMC_E_CERT_KEY_USAGE, "its key may not be used for that") \
	ERROR(NSMC_E_CERT_PATH_LENGTH, \
	      "there are more authorities below it than it allows") \
	ERROR(NSMC_E_CERT_IS_CA, \
	      "an authority's certificate signs no documents") \
	ERROR(NSMC_E_CERT_EXTENSION, \
	      "an extension of it is critical and unknown, or malformed") \
	ERROR(NSMC_E_SIGNATURE, "the signature is wrong") \
	ERROR(NSMC_E_LEAF_TIME, \
	      "the document was made while its certificate was not valid") \
	ERROR(NSMC_E_POLICY, \
	      "what is asked for makes no sense, or pins nothing") \
	ERROR(NSMC_E_DEBUG, "the enclave is in debug mode") \
	ERROR(NSMC_E_ABSENT, "it is absent") \
	ERROR(NSMC_E_PRESENT, "it is present") \
	ERROR(NSMC_E_OTHER, "it is not the one expected") \
	ERROR(NSMC_E_TOO_OLD, "the document is too old") \
	ERROR(NSMC_E_IN_FUTURE, "the document is from the future") \
	ERROR(NSMC_E_KIND, "it is of another kind: NitroTPM or enclave") \
	ERROR(NSMC_E_CMS_CUT, "the message ends too early") \
	ERROR(NSMC_E_CMS_TRAILING, "there are bytes after the message's end") \
	ERROR(NSMC_E_CMS_FORM, \
	      "it is not a CMS EnvelopedData as KMS writes it") \
	ERROR(NSMC_E_CMS_VERSION, "its version is not that of its recipient") \
	ERROR(NSMC_E_CMS_RECIPIENTS, "the message has not just one recipient") \
	ERROR(NSMC_E_CMS_ALGORITHM, "it is another algorithm than KMS's") \
	ERROR(NSMC_E_CMS_LENGTH, "the content is empty or of another length") \
	ERROR(NSMC_E_CMS_OTHER_KEY, \
	      "it does not decrypt, and names another key than this one") \
	ERROR(NSMC_E_DECRYPT, "the message does not decrypt") \
	ERROR(NSMC_E_KEY, "it is not an RSA key of 2048, 3072 or 4096 bits") \
	ERROR(NSMC_E_KEY_MAKE, "the key could not be made") \
	ERROR(NSMC_E_KEY_SPENT, \
	      "too many openings by this key have failed: it is spent")
/* clang-format on */

#define NAME_CASE(code, text) \
	case code:            \
		return #code;
#define TEXT_CASE(code, text) \
	case code:            \
		return text;

/* No code is missing, and none stands twice: the compiler sees it. */
static const char *name_of(int code)
{
	switch ((enum nsmc_error)code) {
		WIRE_ERRORS(NAME_CASE)
		ERRORS(NAME_CASE)
	}
	return NULL;
}

static const char *text_of(int code)
{
	switch (code) {
		ERRORS(TEXT_CASE)
	default:
		return wire_error_text(-code);
	}
}

const char *nsmc_error_text(int r)
{
	if (r >= 0)
		return "no error";
	/* There is no -INT_MIN. */
	return r > INT_MIN ? text_of(-r) : wire_error_text(r);
}

const char *nsmc_error_name(int r)
{
	return r < 0 && r > INT_MIN ? name_of(-r) : NULL;
}
