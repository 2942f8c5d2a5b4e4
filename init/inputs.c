#include "init/inputs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init/boot.h"
#include "init/parent.h"
#include "init/report.h"
#include "init/spec/spec.h"

enum { ENV_WARNINGS = 16 }; /* lines of /env that are told, if skipped */

/* Not the line itself: it is mostly the rest of a value, of a key for example. */
static void warn_skipped(void *ctx, size_t line, const char *text)
{
	struct boot *b = ctx;
	struct text t;

	(void)text;
	if (++b->env_skipped > ENV_WARNINGS)
		return;
	text_clear(&t);
	text_add(&t, "line ");
	text_add_number(&t, (long long)line);
	text_add(&t, " is not NAME=VALUE, skipped");
	log_line(boot_steps[b->step].name, "/env", text_string(&t));
}

static void warn_more_skipped(const struct boot *b)
{
	struct text t;

	text_clear(&t);
	text_add(&t, "skipped as well: ");
	text_add_number(&t, (long long)(b->env_skipped - ENV_WARNINGS));
	text_add(&t, " lines");
	log_line(boot_steps[b->step].name, "/env", text_string(&t));
}

static int fail_spec(struct boot *b, const char *file, int r, size_t line)
{
	struct text t;

	/* What is missing is most likely missing because of that. */
	if (boot_check_initramfs(b) < 0)
		return -1;
	text_clear(&t);
	report_spec(r, line, &t);
	return boot_fail(b, file, text_string(&t));
}

/* The configuration's command is there; /cmd then does not count. */
static bool has_command(const struct boot *b)
{
	return b->config->services[0].command.first;
}

/* One piece of memory for both vectors, each with a NULL at its end. */
static int alloc_vectors(struct boot *b)
{
	size_t args = spec_count_lines(b->cmd.data, b->cmd.len);
	size_t vars = spec_count_lines(b->env.data, b->env.len);
	int r = file_alloc((args + vars + 2) * sizeof(char *), &b->vectors);

	if (r < 0)
		return r;
	b->app_argv = (char **)(void *)b->vectors.data;
	b->app_envp = b->app_argv + args + 1;
	return 0;
}

static int fail_config(struct boot *b, int r, const struct config_fault *fault)
{
	struct text t;

	if (boot_check_initramfs(b) < 0)
		return -1;
	text_clear(&t);
	report_config(r, fault, &t);
	return boot_fail(b, b->config_name, text_string(&t));
}

/*
 * Opens the configuration: what lies beside /cmd wins over the image's own. A link
 * to nothing is a file that is missing; no file at all is -ENOENT.
 */
static int open_config(struct boot *b)
{
	static const char own[] = "/enclave-init.conf",
			  image[] = "/etc/enclave-init.conf";
	struct stat st;
	int root, fd;

	b->config_name = own;
	if (lstat(own, &st) == 0 || errno != ENOENT) {
		fd = open(own, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		return fd < 0 ? errno == ENOENT ? -ENOLINK : -errno : fd;
	}
	b->config_name = image;
	root = open(b->in_container ? "/" : "/rootfs",
		    O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* Step 6 says what is wrong with it, but of any other fault nothing. */
	if (root < 0)
		return errno == ENOENT || errno == ENOTDIR ? -ENOENT : -errno;
	fd = file_open_in_root(root, image);
	close(root);
	return fd == -ENOTDIR ? -ENOENT : fd;
}

int inputs_read_config(struct boot *b)
{
	struct config_fault fault = { 0 };
	int fd, r;

	b->config_name = "memory"; /* until there is a file to blame */
	r = file_alloc(sizeof(*b->config), &b->config_memory);
	if (r < 0)
		return fail_config(b, r, &fault);
	b->config = (struct config *)(void *)b->config_memory.data;
	fd = open_config(b);
	if (fd == -ENOENT)
		config_defaults(b->config);
	else if (fd < 0)
		r = fd == -ENOLINK ? -ENOENT : fd;
	else
		r = file_read_fd(fd, CONFIG_FILE_MAX, &b->config_text);
	if (fd >= 0 && r == 0)
		r = config_parse(b->config_text.data, b->config_text.len,
				 b->config, &fault);
	if (fd >= 0)
		close(fd);
	if (r < 0)
		return fail_config(b, r, &fault);
	/* It is needed when the configuration is gone. */
	b->heartbeat = b->config->heartbeat;
	return 0;
}

int inputs_read(struct boot *b)
{
	size_t line = 0;
	int r;

	if (inputs_read_config(b) < 0 || parent_open(b) < 0)
		return -1;
	r = has_command(b) ? 0 :
			     file_read(AT_FDCWD, "cmd", SPEC_FILE_MAX, &b->cmd);
	if (r < 0)
		return fail_spec(b, "/cmd", r, 0);
	r = file_read(AT_FDCWD, "env", SPEC_FILE_MAX, &b->env);
	if (r == -ENOENT) /* as good as an empty one */
		r = file_alloc(0, &b->env);
	if (r < 0)
		return fail_spec(b, "/env", r, 0);
	r = alloc_vectors(b);
	if (r < 0)
		return fail_spec(b, "/cmd", r, 0);

	if (!has_command(b))
		r = spec_parse_cmd(b->cmd.data, b->cmd.len, b->app_argv,
				   &b->app_argc, &line);
	if (r < 0)
		return fail_spec(b, "/cmd", r, line);
	r = spec_parse_env(b->env.data, b->env.len, b->app_envp, &b->app_envc,
			   warn_skipped, b);
	if (r < 0)
		return fail_spec(b, "/env", r, 0);
	if (b->env_skipped > ENV_WARNINGS)
		warn_more_skipped(b);
	return 0;
}
