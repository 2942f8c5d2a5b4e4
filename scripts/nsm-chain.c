#define _GNU_SOURCE
#include "nsm-chain.h"

#include <errno.h>
#include <limits.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CURVE "P-384"
#define REGION ".us-east-1"
#define AUTHORITY REGION ".emulated.nitro-enclaves"
/* No resolver knows .invalid (RFC 2606): the list cannot be fetched. */
#define CRL "URI:http://nitro-enclaves-crl.emulated.invalid/crl/"

enum {
	MINUTE = 60,
	HOUR = 60 * MINUTE,
	DAY = 24 * HOUR,
	NAME_MAX_CHARS = 64, /* X.509's bound of a CN (ub-common-name) */
	SERIAL_SIZE = 16,
	RDNS = 6,
	EXTENSIONS = 5,
};

/* What the CN of a certificate names, before its suffix. */
enum who { SOME_AUTHORITY, INSTANCE, MODULE };

struct rdn {
	const char *type, *value; /* a NULL value: the computed CN */
};

struct extension {
	int nid;
	const char *value; /* as in openssl.cnf */
};

/* LEAST is so long that a certificate never ends before one it issued. */
struct level {
	time_t age;	 /* when it is made */
	time_t lifetime; /* in all */
	time_t least;	 /* it is replaced when it has less left */
	enum who who;
	const char *suffix;
	struct rdn subject[RDNS];
	struct extension extensions[EXTENSIONS];
};

/* As in AWS's documents of 2025 and 2026, in their order. */
static const struct level levels[CHAIN_LEN] = {
	[1] = {
		.age = 7 * DAY,
		.lifetime = 20 * DAY + HOUR,
		.least = 5 * DAY,
		.suffix = AUTHORITY,
		.subject = {
			{ "C", "US" },
			{ "O", "enclave-init" },
			{ "OU", "emulator" },
			{ "CN", NULL },
		},
		.extensions = {
			{ NID_basic_constraints, "critical,CA:TRUE,pathlen:2" },
			{ NID_authority_key_identifier, "keyid:always" },
			{ NID_subject_key_identifier, "hash" },
			{ NID_key_usage,
			  "critical,digitalSignature,keyCertSign,cRLSign" },
			{ NID_crl_distribution_points,
			  CRL "6dc0c2b4-6a5c-4ca5-95ba-1e3a4a3b0e51.crl" },
		},
	},
	[2] = {
		.age = 2 * DAY,
		.lifetime = 6 * DAY,
		.least = DAY,
		.suffix = ".zonal" AUTHORITY,
		.subject = {
			{ "CN", NULL },
			{ "OU", "emulator" },
			{ "O", "enclave-init" },
			{ "C", "US" },
			{ "ST", "WA" },
			{ "L", "Seattle" },
		},
		.extensions = {
			{ NID_basic_constraints, "critical,CA:TRUE,pathlen:1" },
			{ NID_authority_key_identifier, "keyid:always" },
			{ NID_subject_key_identifier, "hash" },
			{ NID_key_usage,
			  "critical,digitalSignature,keyCertSign,cRLSign" },
			{ NID_crl_distribution_points,
			  CRL "f0a9b8d7-2f0e-4d38-8c59-7d1f3c55a1a2.crl" },
		},
	},
	[3] = {
		.age = 90,
		.lifetime = DAY,
		.least = 3 * HOUR,
		.who = INSTANCE,
		.suffix = AUTHORITY,
		.subject = {
			{ "C", "US" },
			{ "ST", "Washington" },
			{ "L", "Seattle" },
			{ "O", "enclave-init" },
			{ "OU", "emulator" },
			{ "CN", NULL },
		},
		.extensions = {
			{ NID_basic_constraints, "critical,CA:TRUE,pathlen:0" },
			{ NID_key_usage, "critical,keyCertSign" },
			{ NID_subject_key_identifier, "hash" },
			{ NID_authority_key_identifier, "keyid:always" },
		},
	},
	[CHAIN_LEAF] = {
		.age = 3,
		.lifetime = 3 * HOUR + 3,
		.least = 30 * MINUTE,
		.who = MODULE,
		.suffix = REGION ".aws",
		.subject = {
			{ "C", "US" },
			{ "ST", "Washington" },
			{ "L", "Seattle" },
			{ "O", "enclave-init" },
			{ "OU", "emulator" },
			{ "CN", NULL },
		},
		.extensions = {
			{ NID_basic_constraints, "critical,CA:FALSE" },
			{ NID_key_usage, "digitalSignature,nonRepudiation" },
		},
	},
};

/* Notes in C what failed, with libcrypto's reason if it has one. */
__attribute__((format(printf, 2, 3))) static bool fail(struct chain *c,
						       const char *format, ...)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());
	va_list args;
	size_t len;

	va_start(args, format);
	(void)vsnprintf(c->fault, sizeof(c->fault), format, args);
	va_end(args);
	len = strlen(c->fault);
	if (reason)
		(void)snprintf(c->fault + len, sizeof(c->fault) - len, ": %s",
			       reason);
	ERR_clear_error();
	return false;
}

