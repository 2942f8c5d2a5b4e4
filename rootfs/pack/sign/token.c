#include "rootfs/pack/sign/token.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <p11-kit/p11-kit.h>
#include <p11-kit/uri.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/sign/cose.h"

enum {
	ATTRIBUTES_MAX = 16, /* of an object, in a URI */
	POINT_MAX = 256,     /* bytes of CKA_EC_POINT, P-521's is 136 */
	ID_MAX = 256,	     /* bytes of CKA_ID */
	CERTIFICATE_MAX = 65536,
	SLOTS_MAX = 1024,
	NAMES_CAP = 512,
};

bool token_is_uri(const char *name)
{
	return strncmp(name, "pkcs11:", 7) == 0;
}

size_t token_shown_len(const char *uri)
{
	return strcspn(uri, "?");
}

/* A token that a URI names, with a session. */
struct token {
	P11KitUri *uri;
	CK_FUNCTION_LIST *module;  /* all of the machine's, or one by path */
	CK_SESSION_HANDLE session; /* 0: none */
	CK_FLAGS flags;
};

struct token_key {
	struct token token;
	CK_OBJECT_HANDLE object;
	struct key_passphrase pin; /* for keys that want it each time */
	bool is_always_asked;
};

static int refuse(struct fault *f, const char *what, CK_RV rv)
{
	const char *words = p11_kit_strerror(rv);

	return fault_refuse(f, "%s: %s (0x%lx)", what,
			    words ? words : "a PKCS #11 error", rv);
}

/* --- modules and tokens --- */

static int parse_uri(const char *text, P11KitUri **ret, struct fault *reterr)
{
	P11KitUri *uri = p11_kit_uri_new();
	int r;

	if (!uri)
		return fault_system(reterr, ENOMEM, "URI");
	r = p11_kit_uri_parse(text, P11_KIT_URI_FOR_ANY, uri);
	if (r == P11_KIT_URI_OK && !p11_kit_uri_any_unrecognized(uri)) {
		*ret = uri;
		return 0;
	}
	p11_kit_uri_free(uri);
	return fault_usage(reterr, "not a PKCS #11 URI (RFC 7512): %s",
			   r == P11_KIT_URI_OK ? "it has an attribute that is "
						 "not known" :
						 p11_kit_uri_message(r));
}

/* Is PROGRAM in a directory of PATH? */
static bool is_there(const char *program)
{
	const char *path = getenv("PATH");
	char name[PATH_MAX];
	size_t len;
	int n;

	for (; path && *path; path += len + (path[len] == ':')) {
		len = strcspn(path, ":");
		n = snprintf(name, sizeof(name), "%.*s/%s", (int)len, path,
			     program);
		if (n > 0 && (size_t)n < sizeof(name) &&
		    access(name, X_OK) == 0)
			return true;
	}
	return false;
}

/*
 * mkeif is static and cannot load a module. The machine's p11-kit does, and mkeif calls the
 * module's functions over a pipe: the client of p11-kit takes the command to run from
 * the environment.
 */
static int find_module(const char *path, CK_FUNCTION_LIST **ret,
		       struct fault *reterr)
{
	static const char name[] = "P11_KIT_SERVER_ADDRESS";
	const char *before = getenv(name);
	char *old = before ? strdup(before) : NULL, *address = NULL;
	CK_RV rv = CKR_HOST_MEMORY;

	if ((!before || old) &&
	    asprintf(&address, "|p11-kit remote '%s'", path ?: "pkcs11:") < 0)
		address = NULL;
	if (address && setenv(name, address, 1) == 0)
		rv = C_GetFunctionList(ret);
	/* Not for p11-kit itself. */
	if (old)
		(void)setenv(name, old, 1);
	else if (!before)
		(void)unsetenv(name);
	free(address);
	free(old);
	return rv == CKR_OK ? 0 : refuse(reterr, "p11-kit", rv);
}

/* Runs p11-kit, whose words on stderr would not be ours. */
static CK_RV initialize(CK_FUNCTION_LIST *module)
{
	int old = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	CK_RV rv;

	(void)fflush(stderr);
	if (null >= 0)
		(void)dup2(null, STDERR_FILENO); /* NOLINT: the child's, too */
	rv = module->C_Initialize(NULL);
	if (old >= 0)
		(void)dup2(old, STDERR_FILENO); /* NOLINT: as before */
	if (old >= 0)
		(void)close(old);
	if (null >= 0)
		(void)close(null);
	return rv;
}

