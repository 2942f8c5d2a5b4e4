/*
 * Runs commands one after the other, with ";" between them, and shows what each
 * wrote to stdout as "@out=LINE", or as it is if it is a fact already, and how it ended as "@exit=N".
 */

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int run(char **argv)
{
	static char line[1 << 16];
	int fds[2], status;
	pid_t pid;
	FILE *out;

	if (pipe(fds) < 0)
		return 1;
	pid = fork();
	if (pid == 0) {
		(void)dup2(fds[1], 1);
		execv(argv[0], argv);
		_exit(127);
	}
	close(fds[1]);
	out = fdopen(fds[0], "r");
	if (pid < 0 || !out)
		return 1;
	while (fgets(line, sizeof(line), out)) {
		line[strcspn(line, "\n")] = '\0';
		printf("%s%s\n", *line == '@' ? "" : "@out=", line);
	}
	(void)fclose(out);
	if (waitpid(pid, &status, 0) != pid)
		return 1;
	printf("@exit=%d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	(void)fflush(stdout);
	return 0;
}

int main(int argc, char **argv)
{
	int first = 1;

	for (int i = 1; i <= argc; i++) {
		if (i < argc && strcmp(argv[i], ";") != 0)
			continue;
		argv[i] = NULL;
		if (i > first && run(argv + first) != 0)
			return 1;
		first = i + 1;
	}
	return 0;
}
