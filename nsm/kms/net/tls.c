#include "nsm/kms/net/tls.h"

#include <errno.h>
#include <mbedtls/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "nsm/kms/kmsc.h"
#include "nsm/kms/net/chain.h"
#include "nsm/kms/net/generator.h"
#include "nsm/kms/net/trust.h"
#include "vsock/io.h"

/*
 * Records to send are kept until an answer is waited for: a client's three of a handshake, and
 * those of a request, leave at once. Each by itself would wait for an acknowledgement of
 * the one before, in the TCP of a proxy as well (Nagle's algorithm).
 */
enum { OUT_SIZE = 16384 };

struct tls {
	mbedtls_ssl_context ssl;
	mbedtls_ssl_config conf;
	struct generator generator;
	struct chain_check check;
	int fd;
	int64_t deadline_ms; /* of what is being done */
	size_t received;
	int error;		/* of the descriptor, by f_send or f_recv */
	size_t out_at, out_len; /* of OUT: what is still to send */
	uint8_t out[OUT_SIZE];
};

/* --- the descriptor --- */

static int transport_error(struct tls *t, int r)
{
	t->error = r == -ECONNRESET || r == -EPIPE ? -KMSC_E_CLOSED : r;
	return MBEDTLS_ERR_SSL_INTERNAL_ERROR; /* own_error has it */
}

/* 0, or mbedTLS's error. */
static int flush(struct tls *t)
{
	ssize_t n;

	while (t->out_len > 0) {
		n = send(t->fd, t->out + t->out_at, t->out_len, MSG_NOSIGNAL);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return MBEDTLS_ERR_SSL_WANT_WRITE;
		if (n < 0)
			return transport_error(t, -errno);
		t->out_at += (size_t)n;
		t->out_len -= (size_t)n;
	}
	t->out_at = 0;
	return 0;
}

static int send_bytes(void *ctx, const unsigned char *buf, size_t len)
{
	struct tls *t = ctx;
	size_t end = t->out_at + t->out_len;
	int r;

	if (len > OUT_SIZE - end) {
		r = flush(t);
		if (r < 0)
			return r;
		end = 0;
	}
	if (len > OUT_SIZE)
		len = OUT_SIZE;
	memcpy(t->out + end, buf, len);
	t->out_len += len;
	return (int)len;
}

/*
 * mbedTLS skips warnings by itself, without end: a peer that sends nothing else is stopped
 * here, by time and by bytes.
 */
static int receive_bytes(void *ctx, unsigned char *buf, size_t len)
{
	struct tls *t = ctx;
	ssize_t n;
	int r;

	r = flush(t);
	if (r < 0)
		return r;
	if (io_now_ms() >= t->deadline_ms)
		return transport_error(t, -KMSC_E_TIMEOUT);
	if (t->received >= TLS_RECEIVE_MAX)
		return transport_error(t, -KMSC_E_TOO_LONG);
	n = recv(t->fd, buf, len, 0);
	if (n > 0)
		t->received += (size_t)n;
	if (n >= 0)
		return (int)
			n; /* 0: mbedTLS makes MBEDTLS_ERR_SSL_CONN_EOF of it */
	if (errno == EAGAIN || errno == EINTR)
		return MBEDTLS_ERR_SSL_WANT_READ;
	return transport_error(t, -errno);
}

/*
 * R of mbedTLS: true if it is to be called again, now that the descriptor is ready. False: it
 * failed, or t->error is set.
 */
static bool is_again(struct tls *t, int r)
{
	struct pollfd p = { .fd = t->fd };
	int64_t left = t->deadline_ms - io_now_ms();
	int n;

	if (r == MBEDTLS_ERR_SSL_WANT_READ)
		p.events = POLLIN;
	else if (r == MBEDTLS_ERR_SSL_WANT_WRITE)
		p.events = POLLOUT;
	else
		return false;
	if (left <= 0) {
		t->error = -KMSC_E_TIMEOUT;
		return false;
	}
	n = poll(&p, 1, left > INT32_MAX ? INT32_MAX : (int)left);
	if (n >= 0 || errno == EINTR)
		return true;
	t->error = -errno;
	return false;
}

/* --- errors --- */

static const struct {
	uint8_t alert;
	const char *name;
} alerts[] = {
	{ 10, "unexpected_message" },
	{ 20, "bad_record_mac" },
	{ 40, "handshake_failure" },
	{ 42, "bad_certificate" },
	{ 47, "illegal_parameter" },
	{ 50, "decode_error" },
	{ 51, "decrypt_error" },
	{ 70, "protocol_version: no TLS 1.2" },
	{ 71, "insufficient_security" },
	{ 80, "internal_error" },
	{ 112, "unrecognized_name: not its host" },
	{ 116, "certificate_required" },
	{ 120, "no_application_protocol" },
};