static int load_module(struct token *t, struct fault *reterr)
{
	const char *path = p11_kit_uri_get_module_path(t->uri);
	CK_FUNCTION_LIST *module;
	CK_INFO info = { 0 };

	if (!is_there("p11-kit"))
		return fault_failed(reterr,
				    "p11-kit: no such program in PATH, and it "
				    "is by p11-kit that mkeif reaches PKCS #11 "
				    "tokens");
	if (path && strpbrk(path, "'\\"))
		return fault_refuse(reterr, "module-path: a quote or a "
					    "backslash in it");
	if (find_module(path, &module, reterr) < 0)
		return -1;
	if (initialize(module) != CKR_OK || module->C_GetInfo(&info) != CKR_OK)
		return path ? fault_refuse(reterr,
					   "module-path: %s: no PKCS #11 "
					   "module that p11-kit can load",
					   path) :
			      fault_refuse(reterr,
					   "p11-kit remote pkcs11: shows no "
					   "PKCS #11 module");
	t->module = module;
	/* Without a path all modules look like one. */
	if (!path && (p11_kit_uri_get_module_name(t->uri) ||
		      p11_kit_uri_get_slot_id(t->uri) != (CK_SLOT_ID)-1 ||
		      !p11_kit_uri_match_module_info(t->uri, &info)))
		return fault_refuse(reterr,
				    "module-name, slot-id and library-...: "
				    "name the module by module-path");
	return 0;
}

/* The tokens that were looked at, for the words of a refusal. */
struct names {
	char text[NAMES_CAP];
	size_t count;
};

static void add_name(struct names *n, const CK_TOKEN_INFO *info)
{
	const char *label = (const char *)info->label;
	size_t len = sizeof(info->label), at = strlen(n->text);

	while (len > 0 && label[len - 1] == ' ')
		len--;
	n->count++;
	if (at + len + 3 < sizeof(n->text))
		(void)snprintf(n->text + at, sizeof(n->text) - at, "%s%.*s",
			       at ? ", " : "", (int)len, label);
}

struct search {
	CK_SLOT_ID slot; /* of the first that fits */
	CK_FLAGS flags;
	struct names here, fits;
};

static bool is_slot(const struct token *t, CK_SLOT_ID slot)
{
	CK_SLOT_ID wanted = p11_kit_uri_get_slot_id(t->uri);
	CK_SLOT_INFO info = { 0 };

	return (wanted == (CK_SLOT_ID)-1 || wanted == slot) &&
	       t->module->C_GetSlotInfo(slot, &info) == CKR_OK &&
	       p11_kit_uri_match_slot_info(t->uri, &info);
}

static void search_module(const struct token *t, struct search *s)
{
	CK_FUNCTION_LIST *m = t->module;
	CK_TOKEN_INFO token;
	CK_INFO info = { 0 };
	CK_SLOT_ID *slots;
	CK_ULONG n = 0;

	if (m->C_GetInfo(&info) != CKR_OK ||
	    !p11_kit_uri_match_module_info(t->uri, &info) ||
	    m->C_GetSlotList(CK_TRUE, NULL, &n) != CKR_OK || n > SLOTS_MAX)
		return;
	slots = calloc(n + 1, sizeof(*slots));
	if (!slots)
		return;
	if (m->C_GetSlotList(CK_TRUE, slots, &n) != CKR_OK)
		n = 0;
	for (CK_ULONG i = 0; i < n; i++) {
		token = (CK_TOKEN_INFO){ .flags = 0 };
		if (m->C_GetTokenInfo(slots[i], &token) != CKR_OK ||
		    !(token.flags & CKF_TOKEN_INITIALIZED))
			continue;
		add_name(&s->here, &token);
		if (!is_slot(t, slots[i]) ||
		    !p11_kit_uri_match_token_info(t->uri, &token))
			continue;
		add_name(&s->fits, &token);
		if (s->fits.count > 1)
			continue;
		s->slot = slots[i];
		s->flags = token.flags;
	}
	free(slots);
}

/* Exactly one token must fit: a PIN that was meant for another one would count there as
 * a wrong try. */
