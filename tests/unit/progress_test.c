#include "rootfs/pack/base/progress.h"

#include <pty.h>
#include <termios.h>

#include "check.h"

/* What was written to standard error, of which TERMINAL says what it is. */
static void run(bool terminal, char text[256])
{
	int ends[2], keep = dup(STDERR_FILENO);
	struct termios raw;
	size_t len = 0;
	ssize_t n;

	REQUIRE(keep >= 0);
	memset(&raw, 0, sizeof(raw));
	REQUIRE(terminal ? openpty(&ends[0], &ends[1], NULL, &raw, NULL) == 0 :
			   pipe(ends) == 0);
	REQUIRE(dup2(ends[1], STDERR_FILENO) >= 0);
	progress_begin_at("a layer", 5000000, 100);
	progress_add_at(1000000, 1099);
	progress_add_at(1000000, 1100);
	progress_add_at(1000000, 1199);
	progress_begin_at("the image", 0, 1199);
	progress_add_at(7000000, 1200);
	progress_clear();
	progress_clear();
	REQUIRE(dup2(keep, STDERR_FILENO) >= 0);
	/* A terminal gives what was written piece by piece, and EIO behind the last. */
	close(ends[1]);
	while ((n = read(ends[0], text + len, 255 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	close(ends[0]);
	close(keep);
}

TEST(a_terminal_sees_what_takes_more_than_a_second)
{
	char text[256];

	run(true, text);
	CHECK_STR(text, "\rmkeif: a layer: 2 of 5 MB\033[K"
			"\rmkeif: the image: 7 MB\033[K"
			"\r\033[K");
}

TEST(what_is_no_terminal_sees_nothing)
{
	char text[256];

	run(false, text);
	CHECK_STR(text, "");
}

CHECK_MAIN("progress")
