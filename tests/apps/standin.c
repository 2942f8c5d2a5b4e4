/*
 * Stands in for relay where the contract of vsock/inside.h is to be tried, not what relay
 * does with it. It takes the plan, and does what the words of each `forward` line say, one
 * after the other; `@key=value` lines on its log are facts.
 *
 * forward = facts | plan | ready | fault LINE ERROR OBJECT REASON | bytes N | silent | exit N |
 *           worker | end | flood | say WORDS | once WORD ... (at the first start alone)
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "vsock/inside.h"

extern char **environ;

static char plan[1 << 17];

static void read_plan(void)
{
	ssize_t n = pread(INSIDE_PLAN_FD, plan, sizeof(plan) - 1, 0);

	if (n < 0)
		_exit(90);
	plan[n] = '\0';
}

static void send_report(const struct inside_report *r)
{
	if (send(INSIDE_REPORT_FD, r, sizeof(*r), MSG_NOSIGNAL) !=
	    (ssize_t)sizeof(*r))
		_exit(91);
}

static void show_seals(void)
{
	int exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	printf("@plan-seals=%d\n@plan-writes=%d\n@program-seals=%d\n",
	       fcntl(INSIDE_PLAN_FD, F_GET_SEALS),
	       pwrite(INSIDE_PLAN_FD, "x", 1, 0) == 1,
	       exe < 0 ? -1 : fcntl(exe, F_GET_SEALS));
}

static void show_facts(char **argv)
{
	sigset_t mask;
	int blocked = 0, variables = 0, fds = 0;
	char score[16] = "";
	FILE *f;

	(void)sigprocmask(SIG_SETMASK, NULL, &mask);
	for (int sig = 1; sig < NSIG; sig++)
		blocked += sigismember(&mask, sig) == 1;
	while (environ[variables])
		variables++;
	for (int fd = 0; fd < 1024; fd++)
		fds += fcntl(fd, F_GETFD) >= 0;
	f = fopen("/proc/self/oom_score_adj", "re");
	if (f) {
		(void)!fgets(score, sizeof(score), f);
		fclose(f);
	}
	printf("@argv=%s|%s|%s|%s\n", argv[0], argv[1], argv[2],
	       argv[3] ? argv[3] : "");
	printf("@variables=%d\n@blocked=%d\n@leads=%d\n@fds=%d\n@uid=%d\n"
	       "@oom=%s\n@nonblock=%d%d\n",
	       variables, blocked, getsid(0) == getpid(), fds, getuid(),
	       strtok(score, "\n"), !!(fcntl(1, F_GETFL) & O_NONBLOCK),
	       !!(fcntl(2, F_GETFL) & O_NONBLOCK));
	show_seals();
}

/* Holds a name for as long as it lives, as a worker holds a port. */
static void start_worker(void)
{
	const struct sockaddr_un name = { AF_UNIX, "\0standin" };
	struct inside_report r = { .news = INSIDE_FAULT,
				   .error = EADDRINUSE,
				   .object = "standin" };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (bind(fd, (const struct sockaddr *)&name, sizeof(name)) < 0) {
		send_report(&r);
		_exit(3);
	}
	if (fork() != 0) {
		close(fd);
		return;
	}
	for (;;)
		pause();
}

static void fault(const char *words)
{
	struct inside_report r = { .news = INSIDE_FAULT };
	char object[200] = "", reason[400] = "";
	unsigned line = 0;
	int error = 0;

	if (sscanf(words, "%u %d %199s %399[^\n]", &line, &error, object,
		   reason) < 2)
		_exit(92);
	r.line = line;
	r.error = error;
	/* Not ended by a NUL where it is long. */
	memcpy(r.object, object, strnlen(object, sizeof(r.object)));
	memcpy(r.reason, reason, strnlen(reason, sizeof(r.reason)));
	send_report(&r);
}

static void wait_for_end(void)
{
	char byte;

	while (read(INSIDE_REPORT_FD, &byte, 1) != 0)
		usleep(10000);
	printf("@end=seen\n");
	exit(0);
}

static void stay(void)
{
	for (;;)
		pause();
}

static void flood(void)
{
	char line[1024];

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	for (int i = 0; i < 1024; i++)
		(void)!write(2, line, sizeof(line));
}

static const struct inside_report ready = { .news = INSIDE_READY };

static bool is_first(void)
{
	return mkdir("/run/standin", 0700) == 0;
}

static void act(const char *words, char **argv)
{
	char word[32] = "";
	int rest = 0;

	if (sscanf(words, "%31s %n", word, &rest) != 1)
		return;
	words += rest;
	if (strcmp(word, "facts") == 0)
		show_facts(argv);
	else if (strcmp(word, "plan") == 0)
		for (char *at = plan; *at; at++)
			putchar(*at == '\n' ? '|' : *at);
	else if (strcmp(word, "ready") == 0)
		send_report(&ready);
	else if (strcmp(word, "fault") == 0)
		fault(words);
	else if (strcmp(word, "bytes") == 0)
		(void)send(INSIDE_REPORT_FD, plan, (size_t)atoi(words),
			   MSG_NOSIGNAL);
	else if (strcmp(word, "silent") == 0)
		stay();
	else if (strcmp(word, "exit") == 0)
		exit(atoi(words));
	else if (strcmp(word, "worker") == 0)
		start_worker();
	else if (strcmp(word, "end") == 0)
		wait_for_end();
	else if (strcmp(word, "flood") == 0)
		flood();
	else if (strcmp(word, "say") == 0)
		fprintf(stderr, "%s\n", words);
	else if (strcmp(word, "once") == 0 && is_first())
		act(words, argv);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static char text[sizeof(plan)];
	char *rest = NULL;

	signal(SIGTERM, SIG_IGN); /* the end of the socket is what it goes by */
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 2 || strcmp(argv[1], "inside") != 0)
		return 2;
	read_plan();
	strcpy(text, plan);
	for (char *line = strtok_r(text, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest))
		if (strncmp(line, "forward = ", 10) == 0)
			act(line + 10, argv);
	stay();
}
