#include "nsm/kms/wire/operations.h"

#include <string.h>

#define IN(field) offsetof(struct kmsc_request, field)
#define OUT(field) offsetof(struct kmsc_answer, field)
#define NOWHERE OPERATIONS_NOWHERE
#define REQUIRED OPERATIONS_REQUIRED
#define SECRET OPERATIONS_SECRET
#define KEY OPERATIONS_KEY
#define CLEAR (OPERATIONS_CLEAR | OPERATIONS_SECRET)
#define RECIPIENT OPERATIONS_RECIPIENT
#define FOREIGN OPERATIONS_FOREIGN
#define TEXT OPERATIONS_TEXT
#define BYTES OPERATIONS_BYTES
#define NUMBER OPERATIONS_NUMBER
#define BOOL OPERATIONS_BOOL
#define CONTEXT OPERATIONS_CONTEXT
#define TEXTS OPERATIONS_TEXTS
#define OTHER OPERATIONS_OTHER

/* Names of algorithms and the like: KMS has no limit, but knows none that long. */
enum { WORD_MAX = 128 };

/* Members that several have. */
#define KEY_ID(flags, at)                                           \
	{                                                           \
		"KeyId", "key_id", TEXT, KEY | (flags), 1, 2048, at \
	}
#define GRANTS(at)                                          \
	{                                                   \
		"GrantTokens", "grant_tokens", TEXTS, 0, 1, \
			KMSC_GRANT_TOKEN_MAX, at            \
	}
#define DRY_RUN(at)                                    \
	{                                              \
		"DryRun", "dry_run", BOOL, 0, 0, 0, at \
	}
#define ENCRYPTION_CONTEXT(at)                                               \
	{                                                                    \
		"EncryptionContext", "encryption_context", CONTEXT, 0, 0, 0, \
			at                                                   \
	}
#define WORD(name, lower, flags, at)                      \
	{                                                 \
		name, lower, TEXT, flags, 1, WORD_MAX, at \
	}
#define CIPHERTEXT(name, lower, flags, at)                            \
	{                                                             \
		name, lower, BYTES, flags, 1, KMSC_CIPHERTEXT_MAX, at \
	}
#define PLAINTEXT(name, lower, flags, at)              \
	{                                              \
		name, lower, BYTES, flags, 1, 4096, at \
	}
#define PUBLIC_KEY(flags, at)                               \
	{                                                   \
		"PublicKey", "public_key", BYTES, flags, 1, \
			KMSC_PUBLIC_KEY_MAX, at             \
	}
#define LENGTH(flags, at)                                             \
	{                                                             \
		"NumberOfBytes", "number_of_bytes", NUMBER, flags, 1, \
			KMSC_RANDOM_MAX, at                           \
	}
#define THE_RECIPIENT                                              \
	{                                                          \
		"Recipient", NULL, OTHER, RECIPIENT, 0, 0, NOWHERE \
	}
#define FOR_RECIPIENT                                                \
	{                                                            \
		"CiphertextForRecipient", NULL, BYTES, RECIPIENT, 1, \
			NSMC_CMS_MAX, NOWHERE                        \
	}
#define MODIFIERS                                                          \
	{                                                                  \
		"DryRunModifiers", "dry_run_modifiers", TEXTS, FOREIGN, 1, \
			WORD_MAX, NOWHERE                                  \
	}
#define MATERIAL                                                     \
	{                                                            \
		"KeyMaterialId", "key_material_id", TEXT, 0, 64, 64, \
			OUT(key_material_id)                         \
	}
#define ALGORITHM(at) WORD("EncryptionAlgorithm", "encryption_algorithm", 0, at)
#define SIGNING(flags) \
	WORD("SigningAlgorithm", "signing_algorithm", flags, NOWHERE)
#define MAC_ALGORITHM(flags) \
	WORD("MacAlgorithm", "mac_algorithm", flags, NOWHERE)
#define MESSAGE PLAINTEXT("Message", "message", REQUIRED | SECRET, NOWHERE)
#define LIST(name, lower)                                   \
	{                                                   \
		name, lower, TEXTS, 0, 1, WORD_MAX, NOWHERE \
	}

/* --- those with Recipient --- */

static const struct operations_member decrypt[] = {
	CIPHERTEXT("CiphertextBlob", "ciphertext", REQUIRED, IN(ciphertext)),
	ENCRYPTION_CONTEXT(IN(context)),
	GRANTS(IN(grant_tokens)),
	KEY_ID(0, IN(key_arn)),
	ALGORITHM(IN(encryption_algorithm)),
	THE_RECIPIENT,
	DRY_RUN(IN(dry_run)),
	MODIFIERS,
};

