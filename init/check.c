#include "init/check.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init/relay.h"
#include "init/report.h"
#include "init/spec/config.h"
#include "init/spec/seccomp.h"
#include "init/spec/spec.h"
#include "init/text.h"
#include "rootfs/file.h"
#include "vsock/inside.h"

/* FILE: what: why, on a line of its own. */
static int complain(const char *file, const char *what, const char *why)
{
	struct text t;

	text_clear(&t);
	text_add(&t, file);
	if (*what) {
		text_add(&t, ": ");
		text_add(&t, what);
	}
	text_add(&t, ": ");
	text_add(&t, why);
	text_add(&t, "\n");
	(void)!write(2, t.buf, t.len);
	return 1;
}

static int complain_file(const char *file, const char *key, const char *path,
			 const char *why, const char *more)
{
	struct text what, t;

	text_clear(&what);
	text_add(&what, key);
	text_add(&what, " ");
	text_add(&what, path);
	text_clear(&t);
	text_add(&t, why);
	text_add(&t, more);
	return complain(file, text_string(&what), text_string(&t));
}

/* As the application would, for which ROOT is the root. */
static int read_in_root(int root, const char *path, size_t max,
			struct file *ret)
{
	int fd = file_open_in_root(root, path), r;

	if (fd < 0)
		return fd == -ENOLINK ? -ENOENT : fd;
	r = file_read_fd(fd, max, ret);
	close(fd);
	return r;
}

static int check_filter(const char *file, int root, const char *path,
			bool hand_over)
{
	struct file code = { 0 };
	const char *call = "", *hint;
	int r = read_in_root(root, path, SECCOMP_FILE_MAX, &code);

	if (r == 0)
		r = seccomp_check(code.data, code.len, seccomp_own_arch(),
				  hand_over, &call);
	hint = r == 0 ? seccomp_hint(code.data, code.len, seccomp_own_arch()) :
			NULL;
	file_free(&code);
	if (hint)
		(void)complain_file(file, "seccomp", path, hint, "");
	if (r == 0)
		return 0;
	return complain_file(
		file, "seccomp", path,
		seccomp_error_text(r == -EFBIG ? -SECCOMP_E_SIZE : r), call);
}

static int check_variables(const char *file, int root,
			   const struct config_service *s)
{
	struct file text = { 0 }, vector = { 0 };
	size_t count = 0, line;
	int r = read_in_root(root, s->environment_file, SPEC_FILE_MAX, &text);

	if (r == -ENOENT && s->environment_file_may_lack)
		return 0;
	if (r == 0)
		r = file_alloc((spec_count_lines(text.data, text.len) + 1) *
				       sizeof(char *),
			       &vector);
	if (r == 0)
		r = spec_parse_env_file(text.data, text.len,
					(char **)(void *)vector.data, &count,
					&line);
	file_free(&vector);
	file_free(&text);
	return r < 0 ? complain_file(file, "environment-file",
				     s->environment_file, spec_error_text(r),
				     "") :
		       0;
}

static int check_root(const char *file, const char *path,
		      const struct config *c)
{
	int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC), bad = 0;

	if (root < 0)
		return complain(path, "", strerror(errno));
	for (size_t i = 0; i < c->service_count; i++) {
		const struct config_service *s = &c->services[i];

		if (s->seccomp)
			bad |= check_filter(file, root, s->seccomp,
					    c->hand_over);
		if (s->environment_file)
			bad |= check_variables(file, root, s);
	}
	close(root);
	return bad;
}

/* --- relay's lines --- */

enum { EXIT_BAD_PLAN = 2, EXIT_NO_RELAY = 127 };

/* Beside this program, as it is built and installed; else as an image has it. */
static void exec_relay(void)
{
	char name[] = "relay", inside[] = "inside", check[] = "--check";
	char *const argv[] = { name, inside, check, NULL }, *const envp[] = {
		NULL
	};
	char path[PATH_MAX], *slash;
	ssize_t n = readlink("/proc/self/exe", path,
			     sizeof(path) - sizeof("relay"));

	path[n > 0 ? n : 0] = '\0';
	slash = strrchr(path, '/');
	if (slash) {
		memcpy(slash + 1, name, sizeof(name));
		(void)execve(path, argv, envp);
	}
	(void)execve(INSIDE_IMAGE_PATH, argv, envp);
	_exit(EXIT_NO_RELAY);
}

/* It says itself what is wrong. */
static int check_relayed(const char *file, const struct config *c)
{
	int plan, status = -1;
	pid_t pid;

	if (c->relayed_count == 0)
		return 0;
	plan = relay_plan(c);
	if (plan < 0)
		return complain(file, "relay", strerror(-plan));
	pid = _Fork();
	if (pid == 0) {
		if (dup2(plan, INSIDE_PLAN_FD) == INSIDE_PLAN_FD)
			exec_relay();
		_exit(EXIT_NO_RELAY);
	}
	close(plan);
	if (pid > 0)
		(void)waitpid(pid, &status, 0);
	if (status == 0)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_BAD_PLAN)
		return 1;
	(void)complain(file, "relay",
		       "not found, so the lines for it were not checked");
	return 0;
}

/* What is right and may not be what was meant. */
static void hint(const char *file, const struct config *c)
{
	const char *word;

	for (size_t i = 0; i < c->service_count; i++) {
		word = config_find_quote(&c->services[i].command);
		if (word)
			(void)complain_file(file, "command", word,
					    config_quote_hint, "");
		if (config_goes_around(c, &c->services[i]))
			(void)complain_file(
				file, "vsock", c->services[i].supervision.name,
				"it may open its own sockets to the parent, "
				"past egress and dns-forward: vsock = none "
				"forbids it",
				"");
	}
}

int check_config(const char *file, const char *root)
{
	struct config_fault fault = { 0 };
	struct file text = { 0 }, memory = { 0 };
	struct config *c;
	struct text why;
	int r;

	r = file_read(AT_FDCWD, file, CONFIG_FILE_MAX, &text);
	if (r == 0)
		r = file_alloc(sizeof(*c), &memory);
	c = (struct config *)(void *)memory.data;
	if (r == 0 && c)
		r = config_parse(text.data, text.len, c, &fault);
	if (r < 0 || !c) {
		text_clear(&why);
		report_config(r, &fault, &why);
		return complain(file, "", text_string(&why));
	}
	hint(file, c);
	r = check_relayed(file, c);
	return root ? check_root(file, root, c) | r : r;
}