static int find_token(const struct token *t, struct search *s,
		      struct fault *reterr)
{
	search_module(t, s);
	if (s->fits.count == 0)
		return fault_refuse(reterr, "no such token; there %s %s%s",
				    s->here.count == 1 ? "is" : "are",
				    s->here.count ? "" : "none", s->here.text);
	if (s->fits.count > 1)
		return fault_refuse(reterr,
				    "more than one token fits (%s): name it "
				    "by token= or serial=",
				    s->fits.text);
	return 0;
}

static void token_close(struct token *t)
{
	/* Logs out, too, as it is the only session. */
	if (t->session)
		(void)t->module->C_CloseSession(t->session);
	if (t->module)
		(void)t->module->C_Finalize(NULL);
	p11_kit_uri_free(t->uri);
	*t = (struct token){ .session = 0 };
}

static int token_open(const char *uri, struct token *t, struct fault *reterr)
{
	struct search s = { .slot = 0 };
	CK_RV rv;

	*t = (struct token){ .session = 0 };
	/* Its own words on stderr would not be ours. */
	p11_kit_be_quiet();
	if (parse_uri(uri, &t->uri, reterr) < 0 || load_module(t, reterr) < 0 ||
	    find_token(t, &s, reterr) < 0)
		goto fail;
	t->flags = s.flags;
	rv = t->module->C_OpenSession(s.slot, CKF_SERIAL_SESSION, NULL, NULL,
				      &t->session);
	if (rv == CKR_OK)
		return 0;
	t->session = 0;
	(void)refuse(reterr, "the token", rv);
fail:
	token_close(t);
	return -1;
}

/* --- PINs --- */

/* What the URI has of one. */
static int pin_of_uri(const struct token *t, struct key_passphrase *ret,
		      struct fault *reterr)
{
	const char *value = p11_kit_uri_get_pin_value(t->uri);
	const char *source = p11_kit_uri_get_pin_source(t->uri);

	if (value) {
		if (strlen(value) >= sizeof(ret->text))
			return fault_refuse(reterr, "pin-value: too long");
		memcpy(ret->text, value, strlen(value) + 1);
		ret->is_there = true;
		return 0;
	}
	if (!source)
		return 0;
	if (source[0] == '|')
		return fault_refuse(reterr, "pin-source: a command, which "
					    "mkeif does not run; a file: or "
					    "--sign-key-pass-file <(command)");
	if (strncmp(source, "file:", 5) == 0)
		source += strncmp(source, "file:///", 8) == 0 ? 7 : 5;
	if (key_file_passphrase(source, ret, reterr) < 0)
		return fault_prefix(reterr, "pin-source");
	return 0;
}

static int log_in(const struct token *t, CK_USER_TYPE user,
		  const struct key_passphrase *pin, struct fault *reterr)
{
	/* Some modules take it as it is, none writes to it. */
	union {
		const char *from;
		CK_UTF8CHAR_PTR to;
	} text = { .from = pin->text };
	CK_RV rv;

	if (!pin->is_there && !(t->flags & CKF_PROTECTED_AUTHENTICATION_PATH))
		return fault_refuse(reterr,
				    "the token wants a PIN: pin-source= in "
				    "the URI, or --sign-key-pass-file");
	rv = t->module->C_Login(t->session, user,
				pin->is_there ? text.to : NULL,
				pin->is_there ? strlen(pin->text) : 0);
	if (rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN)
		return 0;
	if (rv == CKR_PIN_INCORRECT || rv == CKR_PIN_LEN_RANGE ||
	    rv == CKR_PIN_INVALID)
		return fault_refuse(reterr, "the PIN is wrong");
	if (rv == CKR_PIN_LOCKED)
		return fault_refuse(reterr, "the PIN is locked: too many wrong "
					    "tries");
	return refuse(reterr, "log in", rv);
}

/* --- objects --- */

/* At most two of the objects that TEMPLATE names: 2 is too many already. */
static int find_objects(const struct token *t, CK_ATTRIBUTE *template,
			size_t count, CK_OBJECT_HANDLE ret[2], CK_ULONG *ret_n,
			struct fault *reterr)
{
	CK_RV rv = t->module->C_FindObjectsInit(t->session, template, count);

