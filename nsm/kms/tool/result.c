#include "nsm/kms/tool/result.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nsm/kms/kmsc.h"
#include "nsm/kms/tool/commands.h"
#include "nsm/kms/tool/settings.h"
#include "nsm/kms/wire/json.h"
#include "nsm/kms/wire/operations.h"
#include "nsm/tool/code.h"
#include "nsm/tool/out_file.h"

enum { JSON_CAP = OPERATIONS_BODY_MAX };

static const char *name_of(const struct out *o)
{
	const char *slash = strrchr(o->path, '/');

	return slash ? slash + 1 : o->path;
}

/* False: it cannot be looked at. */
static bool folder_of(const struct out *o, char *path, struct stat *ret)
{
	int len = (int)(name_of(o) - o->path);

	(void)snprintf(path, sizeof(o->path), "%.*s.", len, o->path);
	return stat(path, ret) == 0;
}

/* True if both become one file, however they are named. */
static bool is_same_file(const struct out *a, const struct out *b)
{
	char path[sizeof(a->path)];
	struct stat at_a, at_b;

	if (!a->renames || !b->renames || strcmp(name_of(a), name_of(b)) != 0)
		return false;
	return folder_of(a, path, &at_a) && folder_of(b, path, &at_b) &&
	       at_a.st_dev == at_b.st_dev && at_a.st_ino == at_b.st_ino;
}

/* The one that is written last would be all that is left. */
static int check_files(const struct tool *t, const struct result *r)
{
	if (is_same_file(&r->secret, &r->ciphertext) ||
	    is_same_file(&r->public, &r->ciphertext) ||
	    is_same_file(&r->public, &r->secret))
		return tool_usage(t, "--out", "a file is for one of them");
	return 0;
}

int result_open(const struct tool *t, const struct settings *set,
		struct result *ret)
{
	int r = 0;

	out_fd(&ret->secret, -1);
	out_fd(&ret->ciphertext, -1);
	out_fd(&ret->public, -1);
	if (set->request.dry_run)
		return 0;
	r = out_open(t, &ret->secret, set->out, 0600, false);
	if (r == 0)
		r = out_open(t, &ret->ciphertext, set->ciphertext_out, 0666,
			     false);
	if (r == 0)
		r = out_open(t, &ret->public, set->public_out, 0666, false);
	return r ? r : check_files(t, ret);
}

void result_abort(struct result *r)
{
	out_abort(&r->secret);
	out_abort(&r->ciphertext);
	out_abort(&r->public);
}

/* --- an answer --- */

static void put_base64(struct out *out, struct nsmc_bytes bytes)
{
	out_base64(out, bytes.data, bytes.len);
	out_text(out, "\n");
}

/* What is no secret: as it is in a file that was named, else as a line of base64. */
static int write_open(const struct tool *t, struct out *out, const char *path,
		      struct nsmc_bytes bytes)
{
	if (path)
		out_bytes(out, bytes.data, bytes.len);
	else
		put_base64(out, bytes);
	return out_commit(t, out);
}

/*
 * The secret is the last, so that there never is one without what it takes to get it again.
 */
static int write_parts(const struct tool *t, const struct settings *set,
		       const struct kmsc_answer *a, struct result *to)
{
	int r = 0;

	if (a->ciphertext_blob.data)
		r = write_open(t, &to->ciphertext, set->ciphertext_out,
			       a->ciphertext_blob);
	if (r == 0 && a->public_key.data)
		r = write_open(t, &to->public, set->public_out, a->public_key);
	if (r)
		return r;
	if (set->base64)
		put_base64(&to->secret, a->plaintext);
	else
		out_bytes(&to->secret, a->plaintext.data, a->plaintext.len);
	return out_commit(t, &to->secret);
}

/* One line, with the members that the local API has. */
static int write_json(const struct tool *t, const struct settings *set,
		      const struct kmsc_answer *answer, struct out *out)
{
	char *text = malloc(JSON_CAP);
	size_t len = 0;
	int r;

	if (!text)
		return tool_fail(t, TOOL_FILE, NULL, "out of memory");
	r = operations_write_answer(operations_of(set->request.operation),
				    OPERATIONS_LOWER, answer, text, JSON_CAP,
				    &len);
	if (r < 0) {
		r = tool_fail(t, TOOL_REFUSED, NULL, "%s", kmsc_error_text(r));
	} else {
		out_bytes(out, text, len);
		out_text(out, "\n");
		r = out_commit(t, out);
	}
	explicit_bzero(text, JSON_CAP);
	free(text);
	return r;
}

int result_write(const struct tool *t, const struct settings *set,
		 const struct kmsc_answer *answer, struct result *r)
{
	int code = TOOL_DONE;

	/* Who ignores that it is a dry run has made something that nobody wants. */
	if (!set->request.dry_run)
		code = set->json ? write_json(t, set, answer, &r->secret) :
				   write_parts(t, set, answer, r);
	result_abort(r);
	return code;
}

/* --- a refusal --- */

