#include "nsm/kms/credentials/metadata.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "nsm/kms/credentials/reason.h"
#include "nsm/kms/credentials/shape.h"
#include "nsm/kms/wire/http.h"

static const char roles[] = "/latest/meta-data/iam/security-credentials/";

static int copy(char *to, size_t max, const char *from, size_t len)
{
	if (len > max || memchr(from, '\0', len))
		return -EINVAL;
	memcpy(to, from, len);
	to[len] = '\0';
	return 0;
}

int metadata_begin(struct metadata *m, const char *role, size_t len)
{
	metadata_wipe(m);
	m->step = METADATA_TOKEN;
	return len ? copy(m->role, METADATA_ROLE_MAX, role, len) : 0;
}

int metadata_begin_container(struct metadata *m, const char *path,
			     size_t path_len, const char *host, size_t host_len,
			     const char *authorization)
{
	int r;

	metadata_wipe(m);
	m->step = METADATA_CONTAINER;
	r = copy(m->path, METADATA_PATH_MAX, path, path_len);
	if (r == 0)
		r = copy(m->host, METADATA_HOST_MAX, host, host_len);
	if (r == 0 && authorization)
		r = copy(m->authorization, METADATA_AUTHORIZATION_MAX,
			 authorization, strlen(authorization));
	return r;
}

int metadata_request(const struct metadata *m, char buf[METADATA_REQUEST_CAP],
		     size_t *ret_len)
{
	char path[METADATA_PATH_MAX + 1];
	struct http_field fields[3] = {
		{ "Host",
		  m->step == METADATA_CONTAINER ? m->host : "169.254.169.254" },
		{ "User-Agent", "libkmsc" },
	};
	struct http_request r = {
		.method = "GET", .path = path, .fields = fields, .count = 3
	};

	switch (m->step) {
	case METADATA_TOKEN:
		fields[2] = (struct http_field){
			"X-aws-ec2-metadata-token-ttl-seconds", "21600"
		};
		r.method = "PUT";
		r.path = "/latest/api/token";
		r.has_body = true;
		break;
	case METADATA_ROLE:
	case METADATA_CREDENTIALS:
		fields[2] = (struct http_field){ "X-aws-ec2-metadata-token",
						 m->token };
		(void)snprintf(path, sizeof(path), "%s%s", roles,
			       m->step == METADATA_ROLE ? "" : m->role);
		break;
	case METADATA_CONTAINER:
		fields[2] = (struct http_field){ "Authorization",
						 m->authorization };
		r.path = m->path;
		r.count = m->authorization[0] ? 3 : 2;
		break;
	}
	return http_request_head(&r, buf, METADATA_REQUEST_CAP, ret_len);
}

/* --- answers --- */

/* The LEN bytes without blanks and line ends after them. */
static size_t trimmed(const char *text, size_t len)
{
	while (len && strchr(" \t\r\n", text[len - 1]) && text[len - 1])
		len--;
	return len;
}

static int take_token(struct metadata *m, unsigned status, const char *body,
		      size_t len, char words[KMSC_WORDS_SIZE])
{
	if (status == 403)
		return reason(
			words, -KMSC_E_NO_CREDENTIALS,
			"IMDS gives no token (403): it is switched off, or its hop limit forbids this way");
	if (status == 404 || status == 405)
		return reason(
			words, -KMSC_E_NO_CREDENTIALS,
			"what answers is no IMDS of version 2 (status %u to a PUT for a token)",
			status);
	if (status != 200)
		return reason(words, -KMSC_E_NO_CREDENTIALS,
			      "IMDS gives no token: status %u", status);
	len = trimmed(body, len);
	if (len == 0 || copy(m->token, METADATA_TOKEN_MAX, body, len) < 0 ||
	    !http_is_field("X-aws-ec2-metadata-token", m->token))
		return reason(words, -KMSC_E_CREDENTIALS,
			      "IMDS's token is not one");
	m->step = m->role[0] ? METADATA_CREDENTIALS : METADATA_ROLE;
	return 1;
}

static bool is_role(const char *s)
{
	for (; *s; s++)
		if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
		      (*s >= '0' && *s <= '9') || strchr("_+=,.@-", *s)))
			return false;
	return true;
}

static int take_role(struct metadata *m, unsigned status, const char *body,
		     size_t len, char words[KMSC_WORDS_SIZE])
{
	const char *end;

	if (status == 404)
		return reason(
			words, -KMSC_E_NO_CREDENTIALS,
			"IMDS knows no role (404): the instance has no instance profile");
	if (status != 200)
		return reason(words, -KMSC_E_NO_CREDENTIALS,
			      "IMDS names no role: status %u", status);
	end = memchr(body, '\n', len);
	len = trimmed(body, end ? (size_t)(end - body) : len);
	if (len == 0)
		return reason(words, -KMSC_E_NO_CREDENTIALS,
			      "IMDS names no role: its answer is empty");
	if (copy(m->role, METADATA_ROLE_MAX, body, len) < 0 ||
	    !is_role(m->role)) {
		m->role[0] = '\0';
		return reason(words, -KMSC_E_CREDENTIALS,
			      "the role that IMDS names is not a role's name");
	}
	m->step = METADATA_CREDENTIALS;
	return 1;
}

static int take_credentials(const struct metadata *m, unsigned status,
			    const char *body, size_t len,
			    struct kmsc_credentials *ret,
			    char words[KMSC_WORDS_SIZE])
{
	bool is_container = m->step == METADATA_CONTAINER;
	const char *whose = is_container ? "the endpoint" : "IMDS";
	int r;

	if (status == 404 && !is_container)
		return reason(words, -KMSC_E_NO_CREDENTIALS,
			      "IMDS knows no role %s (404)", m->role);
	if (is_container && (status == 401 || status == 403))
		return reason(
			words, -KMSC_E_NO_CREDENTIALS,
			"the endpoint refuses the authorization token (%u)",
			status);
	if (status != 200)
		return reason(words, -KMSC_E_NO_CREDENTIALS,
			      "%s gives no credentials: status %u", whose,
			      status);
	r = shape_read_json(body, len, ret, words);
	return r == -KMSC_E_CREDENTIALS ?
		       reason(words, r, "credentials of %s: %s", whose, words) :
		       r;
}

int metadata_answer(struct metadata *m, unsigned status, const char *body,
		    size_t len, struct kmsc_credentials *ret,
		    char words[KMSC_WORDS_SIZE])
{
	if (status >= 500 || status == 429)
		return reason(words, -EAGAIN, "%s has trouble: status %u",
			      m->step == METADATA_CONTAINER ? "the endpoint" :
							      "IMDS",
			      status);
	/* A token ends after its time; a service that forgets it at once has no new one. */
	if (status == 401 && !m->is_restarted &&
	    (m->step == METADATA_ROLE || m->step == METADATA_CREDENTIALS)) {
		m->is_restarted = true;
		explicit_bzero(m->token, sizeof(m->token));
		m->step = METADATA_TOKEN;
		return 1;
	}
	switch (m->step) {
	case METADATA_TOKEN:
		return take_token(m, status, body, len, words);
	case METADATA_ROLE:
		return take_role(m, status, body, len, words);
	case METADATA_CREDENTIALS:
	case METADATA_CONTAINER:
		break;
	}
	return take_credentials(m, status, body, len, ret, words);
}

void metadata_wipe(struct metadata *m)
{
	explicit_bzero(m, sizeof(*m));
}