	*ret_n = 0;
	if (rv == CKR_OK) {
		rv = t->module->C_FindObjects(t->session, ret, 2, ret_n);
		(void)t->module->C_FindObjectsFinal(t->session);
	}
	return rv == CKR_OK ? 0 : refuse(reterr, "look for objects", rv);
}

/* The one object of KIND, called WHAT, that the URI names, whatever type it says. */
static int find_object(const struct token *t, CK_OBJECT_CLASS kind,
		       const char *what, CK_OBJECT_HANDLE *ret,
		       struct fault *reterr)
{
	CK_ATTRIBUTE template[ATTRIBUTES_MAX + 1] = {
		{ CKA_CLASS, &kind, sizeof(kind) },
	};
	CK_OBJECT_HANDLE found[2];
	CK_ATTRIBUTE *given;
	CK_ULONG n, count = 0;
	size_t used = 1;

	given = p11_kit_uri_get_attributes(t->uri, &count);
	for (CK_ULONG i = 0; i < count && used <= ATTRIBUTES_MAX; i++)
		if (given[i].type != CKA_CLASS)
			template[used++] = given[i];
	if (find_objects(t, template, used, found, &n, reterr) < 0)
		return -1;
	if (n == 0)
		return fault_refuse(reterr, "no such %s in the token", what);
	if (n > 1)
		return fault_refuse(reterr,
				    "more than one %s in the token: name it by "
				    "object= or id=",
				    what);
	*ret = found[0];
	return 0;
}

/* An attribute of at most CAP bytes; 0: it has none that can be read. */
static CK_ULONG attribute(const struct token *t, CK_OBJECT_HANDLE object,
			  CK_ATTRIBUTE_TYPE type, void *ret, CK_ULONG cap)
{
	CK_ATTRIBUTE a = { type, ret, cap };

	if (t->module->C_GetAttributeValue(t->session, object, &a, 1) !=
		    CKR_OK ||
	    a.ulValueLen > cap)
		return 0;
	return a.ulValueLen;
}

static int check_kind(const struct token *t, CK_OBJECT_HANDLE object,
		      struct fault *reterr)
{
	CK_KEY_TYPE type = CKK_EC;

	(void)attribute(t, object, CKA_KEY_TYPE, &type, sizeof(type));
	if (type == CKK_EC)
		return 0;
	return fault_refuse(reterr,
			    "%s key; images are signed on the curves P-256, "
			    "P-384 and P-521 only",
			    type == CKK_RSA ? "RSA" : "another kind of");
}

/* --- keys --- */

int token_key_open(const char *uri, const struct key_passphrase *pin,
		   struct token_key **ret, struct fault *reterr)
{
	struct token_key *key = calloc(1, sizeof(*key));
	CK_BBOOL is_always_asked = CK_FALSE;

	if (!key)
		return fault_system(reterr, ENOMEM, "key");
	if (token_open(uri, &key->token, reterr) < 0)
		goto fail;
	if (pin->is_there)
		key->pin = *pin;
	else if (pin_of_uri(&key->token, &key->pin, reterr) < 0)
		goto fail;
	if (((key->token.flags & CKF_LOGIN_REQUIRED) || key->pin.is_there) &&
	    log_in(&key->token, CKU_USER, &key->pin, reterr) < 0)
		goto fail;
	if (find_object(&key->token, CKO_PRIVATE_KEY, "private key",
			&key->object, reterr) < 0 ||
	    check_kind(&key->token, key->object, reterr) < 0)
		goto fail;
	(void)attribute(&key->token, key->object, CKA_ALWAYS_AUTHENTICATE,
			&is_always_asked, sizeof(is_always_asked));
	key->is_always_asked = is_always_asked == CK_TRUE;
	*ret = key;
	return 0;
fail:
	token_key_close(key);
	return -1;
}

const struct key_passphrase *token_key_pin(const struct token_key *key)
{
	return &key->pin;
}

void token_key_close(struct token_key *key)
{
	if (!key)
		return;
	if (key->token.uri)
		token_close(&key->token);
	explicit_bzero(&key->pin, sizeof(key->pin));
	free(key);
}