static void say_alert(const struct tls *t, char *words)
{
	const uint8_t *message = t->ssl.MBEDTLS_PRIVATE(in_msg);
	const char *name = "an alert without a common name";
	unsigned alert = message ? message[1] : 0;

	for (size_t i = 0; i < sizeof(alerts) / sizeof(alerts[0]); i++)
		if (alerts[i].alert == alert)
			name = alerts[i].name;
	(void)snprintf(words, TLS_WORDS_SIZE,
		       "the peer ended TLS with alert %u, %s", alert, name);
}

/* mbedTLS's own ranges: of X.509, and of the keys in certificates. */
static bool is_of_certificate(int r)
{
	return (r <= MBEDTLS_ERR_X509_FEATURE_UNAVAILABLE &&
		r >= MBEDTLS_ERR_X509_FATAL_ERROR) ||
	       (r <= MBEDTLS_ERR_PK_BUFFER_TOO_SMALL &&
		r >= MBEDTLS_ERR_PK_ALLOC_FAILED);
}

static const char *reason(int r)
{
	switch (r) {
	case MBEDTLS_ERR_SSL_INVALID_RECORD:
		return "what the peer sends is not TLS: does it expect plain HTTP?";
	case MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION:
		return "the peer does not speak TLS 1.2";
	case MBEDTLS_ERR_SSL_INVALID_MAC:
		return "a record was altered on its way";
	case MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE:
	case MBEDTLS_ERR_SSL_ILLEGAL_PARAMETER:
		return "the peer chose what was not offered";
	case MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE:
	case MBEDTLS_ERR_SSL_UNEXPECTED_RECORD:
		return "the peer sent a message out of order";
	case MBEDTLS_ERR_SSL_NO_APPLICATION_PROTOCOL:
		return "the peer does not speak HTTP/1.1";
	default:
		return is_of_certificate(r) ?
			       "the peer's certificates cannot be read" :
			       "the handshake or a record is not as TLS 1.2 has it";
	}
}

static bool is_no_memory(int r)
{
	return r == MBEDTLS_ERR_SSL_ALLOC_FAILED ||
	       r == MBEDTLS_ERR_X509_ALLOC_FAILED ||
	       r == MBEDTLS_ERR_PK_ALLOC_FAILED ||
	       (-r & 0x7f) == -MBEDTLS_ERR_MPI_ALLOC_FAILED;
}

/* ERROR: of the descriptor. */
static void say_transport(int error, size_t received, char *words)
{
	const char *text;

	if (error == -KMSC_E_TIMEOUT)
		text = received > 0 ?
			       "no more bytes came in time" :
			       "no answer in time: is vsock-proxy running, are its workers taken?";
	else if (error == -KMSC_E_CLOSED)
		text = received > 0 ?
			       "the peer closed the connection" :
			       "the peer closed the connection without an answer: can vsock-proxy reach the endpoint?";
	else if (error == -KMSC_E_TOO_LONG)
		text = "the peer sends without end";
	else
		text = nsmc_error_text(error);
	(void)snprintf(words, TLS_WORDS_SIZE, "%s", text);
}

/* What is known beside R, mbedTLS's result: an error of ours, or 0. */
static int own_error(const struct tls *t, int r)
{
	if (t->error < 0)
		return t->error;
	if (t->generator.seed.error < 0)
		return t->generator.seed.error;
	if (r == MBEDTLS_ERR_SSL_CONN_EOF ||
	    r == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)
		return -KMSC_E_CLOSED;
	return is_no_memory(r) ? -ENOMEM : 0;
}

/* Makes an error of ours of R, a negative result of mbedTLS, with words. */
static int failed(struct tls *t, int r, char words[TLS_WORDS_SIZE])
{
	int error = own_error(t, r);

	if (error < 0) {
		say_transport(error, t->received, words);
		return error;
	}
	switch (r) {
	case MBEDTLS_ERR_SSL_BAD_CERTIFICATE: /* of another use, or curve */
	case MBEDTLS_ERR_X509_CERT_VERIFY_FAILED:
		chain_words(&t->check, mbedtls_ssl_get_verify_result(&t->ssl));
		(void)snprintf(words, TLS_WORDS_SIZE, "%s", t->check.words);
		return -KMSC_E_CERTIFICATE;
	case MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE:
		say_alert(t, words);
		return -KMSC_E_TLS;
	default:
		(void)snprintf(words, TLS_WORDS_SIZE, "%s (-0x%04x)", reason(r),
			       (unsigned)-r);
		return -KMSC_E_TLS;
	}
}

/* --- the connection --- */

