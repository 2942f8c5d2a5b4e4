#include "nsm/kms/call/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* clang-format off */
#define FAULTS(FAULT) \
	FAULT(KMSC_E_REGION, "there is no such region, or none was given") \
	FAULT(KMSC_E_ENDPOINT, "the endpoint is not HOST or HOST:PORT") \
	FAULT(KMSC_E_ADDRESS, "there is no such form of an address") \
	FAULT(KMSC_E_CA, "these are not certificates of authorities") \
	FAULT(KMSC_E_KEY_ARN, "not the full ARN of a key") \
	FAULT(KMSC_E_KEY_MISSING, "no key was named") \
	FAULT(KMSC_E_KEY_REGION, "the key is in another region") \
	FAULT(KMSC_E_REQUEST, "the request is not one that KMS takes") \
	FAULT(KMSC_E_NO_NSM, "there is no NSM to get a document from") \
	FAULT(KMSC_E_OPERATION, "not an operation that is forwarded") \
	FAULT(KMSC_E_NO_CREDENTIALS, "there are no credentials") \
	FAULT(KMSC_E_CREDENTIALS, "the credentials are malformed") \
	FAULT(KMSC_E_CREDENTIALS_REFUSED, "KMS refuses the credentials") \
	FAULT(KMSC_E_CONNECT, "cannot connect") \
	FAULT(KMSC_E_CLOSED, "the connection ended before a whole answer") \
	FAULT(KMSC_E_TIMEOUT, "the time for the call is over") \
	FAULT(KMSC_E_TLS, "TLS failed") \
	FAULT(KMSC_E_CERTIFICATE, "the peer is not the endpoint") \
	FAULT(KMSC_E_HTTP, "the answer is not HTTP as expected") \
	FAULT(KMSC_E_TOO_LONG, "the answer is too long") \
	FAULT(KMSC_E_DENIED, "KMS denies access") \
	FAULT(KMSC_E_CIPHERTEXT, "KMS cannot decrypt the ciphertext with this key and encryption context") \
	FAULT(KMSC_E_OTHER_KEY, "the ciphertext is of another key") \
	FAULT(KMSC_E_NOT_FOUND, "KMS does not find the key") \
	FAULT(KMSC_E_CLOCK, "KMS refuses the time of the request") \
	FAULT(KMSC_E_SIGNATURE, "KMS refuses the signature of the request") \
	FAULT(KMSC_E_THROTTLED, "KMS is asked too often") \
	FAULT(KMSC_E_UNAVAILABLE, "KMS fails") \
	FAULT(KMSC_E_REFUSED, "KMS refuses the request") \
	FAULT(KMSC_E_DRY_RUN, "a dry run: the request would have succeeded") \
	FAULT(KMSC_E_ANSWER, "the answer is not one of KMS's") \
	FAULT(KMSC_E_PLAINTEXT, "the answer has the plaintext in the clear: it is refused") \
	FAULT(KMSC_E_NO_RECIPIENT, "the answer has nothing that is encrypted for this enclave") \
	FAULT(KMSC_E_ANSWER_KEY, "the answer is of another key than was named: it is refused")
/* clang-format on */

static const struct {
	int code;
	const char *name, *text;
} faults[] = {
#define ROW(code, text) { code, #code, text },
	FAULTS(ROW)
#undef ROW
};

enum { FAULT_COUNT = sizeof(faults) / sizeof(faults[0]) };

/* An error of this library's, and not of libnsmc's or the system's. */
static bool is_own(int r)
{
	for (int i = 0; i < FAULT_COUNT; i++)
		if (faults[i].code == -r)
			return true;
	return false;
}

const char *kmsc_error_text(int r)
{
	for (int i = 0; i < FAULT_COUNT; i++)
		if (faults[i].code == -r)
			return faults[i].text;
	return nsmc_error_text(r);
}

const char *kmsc_error_name(int r)
{
	for (int i = 0; i < FAULT_COUNT; i++)
		if (faults[i].code == -r)
			return faults[i].name;
	return nsmc_error_name(r);
}

