#include "nsm/kms/tool/kmstool_server.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nsm/kms/credentials/frame.h"
#include "nsm/kms/credentials/frames.h"
#include "nsm/kms/kmsc.h"
#include "nsm/kms/tool/kmstool_client.h"
#include "nsm/kms/tool/kmstool_words.h"
#include "nsm/kms/wire/base64.h"
#include "vsock/io.h"
#include "vsock/sock.h"

enum {
	SESSIONS_MAX = 16,
	IDLE_MS = 60 * 60 * 1000, /* between two frames */
	FRAME_MS = 60 * 1000,	  /* from a frame's first byte to its last */
	DRAIN_MS = 2000,	  /* of what is too long */
	DRAIN_MAX = 1 << 20,
	PLAINTEXT_MAX = 4096, /* of KMS's Decrypt */
};

struct server {
	const char *program;
	const char *region; /* NULL: the client's, or us-east-1 */
	const char *endpoint, *connect, *ca;
	uint32_t port, proxy_port, cid;
};

/* A connection, in its own process. */
struct session {
	const struct server *server;
	struct kmsc_client *client; /* NULL: no SetClient yet */
	int nsm;
	struct frames frames;
};

__attribute__((format(printf, 2, 3))) static int complain(
	const struct server *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	kmstool_words(s->program, format, args);
	va_end(args);
	return 1;
}

/* --- a session --- */

static int answer(struct session *s, bool is_ok, const char *message)
{
	return frames_answer(&s->frames, is_ok, message, FRAME_MS);
}

static void forget_client(struct session *s)
{
	kmsc_client_free(s->client);
	if (s->nsm >= 0)
		close(s->nsm);
	s->client = NULL;
	s->nsm = -1;
}

/* Returns the error's words, or NULL. What there was before stays after an error. */
static const char *set_client(struct session *s, const struct frame *f)
{
	const struct server *server = s->server;
	struct kmstool_client_options o = {
		.region = server->region ? server->region :
			  f->region[0]	 ? f->region :
					   "us-east-1",
		.endpoint = server->endpoint,
		.connect = server->connect,
		.ca = server->ca,
		.cid = server->cid,
		.proxy_port = server->proxy_port,
	};
	char words[KMSC_WORDS_SIZE] = "";
	struct kmsc_client *client;
	int nsm, r;

	if (server->region && f->region[0])
		return "Could not set region correctly, check configuration.";
	if (kmstool_client_new(&o, &client, &nsm, words) < 0) {
		(void)complain(server, "Could not create new client: %s",
			       words);
		return "Could not create new client";
	}
	r = kmsc_client_keys(client, f->credentials.access_key_id,
			     f->credentials.secret_access_key,
			     f->credentials.session_token[0] ?
				     f->credentials.session_token :
				     NULL);
	if (r < 0) {
		kmsc_client_free(client);
		close(nsm);
		return "Could not read credentials";
	}
	forget_client(s);
	s->client = client;
	s->nsm = nsm;
	return NULL;
}

static int answer_plaintext(struct session *s, struct nsmc_bytes plaintext)
{
	char text[(PLAINTEXT_MAX + 2) / 3 * 4 + 1];
	int r;

	if (plaintext.len > PLAINTEXT_MAX)
		return answer(s, false, "Base64 encoding error");
	base64_write(plaintext.data, plaintext.len, text);
	text[base64_len(plaintext.len)] = '\0';
	r = answer(s, true, text);
	explicit_bzero(text, sizeof(text));
	return r;
}

static int decrypt(struct session *s, const struct frame *f)
{
	static const char failed[] = "Could not decrypt ciphertext";
	struct kmsc_request request = {
		.operation = KMSC_DECRYPT,
		.any_key = true,
		.ciphertext = NSMC_BYTES(f->ciphertext, f->ciphertext_len),
		.context = f->context,
		.context_count = f->context_count,
	};
	struct kmsc_error error = { 0 };
	struct kmsc_answer *a;
	char lines[KMSC_ERROR_LINE_SIZE];
	int r;

	if (kmsc_call(s->client, &request, &a, &error) < 0) {
		(void)kmsc_error_print(&error, lines, sizeof(lines));
		(void)complain(s->server, "%s\n%s", failed, lines);
		return answer(s, false, failed);
	}
	r = answer_plaintext(s, a->plaintext);
	kmsc_answer_free(a);
	return r;
}

/* One frame, one answer. */
static int serve_frame(struct session *s, const char *end)
{
	struct frame *f = malloc(sizeof(*f));
	const char *why = f ? frame_read(s->frames.buf,
					 (size_t)(end - s->frames.buf),
					 s->client != NULL, f) :
			      "Memory allocation error";
	int r;

	frames_drop(&s->frames, end);
	if (!why && f->kind == FRAME_SET_CLIENT)
		why = set_client(s, f);
	if (!why && f->kind == FRAME_OTHER)
		why = "Operation not recognized";
	if (why)
		r = answer(s, false, why);
	else if (f->kind == FRAME_DECRYPT)
		r = decrypt(s, f);
	else
		r = answer(s, true, NULL);
	if (f)
		frame_free(f);
	free(f);
	return r;
}