static int code_of_ours(const struct kmsc_error *error)
{
	switch (-error->code) {
	case KMSC_E_REGION:
	case KMSC_E_ENDPOINT:
	case KMSC_E_ADDRESS:
	case KMSC_E_KEY_ARN:
	case KMSC_E_KEY_MISSING:
	case KMSC_E_KEY_REGION:
	case KMSC_E_REQUEST:
	case KMSC_E_OPERATION:
		return TOOL_USAGE;
	case KMSC_E_NO_NSM:
		return TOOL_NO_NSM;
	case KMSC_E_NO_CREDENTIALS:
	case KMSC_E_CREDENTIALS:
	case KMSC_E_CREDENTIALS_REFUSED:
		return COMMANDS_CREDENTIALS;
	case KMSC_E_CONNECT:
	case KMSC_E_CLOSED:
	case KMSC_E_TIMEOUT:
	case KMSC_E_TLS:
	case KMSC_E_CERTIFICATE:
	case KMSC_E_HTTP:
	case KMSC_E_TOO_LONG:
	case KMSC_E_THROTTLED:
	case KMSC_E_UNAVAILABLE:
		return COMMANDS_UNREACHED;
	case KMSC_E_DRY_RUN:
		return TOOL_DONE;
	default:
		return TOOL_REFUSED;
	}
}

/* An error of the NSM's, or of the system, by where it happened. */
static int code_of_step(const struct kmsc_error *error)
{
	switch (error->step) {
	case KMSC_STEP_DOCUMENT:
		if (error->code == -ENOENT || error->code == -ENODEV ||
		    error->code == -ENXIO)
			return TOOL_NO_NSM;
		return error->code == -ENOMEM ? TOOL_FILE : TOOL_NSM;
	case KMSC_STEP_CREDENTIALS:
		return COMMANDS_CREDENTIALS;
	case KMSC_STEP_CONNECT:
	case KMSC_STEP_TLS:
	case KMSC_STEP_SEND:
		if (error->code == -ENOMEM || error->code == -EMFILE ||
		    error->code == -ENFILE)
			return TOOL_FILE;
		/* Random bytes for TLS are the NSM's. */
		return nsmc_error_name(error->code) ? TOOL_NSM :
						      COMMANDS_UNREACHED;
	case KMSC_STEP_OPEN:
		return nsmc_error_name(error->code) ? TOOL_REFUSED : TOOL_FILE;
	case KMSC_STEP_REQUEST:
	case KMSC_STEP_ANSWER:
	default:
		return TOOL_FILE;
	}
}

static int code_of(const struct kmsc_error *error)
{
	if (kmsc_error_name(error->code) && !nsmc_error_name(error->code))
		return code_of_ours(error);
	return code_of_step(error);
}

static void put_hex(struct json_out *j, const char *name,
		    const uint8_t pcr[NSMC_PCR_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	char hex[2 * NSMC_PCR_SIZE];

	for (size_t i = 0; i < NSMC_PCR_SIZE; i++) {
		hex[2 * i] = digits[pcr[i] >> 4];
		hex[2 * i + 1] = digits[pcr[i] & 15];
	}
	json_put_text_of(j, name, hex, sizeof(hex));
}

static void put_document(struct json_out *j, const struct kmsc_error *error)
{
	char time[CODE_TIME_CAP], name[] = "0";

	code_time_text((uint64_t)error->time_ms, time);
	json_put_object(j, "document");
	json_put_text(j, "time", time);
	json_put_bool(j, "debug", error->debug != NSMC_DEBUG_NO);
	json_put_object(j, "pcrs");
	for (unsigned i = 0; i < 9; i++) {
		if (!(error->pcrs & 1U << i))
			continue;
		name[0] = (char)('0' + i);
		put_hex(j, name, error->pcr[i]);
	}
	json_put_object_end(j);
	json_put_object_end(j);
}

static void put_known(struct json_out *j, const char *name, const char *text)
{
	if (text && *text)
		json_put_text(j, name, text);
}

static int print_json(const struct tool *t, const struct kmsc_error *error,
		      int code)
{
	char text[8192];
	struct json_out j;
	struct out out;
	size_t len = 0;

	json_out_begin(&j, text, sizeof(text));
	json_put_object(&j, NULL);
	json_put_object(&j, "error");
	put_known(&j, "code", kmsc_error_name(error->code));
	json_put_text(&j, "message",
		      *error->words ? error->words :
				      kmsc_error_text(error->code));
	put_known(&j, "aws_code", error->aws_code);
	put_known(&j, "aws_message", error->message);
	put_known(&j, "request_id", error->request_id);
	if (error->status)
		json_put_number(&j, "status", (uint64_t)error->status);
	json_put_number(&j, "attempts", (uint64_t)error->attempts);
	put_known(&j, "key", error->key);
	if (error->has_document)
		put_document(&j, error);
	json_put_object_end(&j);
	json_put_object_end(&j);
	if (json_out_end(&j, &len) < 0)
		return code;
	(void)out_open(t, &out, NULL, 0, false);
	out_bytes(&out, text, len);
	out_text(&out, "\n");
	return out_commit(t, &out) ? TOOL_FILE : code;
}

int result_refuse(const struct tool *t, const struct settings *set,
		  const struct kmsc_error *error)
{
	char text[KMSC_ERROR_LINE_SIZE];
	const int code = code_of(error);
	char *line = text, *end;

	if (code == TOOL_DONE)
		return code;
	if (code == TOOL_USAGE)
		return tool_usage(t, NULL, "%s",
				  *error->words ? error->words :
						  kmsc_error_text(error->code));
	(void)kmsc_error_print(error, text, sizeof(text));
	for (; line; line = end) {
		end = strchr(line, '\n');
		if (end)
			*end++ = '\0';
		(void)tool_fail(t, code, NULL, "%s", line);
	}
	return set->json ? print_json(t, error, code) : code;
}