/* --- The root --- */

/* Refuses: libcrypto's own callback would ask on QEMU's terminal. */
static int no_passphrase(char *buf, int size, int writing, void *context)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)context;
	return -1;
}

static FILE *open_file(struct chain *c, const char *dir, const char *name,
		       char path[PATH_MAX])
{
	int n = snprintf(path, PATH_MAX, "%s/%s", dir, name);
	FILE *f;

	if (n < 0 || n >= PATH_MAX) {
		(void)fail(c, "the path of %s is too long", name);
		return NULL;
	}
	f = fopen(path, "re");
	if (!f)
		(void)fail(c, "%s: %s", path, strerror(errno));
	return f;
}

static bool encode(struct chain *c, struct chain_cert *cert, const char *what)
{
	uint8_t *at = cert->der;
	int len = i2d_X509(cert->cert, NULL);
	struct tm end;

	if (len <= 0 || len > CHAIN_CERT_MAX)
		return fail(c, "%s does not fit a document", what);
	cert->len = (size_t)i2d_X509(cert->cert, &at);
	if (!ASN1_TIME_to_tm(X509_get0_notAfter(cert->cert), &end))
		return fail(c, "%s has no end", what);
	cert->until = timegm(&end);
	return true;
}

static void drop(struct chain_cert *cert)
{
	EVP_PKEY_free(cert->key);
	X509_free(cert->cert);
	*cert = (struct chain_cert){ 0 };
}

static bool read_root(struct chain *c, const char *dir)
{
	struct chain_cert root = { 0 };
	char path[PATH_MAX], curve[32] = "";
	FILE *f;

	f = open_file(c, dir, "root.pem", path);
	if (!f)
		return false;
	root.cert = PEM_read_X509(f, NULL, no_passphrase, NULL);
	(void)fclose(f);
	if (!root.cert) {
		(void)fail(c, "%s: no certificate", path);
		goto failed;
	}
	if (!encode(c, &root, path))
		goto failed;
	f = open_file(c, dir, "root.key", path);
	if (!f)
		goto failed;
	root.key = PEM_read_PrivateKey(f, NULL, no_passphrase, NULL);
	(void)fclose(f);
	if (!root.key) {
		(void)fail(c, "%s: no private key", path);
		goto failed;
	}
	if (!EVP_PKEY_get_group_name(root.key, curve, sizeof(curve), NULL) ||
	    strcmp(curve, "secp384r1") != 0 ||
	    !X509_check_private_key(root.cert, root.key)) {
		(void)fail(c, "%s: not the P-384 key of root.pem", path);
		goto failed;
	}
	c->certs[0] = root;
	return true;
failed:
	drop(&root);
	return false;
}

/* --- Certificates below it --- */

static bool set_serial(X509 *cert)
{
	uint8_t bytes[SERIAL_SIZE];
	BIGNUM *n = NULL;
	bool good;

	good = RAND_bytes(bytes, sizeof(bytes)) == 1;
	bytes[0] = (uint8_t)((bytes[0] & 0x7f) | 0x40);
	good = good && (n = BN_bin2bn(bytes, sizeof(bytes), NULL)) &&
	       BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert));
	BN_free(n);
	return good;
}

/* The length of TEXT, at most MAX, that ends with a whole character. */
static size_t cut(const char *text, size_t max)
{
	size_t len = strlen(text);

	if (len <= max)
		return len;
	while (max > 0 && ((uint8_t)text[max] & 0xc0) == 0x80)
		max--;
	return max;
}

/*
 * Writes the CN. A leaf's is cut at its end, as AWS does. An instance's keeps
 * its suffix, because it must not become equal to that of the leaf it issues.
 */
static bool write_cn(const struct chain *c, const struct level *l, char *cn,
		     size_t cap)
{
	char who[CHAIN_ID_CAP] = "", *enclave;
	uint8_t random[8];

	if (l->who == SOME_AUTHORITY) {
		if (RAND_bytes(random, sizeof(random)) != 1)
			return false;
		for (size_t i = 0; i < sizeof(random); i++)
			(void)snprintf(who + 2 * i, 3, "%02x", random[i]);
	} else {
		(void)snprintf(who, sizeof(who), "%s", c->module_id);
	}
	if (l->who == INSTANCE) {
		enclave = strstr(who, "-enc");
		if (enclave)
			*enclave = '\0';
		who[cut(who, NAME_MAX_CHARS - strlen(l->suffix))] = '\0';
	}
	(void)snprintf(cn, cap, "%s%s", who, l->suffix);
	cn[cut(cn, NAME_MAX_CHARS)] = '\0';
	return true;
}

