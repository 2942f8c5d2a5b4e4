#include "nsm/nsm.h"

#include <string.h>

#include "nsm/wire.h"

struct words {
	int code;
	const char *text;
};

static const struct words words[] = {
	{ NSM_E_DOC_CUT, "the document ends too early" },
	{ NSM_E_DOC_TRAILING, "there are bytes after its end" },
	{ NSM_E_DOC_CBOR, "it is not CBOR of definite length" },
	{ NSM_E_DOC_COSE, "it is not a COSE_Sign1 structure" },
	{ NSM_E_DOC_TWICE, "it comes twice" },
	{ NSM_E_DOC_MISSING, "it is missing" },
	{ NSM_E_DOC_TYPE, "it is of another type" },
	{ NSM_E_DOC_LENGTH, "it is empty or too long" },
	{ NSM_E_DOC_RANGE, "it is out of range" },

	{ NSM_E_ALGORITHM, "the document is not signed by ES384" },
	{ NSM_E_SIGNATURE_LENGTH, "a signature of ES384 has 96 bytes" },
	{ NSM_E_DIGEST, "the PCRs are not of SHA384" },
	{ NSM_E_ROOT, "the root is no usable certificate" },
	{ NSM_E_ROOT_OTHER, "the chain begins with another root" },
	{ NSM_E_CERT_FORM, "it is not one X.509 certificate" },
	{ NSM_E_CERT_VERSION, "it is not X.509 version 3" },
	{ NSM_E_CERT_ALGORITHM, "it is not signed by ecdsa-with-SHA384" },
	{ NSM_E_CERT_KEY, "its key is not on P-384" },
	{ NSM_E_CERT_ISSUER, "it was not issued by the one before" },
	{ NSM_E_CERT_SIGNATURE, "the one before did not sign it" },
	{ NSM_E_CERT_NOT_YET, "it is not valid yet" },
	{ NSM_E_CERT_EXPIRED, "it has expired" },
	{ NSM_E_CERT_NOT_CA, "it is not of a certificate authority" },
	{ NSM_E_CERT_KEY_USAGE, "its key may not be used for that" },
	{ NSM_E_CERT_PATH_LENGTH,
	  "there are more authorities below it than it allows" },
	{ NSM_E_CERT_IS_CA, "an authority's certificate signs no documents" },
	{ NSM_E_SIGNATURE, "the signature is wrong" },

	{ NSM_E_POLICY, "what is asked for makes no sense" },
	{ NSM_E_DEBUG, "the enclave is in debug mode" },
	{ NSM_E_ABSENT, "it is absent" },
	{ NSM_E_PRESENT, "it is present" },
	{ NSM_E_OTHER, "it is not the one expected" },
	{ NSM_E_TOO_OLD, "the document is too old" },
	{ NSM_E_IN_FUTURE, "the document is from the future" },

	{ NSM_E_CMS_CUT, "the message ends too early" },
	{ NSM_E_CMS_TRAILING, "there are bytes after the message's end" },
	{ NSM_E_CMS_FORM, "it is not a CMS EnvelopedData as KMS writes it" },
	{ NSM_E_CMS_VERSION, "its version is not 2" },
	{ NSM_E_CMS_RECIPIENTS, "the message has not just one recipient" },
	{ NSM_E_CMS_ALGORITHM, "it is another algorithm than KMS's" },
	{ NSM_E_CMS_LENGTH, "the content is empty or of another length" },
	{ NSM_E_CMS_OTHER_KEY, "the message is for another key" },
	{ NSM_E_DECRYPT, "the message does not decrypt" },
	{ NSM_E_KEY, "it is not an RSA key of 2048, 3072 or 4096 bits" },
	{ NSM_E_KEY_MAKE, "the key could not be made" },
};

const char *nsm_error_text(int r)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i].code == -r)
			return words[i].text;
	return wire_error_text(r);
}