static int configure(struct tls *t, const struct tls_setup *setup)
{
	static const char *const protocols[] = { "http/1.1", NULL };
	mbedtls_ssl_config *conf = &t->conf;

	if (mbedtls_ssl_config_defaults(conf, MBEDTLS_SSL_IS_CLIENT,
					MBEDTLS_SSL_TRANSPORT_STREAM,
					MBEDTLS_SSL_PRESET_DEFAULT) < 0)
		return -ENOMEM;
	mbedtls_ssl_conf_authmode(conf, MBEDTLS_SSL_VERIFY_REQUIRED);
	mbedtls_ssl_conf_ca_chain(conf, trust_roots(setup->trust), NULL);
	mbedtls_ssl_conf_verify(conf, chain_certificate, &t->check);
	mbedtls_ssl_conf_rng(conf, generator_random, &t->generator);
	if (mbedtls_ssl_conf_alpn_protocols(
		    conf, (const char **)(uintptr_t)protocols) < 0 ||
	    mbedtls_ssl_setup(&t->ssl, conf) < 0 ||
	    mbedtls_ssl_set_hostname(&t->ssl, setup->host) < 0)
		return -ENOMEM;
	mbedtls_ssl_set_bio(&t->ssl, t, send_bytes, receive_bytes, NULL);
	return 0;
}

static int start(struct tls *t, const struct tls_setup *setup, char *words)
{
	int r;

	if (!chain_begin(&t->check, setup->host, setup->now_s)) {
		(void)snprintf(words, TLS_WORDS_SIZE,
			       "the NSM's time is no time");
		return -KMSC_E_CERTIFICATE;
	}
	r = generator_start(&t->generator, setup->nsm_fd, setup->seed);
	if (r == 0)
		r = configure(t, setup);
	if (r < 0)
		(void)snprintf(words, TLS_WORDS_SIZE, "%s", nsmc_error_text(r));
	return r;
}

static int shake_hands(struct tls *t, char *words)
{
	int r;

	do
		r = mbedtls_ssl_handshake(&t->ssl);
	while (is_again(t, r));
	if (r < 0 || t->error < 0)
		return failed(t, r, words);
	/* Cannot be, as long as mbedTLS calls chain_certificate. */
	if (!t->check.is_leaf_checked ||
	    mbedtls_ssl_get_verify_result(&t->ssl) != 0)
		return failed(t, MBEDTLS_ERR_X509_CERT_VERIFY_FAILED, words);
	return 0;
}

int tls_connect(const struct tls_setup *setup, int fd, int64_t deadline_ms,
		struct tls **ret, char reterr_words[TLS_WORDS_SIZE])
{
	struct tls *t = calloc(1, sizeof(*t));
	int r;

	if (!t) {
		(void)snprintf(reterr_words, TLS_WORDS_SIZE, "no memory");
		return -ENOMEM;
	}
	t->fd = fd;
	t->deadline_ms = deadline_ms;
	mbedtls_ssl_init(&t->ssl);
	mbedtls_ssl_config_init(&t->conf);
	r = start(t, setup, reterr_words);
	if (r == 0)
		r = shake_hands(t, reterr_words);
	if (r == 0)
		*ret = t;
	else
		tls_free(t);
	return r;
}

int tls_write(struct tls *tls, const void *buf, size_t len, int64_t deadline_ms,
	      char reterr_words[TLS_WORDS_SIZE])
{
	const uint8_t *at = buf;
	int n;

	tls->deadline_ms = deadline_ms;
	while (len > 0) {
		n = mbedtls_ssl_write(&tls->ssl, at, len);
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		} else if (!is_again(tls, n)) {
			return failed(tls, n, reterr_words);
		}
	}
	return 0; /* the rest leaves when an answer is read */
}

int tls_read(struct tls *tls, void *buf, size_t cap, int64_t deadline_ms,
	     char reterr_words[TLS_WORDS_SIZE])
{
	int n;

	tls->deadline_ms = deadline_ms;
	do
		n = mbedtls_ssl_read(&tls->ssl, buf, cap);
	while (is_again(tls, n));
	if (n > 0)
		return n;
	if (tls->error == 0 &&
	    (n == 0 || n == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY))
		return 0;
	return failed(tls, n, reterr_words);
}

void tls_free(struct tls *tls)
{
	if (!tls)
		return;
	if (mbedtls_ssl_is_handshake_over(&tls->ssl))
		(void)mbedtls_ssl_close_notify(&tls->ssl);
	(void)flush(tls);
	mbedtls_ssl_free(&tls->ssl);
	mbedtls_ssl_config_free(&tls->conf);
	generator_end(&tls->generator);
	explicit_bzero(tls, sizeof(*tls));
	free(tls);
}