static bool set_subject(const struct chain *c, X509 *cert,
			const struct level *l)
{
	X509_NAME *name = X509_get_subject_name(cert);
	char cn[CHAIN_ID_CAP + sizeof(".zonal" AUTHORITY)];
	const char *value;

	if (!write_cn(c, l, cn, sizeof(cn)))
		return false;
	for (size_t i = 0; i < RDNS && l->subject[i].type; i++) {
		value = l->subject[i].value ? l->subject[i].value : cn;
		if (!X509_NAME_add_entry_by_txt(
			    name, l->subject[i].type, MBSTRING_UTF8,
			    (const uint8_t *)value, -1, -1, 0))
			return false;
	}
	return true;
}

static bool add_extensions(X509 *cert, X509 *issuer, const struct level *l)
{
	X509_EXTENSION *extension;
	X509V3_CTX context;
	int added;

	X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
	for (size_t i = 0; i < EXTENSIONS && l->extensions[i].nid; i++) {
		extension = X509V3_EXT_conf_nid(NULL, &context,
						l->extensions[i].nid,
						l->extensions[i].value);
		if (!extension)
			return false;
		added = X509_add_ext(cert, extension, -1);
		X509_EXTENSION_free(extension);
		if (!added)
			return false;
	}
	return true;
}

/* Makes the key and the certificate at AT, issued by the one before it. */
static bool make(struct chain *c, int at, time_t now)
{
	const struct level *l = &levels[at];
	struct chain_cert *issuer = &c->certs[at - 1], new = { 0 };
	time_t from = now - l->age;

	new.key = EVP_EC_gen(CURVE);
	new.cert = X509_new();
	if (!new.key || !new.cert ||
	    !X509_set_version(new.cert, X509_VERSION_3) ||
	    !set_serial(new.cert) ||
	    !X509_set_issuer_name(new.cert,
				  X509_get_subject_name(issuer->cert)) ||
	    !ASN1_TIME_set(X509_getm_notBefore(new.cert), from) ||
	    !ASN1_TIME_set(X509_getm_notAfter(new.cert), from + l->lifetime) ||
	    !set_subject(c, new.cert, l) ||
	    !X509_set_pubkey(new.cert, new.key) ||
	    !add_extensions(new.cert, issuer->cert, l) ||
	    !X509_sign(new.cert, issuer->key, EVP_sha384())) {
		drop(&new);
		return fail(c, "cannot make certificate %d of %s", at,
			    c->module_id);
	}
	if (!encode(c, &new, "a certificate")) {
		drop(&new);
		return false;
	}
	drop(&c->certs[at]);
	c->certs[at] = new;
	return true;
}

/* True if CERT is missing, nearly at its end, or not valid yet at NOW. */
static bool is_stale(const struct chain_cert *cert, const struct level *l,
		     time_t now)
{
	return !cert->cert || now > cert->until - l->least ||
	       now < cert->until - l->lifetime;
}

bool chain_refresh(struct chain *c, const char *dir, const char *module_id,
		   time_t now)
{
	bool stale = false, other = strcmp(c->module_id, module_id) != 0;

	ERR_clear_error();
	if (strlen(module_id) >= sizeof(c->module_id))
		return fail(c, "a module ID of more than %d bytes",
			    CHAIN_ID_CAP - 1);
	if (!c->certs[0].cert && !read_root(c, dir))
		return false;
	(void)snprintf(c->module_id, sizeof(c->module_id), "%s", module_id);
	for (int i = 1; i < CHAIN_LEN; i++) {
		/* A new certificate means new ones for all it issued. */
		stale = stale || is_stale(&c->certs[i], &levels[i], now) ||
			(other && levels[i].who != SOME_AUTHORITY);
		if (stale && !make(c, i, now)) {
			/* Keep no half of a chain: the next call starts over. */
			for (int k = 1; k < CHAIN_LEN; k++)
				drop(&c->certs[k]);
			return false;
		}
	}
	return true;
}

bool chain_sign(struct chain *c, const uint8_t *data, size_t len,
		uint8_t ret[CHAIN_SIGNATURE])
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	ECDSA_SIG *pair = NULL;
	uint8_t der[128];
	const uint8_t *at = der;
	size_t n = sizeof(der);
	bool good;

	good = context &&
	       EVP_DigestSignInit(context, NULL, EVP_sha384(), NULL,
				  c->certs[CHAIN_LEAF].key) == 1 &&
	       EVP_DigestSign(context, der, &n, data, len) == 1 &&
	       (pair = d2i_ECDSA_SIG(NULL, &at, (long)n)) &&
	       BN_bn2binpad(ECDSA_SIG_get0_r(pair), ret, CHAIN_SIGNATURE / 2) >
		       0 &&
	       BN_bn2binpad(ECDSA_SIG_get0_s(pair), ret + CHAIN_SIGNATURE / 2,
			    CHAIN_SIGNATURE / 2) > 0;
	ECDSA_SIG_free(pair);
	EVP_MD_CTX_free(context);
	return good || fail(c, "cannot sign");
}