static const struct operations_member decrypt_answer[] = {
	KEY_ID(REQUIRED, OUT(key_id)),
	PLAINTEXT("Plaintext", "plaintext", CLEAR, OUT(plaintext)),
	ALGORITHM(OUT(encryption_algorithm)),
	FOR_RECIPIENT,
	MATERIAL,
};

static const struct operations_member data_key[] = {
	KEY_ID(REQUIRED, IN(key_arn)),
	ENCRYPTION_CONTEXT(IN(context)),
	LENGTH(0, IN(number_of_bytes)),
	WORD("KeySpec", "key_spec", 0, IN(key_spec)),
	GRANTS(IN(grant_tokens)),
	THE_RECIPIENT,
	DRY_RUN(IN(dry_run)),
};

static const struct operations_member data_key_answer[] = {
	CIPHERTEXT("CiphertextBlob", "ciphertext", REQUIRED,
		   OUT(ciphertext_blob)),
	PLAINTEXT("Plaintext", "plaintext", CLEAR, OUT(plaintext)),
	KEY_ID(REQUIRED, OUT(key_id)),
	FOR_RECIPIENT,
	MATERIAL,
};

static const struct operations_member pair[] = {
	ENCRYPTION_CONTEXT(IN(context)),
	KEY_ID(REQUIRED, IN(key_arn)),
	WORD("KeyPairSpec", "key_pair_spec", REQUIRED, IN(key_spec)),
	GRANTS(IN(grant_tokens)),
	THE_RECIPIENT,
	DRY_RUN(IN(dry_run)),
};

static const struct operations_member pair_answer[] = {
	CIPHERTEXT("PrivateKeyCiphertextBlob", "private_key_ciphertext",
		   REQUIRED, OUT(ciphertext_blob)),
	PLAINTEXT("PrivateKeyPlaintext", "private_key", CLEAR, OUT(plaintext)),
	PUBLIC_KEY(REQUIRED, OUT(public_key)),
	KEY_ID(REQUIRED, OUT(key_id)),
	WORD("KeyPairSpec", "key_pair_spec", 0, OUT(key_pair_spec)),
	FOR_RECIPIENT,
	MATERIAL,
};

static const struct operations_member random_[] = {
	LENGTH(REQUIRED, IN(number_of_bytes)),
	{ "CustomKeyStoreId", "custom_key_store_id", TEXT, 0, 1, 64,
	  IN(custom_key_store_id) },
	THE_RECIPIENT,
};

static const struct operations_member random_answer[] = {
	PLAINTEXT("Plaintext", "plaintext", CLEAR, OUT(plaintext)),
	FOR_RECIPIENT,
};

static const struct operations_member derive[] = {
	KEY_ID(REQUIRED, IN(key_arn)),
	WORD("KeyAgreementAlgorithm", "key_agreement_algorithm", REQUIRED,
	     IN(key_agreement_algorithm)),
	PUBLIC_KEY(REQUIRED, IN(public_key)),
	GRANTS(IN(grant_tokens)),
	DRY_RUN(IN(dry_run)),
	THE_RECIPIENT,
};

static const struct operations_member derive_answer[] = {
	KEY_ID(REQUIRED, OUT(key_id)),
	PLAINTEXT("SharedSecret", "shared_secret", CLEAR, OUT(plaintext)),
	FOR_RECIPIENT,
	WORD("KeyAgreementAlgorithm", "key_agreement_algorithm", 0,
	     OUT(key_agreement_algorithm)),
	WORD("KeyOrigin", "key_origin", 0, OUT(key_origin)),
};

/* --- those that are forwarded --- */

static const struct operations_member encrypt[] = {
	KEY_ID(REQUIRED, NOWHERE),
	PLAINTEXT("Plaintext", "plaintext", REQUIRED | SECRET, NOWHERE),
	ENCRYPTION_CONTEXT(NOWHERE),
	GRANTS(NOWHERE),
	ALGORITHM(NOWHERE),
	DRY_RUN(NOWHERE),
};

static const struct operations_member encrypt_answer[] = {
	CIPHERTEXT("CiphertextBlob", "ciphertext", 0, NOWHERE),
	KEY_ID(0, NOWHERE),
	ALGORITHM(NOWHERE),
};