static void serve(const struct server *server, int fd)
{
	struct session *s = calloc(1, sizeof(*s));
	char *end;
	int r;

	if (!s)
		return;
	s->server = server;
	s->frames.fd = fd;
	s->nsm = -1;
	do
		r = frames_next(&s->frames, IDLE_MS, FRAME_MS, &end);
	while (r == FRAMES_ONE && serve_frame(s, end) == 0);
	if (r == FRAMES_TOO_LONG)
		(void)complain(server, "Message size too large.");
	forget_client(s);
	explicit_bzero(s, sizeof(*s));
	free(s);
}

/* --- the server --- */

/* Takes the dead away; waits for one if there are as many as there may be. */
static void reap(int *sessions)
{
	while (*sessions > 0 &&
	       waitpid(-1, NULL, *sessions == SESSIONS_MAX ? 0 : WNOHANG) > 0)
		--*sessions;
}

static int accept_one(const struct server *s, int listener)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };
	uint32_t cid;
	int fd;

	for (;;) {
		fd = sock_accept(listener, &cid);
		if (fd >= 0)
			return fd;
		if (fd == -EAGAIN)
			(void)poll(&p, 1, -1);
		else if (fd != -EINTR && fd != -ECONNABORTED &&
			 fd != -ECONNRESET)
			break;
	}
	(void)complain(s, "Could not accept new connection: %s", strerror(-fd));
	return fd;
}

/* As AWS's sessions: whoever ends the server ends them, and their credentials. */
static void end_with(pid_t server)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != server)
		_exit(0);
}

static int run(const struct server *s)
{
	const pid_t server = getpid();
	int listener = sock_listen(s->port, 0), fd, sessions = 0;
	pid_t pid;

	if (listener < 0)
		return complain(s, "Could not listen on vsock port %u: %s",
				s->port, strerror(-listener));
	(void)complain(s, "Awaiting connections on vsock port %u", s->port);
	for (;;) {
		fd = accept_one(s, listener);
		if (fd < 0)
			return 1;
		reap(&sessions);
		pid = fork();
		if (pid == 0) {
			close(listener);
			end_with(server);
			serve(s, fd);
			_exit(0);
		}
		if (pid < 0)
			(void)complain(s, "Could not fork: %s",
				       strerror(errno));
		else
			sessions++;
		close(fd);
	}
}

static int show_usage(const struct server *s, int code)
{
	(void)fprintf(
		stderr,
		"usage: %s [OPTION]...\n\n"
		"    --region REGION    of KMS; else that of REGION in the environment, the\n"
		"                       client's, us-east-1\n"
		"    --port PORT        of vsock where it listens; 3000 by default\n"
		"    --proxy-port PORT  of the parent's vsock-proxy; 8000 by default\n"
		"    --endpoint HOST    of KMS; else ENDPOINT in the environment\n"
		"    --connect ADDRESS  instead of --proxy-port, as vsock:3:8000\n"
		"    --ca FILE          trust these certificates instead of Amazon's\n"
		"    --help             this text\n",
		s->program);
	return code;
}

static bool read_port(const char *text, uint32_t *ret)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || n > UINT32_MAX)
		return false;
	*ret = (uint32_t)n;
	return true;
}

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

/* The option that WORD is: its letter; 0: none. */
static char find_option(const char *word)
{
	static const struct {
		const char *name;
		char letter;
	} names[] = {
		{ "--region", 'r' },	 { "--port", 'p' },
		{ "--proxy-port", 'x' }, { "--endpoint", 'E' },
		{ "--connect", 'C' },	 { "--ca", 'A' },
		{ "--help", 'h' },
	};

	if (word[0] == '-' && word[1] && strchr("rpxh", word[1]))
		return word[1];
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(word, names[i].name) == 0)
			return names[i].letter;
	return 0;
}

static int take_option(struct server *s, char option, const char *value)
{
	switch (option) {
	case 'r':
		s->region = value;
		return 0;
	case 'E':
		s->endpoint = value;
		return 0;
	case 'C':
		s->connect = value;
		return 0;
	case 'A':
		s->ca = value;
		return 0;
	default:
		if (read_port(value, option == 'p' ? &s->port : &s->proxy_port))
			return 0;
		return complain(s, "--%s must be a number, not %s",
				option == 'p' ? "port" : "proxy-port", value);
	}
}

int kmstool_server(int argc, char **argv)
{
	struct server s = { .program = argv[0],
			    .port = 3000,
			    .proxy_port = 8000,
			    .cid = SOCK_CID_PARENT };
	char option;

	(void)prctl(PR_SET_DUMPABLE, 0);
	/* Ignored, as the program may have been started, it would take the dead away from reap. */
	(void)signal(SIGCHLD, SIG_DFL);
	for (int i = 1; i < argc; i++) {
		option = find_option(argv[i]);
		if (option == 'h')
			return show_usage(&s, 0);
		if (!option || i + 1 == argc) {
			(void)complain(&s,
				       option ? "%s needs a value" :
						"Unknown option: %s",
				       argv[i]);
			return show_usage(&s, 1);
		}
		if (take_option(&s, option, argv[++i]))
			return 1;
	}
	if (!s.region)
		s.region = variable("REGION");
	if (!s.endpoint)
		s.endpoint = variable("ENDPOINT");
	return run(&s);
}