int fault_set(struct kmsc_error *e, int code, enum kmsc_step step,
	      const char *format, ...)
{
	va_list ap;

	e->code = code;
	e->step = step;
	va_start(ap, format);
	/* In a run over several files clang-tidy no longer knows va_start. */
	(void)vsnprintf(e->words, sizeof(e->words), format, ap); // NOLINT
	va_end(ap);
	for (char *s = e->words; *s; s++)
		if (*s < ' ' || *s > '~')
			*s = '?';
	return code;
}

int fault_code(struct kmsc_error *e, int code, enum kmsc_step step)
{
	e->code = code;
	e->step = step;
	e->words[0] = '\0';
	return code;
}

/* --- for people --- */

/* Text that is written to a buffer, cut at its end. */
struct page {
	char *at;
	size_t len, cap; /* with the NUL */
};

__attribute__((format(printf, 2, 3))) static void put(struct page *p,
						      const char *format, ...)
{
	va_list ap;
	int n;

	if (p->len + 1 >= p->cap)
		return;
	va_start(ap, format);
	n = vsnprintf(p->at + p->len, p->cap - p->len, format, ap); // NOLINT
	va_end(ap);
	if (n < 0)
		return;
	p->len = (size_t)n < p->cap - p->len ? p->len + (size_t)n : p->cap - 1;
}

/* What did not work, where the code is one of the system or of libnsmc. */
static const char *const steps[] = {
	[KMSC_STEP_REQUEST] = "the call could not begin",
	[KMSC_STEP_CREDENTIALS] = "no credentials could be had",
	[KMSC_STEP_DOCUMENT] = "the NSM gives no attestation document",
	[KMSC_STEP_CONNECT] = "cannot connect",
	[KMSC_STEP_TLS] = "TLS failed",
	[KMSC_STEP_SEND] = "the request could not be sent",
	[KMSC_STEP_ANSWER] = "the answer could not be read",
	[KMSC_STEP_OPEN] = "the answer could not be opened",
};

/* The words of the code are left out where E's own have them. */
static void put_words(struct page *p, const struct kmsc_error *e)
{
	const char *text = kmsc_error_text(e->code);

	if (is_own(e->code) || e->step > KMSC_STEP_OPEN)
		put(p, "%s", text);
	else if (strstr(e->words, text))
		put(p, "%s", steps[e->step]);
	else
		put(p, "%s: %s", steps[e->step], text);
	if (e->words[0])
		put(p, ": %s", e->words);
}

/* What is AWS's, each part only if it is there. */
static void put_answer(struct page *p, const struct kmsc_error *e)
{
	if (e->aws_code[0])
		put(p, ": %s", e->aws_code);
	if (e->message[0])
		put(p, ": %s", e->message);
	if (e->status == 0 && e->attempts < 2)
		return;
	put(p, " (");
	if (e->status != 0)
		put(p, "HTTP status %d, ", e->status);
	if (e->request_id[0])
		put(p, "request id %s, ", e->request_id);
	put(p, "%d attempt%s)", e->attempts, e->attempts == 1 ? "" : "s");
}

static void put_pcr(struct page *p, const struct kmsc_error *e, unsigned n)
{
	if (!(e->pcrs >> n & 1)) {
		put(p, "\nPCR%u: not locked, so not in the document", n);
		return;
	}
	put(p, "\nPCR%u: ", n);
	for (size_t i = 0; i < NSMC_PCR_SIZE; i++)
		put(p, "%02x", e->pcr[n][i]);
}

/* What a key policy may have looked at. */
static void put_document(struct page *p, const struct kmsc_error *e)
{
	static const unsigned shown[] = { 0, 1, 2, 3, 4, 8 };

	put(p, "\nkey: %s", e->key[0] ? e->key : "none was named");
	if (!e->has_document)
		return;
	if (e->debug == NSMC_DEBUG_YES)
		put(p,
		    "\nthe enclave runs in debug mode: its PCRs are zero, and "
		    "no policy with an image's PCRs allows it");
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
		if (shown[i] < 3 || (e->pcrs >> shown[i] & 1))
			put_pcr(p, e, shown[i]);
}

size_t kmsc_error_print(const struct kmsc_error *error, char *buf, size_t cap)
{
	struct page p = { .at = buf, .cap = cap };

	if (cap == 0)
		return 0;
	buf[0] = '\0';
	put_words(&p, error);
	put_answer(&p, error);
	if (error->code == -KMSC_E_DENIED)
		put_document(&p, error);
	return p.len;
}