static const struct operations_member re_encrypt[] = {
	CIPHERTEXT("CiphertextBlob", "ciphertext", REQUIRED, NOWHERE),
	{ "SourceEncryptionContext", "source_encryption_context", CONTEXT, 0, 0,
	  0, NOWHERE },
	{ "SourceKeyId", "source_key_id", TEXT, KEY, 1, 2048, NOWHERE },
	{ "DestinationKeyId", "destination_key_id", TEXT, KEY | REQUIRED, 1,
	  2048, NOWHERE },
	{ "DestinationEncryptionContext", "destination_encryption_context",
	  CONTEXT, 0, 0, 0, NOWHERE },
	WORD("SourceEncryptionAlgorithm", "source_encryption_algorithm", 0,
	     NOWHERE),
	WORD("DestinationEncryptionAlgorithm",
	     "destination_encryption_algorithm", 0, NOWHERE),
	GRANTS(NOWHERE),
	DRY_RUN(NOWHERE),
	MODIFIERS,
};

static const struct operations_member re_encrypt_answer[] = {
	CIPHERTEXT("CiphertextBlob", "ciphertext", 0, NOWHERE),
	{ "SourceKeyId", "source_key_id", TEXT, KEY, 1, 2048, NOWHERE },
	KEY_ID(0, NOWHERE),
	WORD("SourceEncryptionAlgorithm", "source_encryption_algorithm", 0,
	     NOWHERE),
	WORD("DestinationEncryptionAlgorithm",
	     "destination_encryption_algorithm", 0, NOWHERE),
	{ "SourceKeyMaterialId", "source_key_material_id", TEXT, 0, 64, 64,
	  NOWHERE },
	{ "DestinationKeyMaterialId", "destination_key_material_id", TEXT, 0,
	  64, 64, NOWHERE },
};

static const struct operations_member sign[] = {
	KEY_ID(REQUIRED, NOWHERE),
	MESSAGE,
	WORD("MessageType", "message_type", 0, NOWHERE),
	GRANTS(NOWHERE),
	SIGNING(REQUIRED),
	DRY_RUN(NOWHERE),
};

static const struct operations_member sign_answer[] = {
	KEY_ID(0, NOWHERE),
	CIPHERTEXT("Signature", "signature", 0, NOWHERE),
	SIGNING(0),
};

static const struct operations_member verify[] = {
	KEY_ID(REQUIRED, NOWHERE),
	MESSAGE,
	WORD("MessageType", "message_type", 0, NOWHERE),
	CIPHERTEXT("Signature", "signature", REQUIRED, NOWHERE),
	SIGNING(REQUIRED),
	GRANTS(NOWHERE),
	DRY_RUN(NOWHERE),
};

static const struct operations_member verify_answer[] = {
	KEY_ID(0, NOWHERE),
	{ "SignatureValid", "signature_valid", BOOL, 0, 0, 0, NOWHERE },
	SIGNING(0),
};

static const struct operations_member mac[] = {
	MESSAGE,	 KEY_ID(REQUIRED, NOWHERE), MAC_ALGORITHM(REQUIRED),
	GRANTS(NOWHERE), DRY_RUN(NOWHERE),
};

static const struct operations_member mac_answer[] = {
	CIPHERTEXT("Mac", "mac", 0, NOWHERE),
	MAC_ALGORITHM(0),
	KEY_ID(0, NOWHERE),
};

static const struct operations_member verify_mac[] = {
	MESSAGE,
	KEY_ID(REQUIRED, NOWHERE),
	MAC_ALGORITHM(REQUIRED),
	CIPHERTEXT("Mac", "mac", REQUIRED, NOWHERE),
	GRANTS(NOWHERE),
	DRY_RUN(NOWHERE),
};

static const struct operations_member verify_mac_answer[] = {
	KEY_ID(0, NOWHERE),
	{ "MacValid", "mac_valid", BOOL, 0, 0, 0, NOWHERE },
	MAC_ALGORITHM(0),
};

static const struct operations_member data_key_without[] = {
	KEY_ID(REQUIRED, NOWHERE),
	ENCRYPTION_CONTEXT(NOWHERE),
	WORD("KeySpec", "key_spec", 0, NOWHERE),
	LENGTH(0, NOWHERE),
	GRANTS(NOWHERE),
	DRY_RUN(NOWHERE),
};

static const struct operations_member data_key_without_answer[] = {
	CIPHERTEXT("CiphertextBlob", "ciphertext", 0, NOWHERE),
	KEY_ID(0, NOWHERE),
	{ "KeyMaterialId", "key_material_id", TEXT, 0, 64, 64, NOWHERE },
};

static const struct operations_member pair_without[] = {
	ENCRYPTION_CONTEXT(NOWHERE),
	KEY_ID(REQUIRED, NOWHERE),
	WORD("KeyPairSpec", "key_pair_spec", REQUIRED, NOWHERE),
	GRANTS(NOWHERE),
	DRY_RUN(NOWHERE),
};