bool token_key_differs(const struct token_key *key, const EVP_PKEY *public)
{
	CK_OBJECT_CLASS kind = CKO_PUBLIC_KEY;
	uint8_t id[ID_MAX], point[POINT_MAX], ours[POINT_MAX];
	const struct token *t = &key->token;
	CK_OBJECT_HANDLE found[2];
	CK_ULONG n = 0, len;
	size_t ours_len;
	struct fault f;

	len = attribute(t, key->object, CKA_ID, id, sizeof(id));
	if (len == 0)
		return false;
	CK_ATTRIBUTE template[] = {
		{ CKA_CLASS, &kind, sizeof(kind) },
		{ CKA_ID, id, len },
	};

	if (find_objects(t, template, 2, found, &n, &f) < 0 || n != 1 ||
	    !EVP_PKEY_get_octet_string_param(public, OSSL_PKEY_PARAM_PUB_KEY,
					     ours, sizeof(ours), &ours_len)) {
		ERR_clear_error();
		return false;
	}
	/* In an OCTET STRING, as it should be, or as it is. */
	len = attribute(t, found[0], CKA_EC_POINT, point, sizeof(point));
	return len >= ours_len && ours_len > 0 &&
	       memcmp(point + len - ours_len, ours, ours_len) != 0;
}

int token_key_sign(const struct token_key *key, const struct cose_curve *c,
		   const uint8_t *hash, uint8_t *ret, struct fault *reterr)
{
	CK_MECHANISM ecdsa = { .mechanism = CKM_ECDSA };
	uint8_t in[HASH_MAX], out[2 * COSE_HALF_MAX] = { 0 };
	const struct token *t = &key->token;
	CK_ULONG len = sizeof(out);
	size_t half;
	CK_RV rv;

	memcpy(in, hash, hash_len(c->hash));
	rv = t->module->C_SignInit(t->session, &ecdsa, key->object);
	if (rv != CKR_OK)
		return refuse(reterr, "sign", rv);
	if (key->is_always_asked &&
	    log_in(t, CKU_CONTEXT_SPECIFIC, &key->pin, reterr) < 0)
		return -1;
	rv = t->module->C_Sign(t->session, in, hash_len(c->hash), out, &len);
	if (rv != CKR_OK)
		return refuse(reterr, "sign", rv);
	/* Two halves of one length, which some tokens write as short as they can. */
	half = len / 2;
	if (len == 0 || len % 2 || half > c->half)
		return fault_refuse(reterr,
				    "the token's signature has %lu bytes: "
				    "another curve than %s?",
				    len, c->name);
	memset(ret, 0, 2 * c->half);
	memcpy(ret + c->half - half, out, half);
	memcpy(ret + 2 * c->half - half, out + half, half);
	return 0;
}

/* --- certificates --- */

static int read_cert(const struct token *t, CK_OBJECT_HANDLE object, X509 **ret,
		     struct fault *reterr)
{
	uint8_t *der = malloc(CERTIFICATE_MAX);
	const uint8_t *at = der;
	CK_ULONG len;
	X509 *cert;

	if (!der)
		return fault_system(reterr, ENOMEM, "certificate");
	len = attribute(t, object, CKA_VALUE, der, CERTIFICATE_MAX);
	cert = len ? d2i_X509(NULL, &at, (long)len) : NULL;
	free(der);
	ERR_clear_error();
	if (!cert)
		return fault_refuse(reterr, "no X.509 certificate");
	*ret = cert;
	return 0;
}

int token_cert(const char *uri, const struct key_passphrase *pin, X509 **ret,
	       struct fault *reterr)
{
	struct key_passphrase own = *pin;
	CK_OBJECT_HANDLE object;
	struct token t;
	int r = -1;

	if (token_open(uri, &t, reterr) < 0)
		return -1;
	/* Nearly all tokens show certificates to everybody. */
	if (find_object(&t, CKO_CERTIFICATE, "certificate", &object, reterr) <
	    0) {
		struct fault f;

		if ((!own.is_there && pin_of_uri(&t, &own, &f) < 0) ||
		    !own.is_there || log_in(&t, CKU_USER, &own, &f) < 0 ||
		    find_object(&t, CKO_CERTIFICATE, "certificate", &object,
				reterr) < 0)
			goto out;
	}
	r = read_cert(&t, object, ret, reterr);
out:
	explicit_bzero(&own, sizeof(own));
	token_close(&t);
	return r;
}