static const struct operations_member pair_without_answer[] = {
	CIPHERTEXT("PrivateKeyCiphertextBlob", "private_key_ciphertext", 0,
		   NOWHERE),
	PUBLIC_KEY(0, NOWHERE),
	KEY_ID(0, NOWHERE),
	WORD("KeyPairSpec", "key_pair_spec", 0, NOWHERE),
	{ "KeyMaterialId", "key_material_id", TEXT, 0, 64, 64, NOWHERE },
};

static const struct operations_member about_key[] = {
	KEY_ID(REQUIRED, NOWHERE),
	GRANTS(NOWHERE),
};

static const struct operations_member describe_answer[] = {
	{ "KeyMetadata", "key_metadata", OTHER, 0, 0, 0, NOWHERE },
};

static const struct operations_member public_key_answer[] = {
	KEY_ID(0, NOWHERE),
	PUBLIC_KEY(0, NOWHERE),
	WORD("CustomerMasterKeySpec", "customer_master_key_spec", 0, NOWHERE),
	WORD("KeySpec", "key_spec", 0, NOWHERE),
	WORD("KeyUsage", "key_usage", 0, NOWHERE),
	LIST("EncryptionAlgorithms", "encryption_algorithms"),
	LIST("SigningAlgorithms", "signing_algorithms"),
	LIST("KeyAgreementAlgorithms", "key_agreement_algorithms"),
	LIST("EncapsulationAlgorithms", "encapsulation_algorithms"),
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ROW(name, path, is_attested, operation, request, answer)          \
	{                                                                 \
		name, "TrentService." name, path, is_attested, operation, \
			request, answer, COUNT(request), COUNT(answer)    \
	}
#define ATTESTED(name, path, operation, request) \
	ROW(name, path, true, operation, request, request##_answer)
#define FORWARDED(name, path, request, answer) \
	ROW(name, path, false, KMSC_DECRYPT, request, answer)

/* The first are in the order of enum kmsc_operation. */
const struct operations_row operations[] = {
	ATTESTED("Decrypt", "decrypt", KMSC_DECRYPT, decrypt),
	ATTESTED("GenerateDataKey", "generate-data-key", KMSC_GENERATE_DATA_KEY,
		 data_key),
	ATTESTED("GenerateDataKeyPair", "generate-data-key-pair",
		 KMSC_GENERATE_DATA_KEY_PAIR, pair),
	ROW("GenerateRandom", "generate-random", true, KMSC_GENERATE_RANDOM,
	    random_, random_answer),
	ATTESTED("DeriveSharedSecret", "derive-shared-secret",
		 KMSC_DERIVE_SHARED_SECRET, derive),
	FORWARDED("Encrypt", "encrypt", encrypt, encrypt_answer),
	FORWARDED("ReEncrypt", "re-encrypt", re_encrypt, re_encrypt_answer),
	FORWARDED("Sign", "sign", sign, sign_answer),
	FORWARDED("Verify", "verify", verify, verify_answer),
	FORWARDED("GenerateMac", "generate-mac", mac, mac_answer),
	FORWARDED("VerifyMac", "verify-mac", verify_mac, verify_mac_answer),
	FORWARDED("GenerateDataKeyWithoutPlaintext",
		  "generate-data-key-without-plaintext", data_key_without,
		  data_key_without_answer),
	FORWARDED("GenerateDataKeyPairWithoutPlaintext",
		  "generate-data-key-pair-without-plaintext", pair_without,
		  pair_without_answer),
	FORWARDED("DescribeKey", "describe-key", about_key, describe_answer),
	FORWARDED("GetPublicKey", "get-public-key", about_key,
		  public_key_answer),
};

const size_t operations_count = COUNT(operations);

const struct operations_row *operations_by_name(const char *name)
{
	for (size_t i = 0; i < operations_count; i++)
		if (strcmp(operations[i].name, name) == 0)
			return &operations[i];
	return NULL;
}

const struct operations_row *operations_by_target(const char *target)
{
	for (size_t i = 0; i < operations_count; i++)
		if (strcmp(operations[i].target, target) == 0)
			return &operations[i];
	return NULL;
}

const struct operations_row *operations_by_path(const char *path)
{
	for (size_t i = 0; i < operations_count; i++)
		if (strcmp(operations[i].path, path) == 0)
			return &operations[i];
	return NULL;
}

const struct operations_row *operations_of(enum kmsc_operation operation)
{
	for (size_t i = 0; i < operations_count; i++)
		if (operations[i].is_attested &&
		    operations[i].operation == operation)
			return &operations[i];
	return NULL;
}
