#include "init/cull.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "init/child.h"
#include "init/process.h"

enum {
	LIST_BYTES = 4096, /* of entries of /proc at a time */
};

/* As getdents64(2) has it. */
struct cull_entry {
	uint64_t ino;
	int64_t off;
	unsigned short len;
	unsigned char type;
	char name[];
};

typedef void visit_fn(const struct process *p, void *ctx);

/* Calls VISIT for each process but PID 1. Returns 0 or -errno. */
static int walk(int proc_fd, visit_fn *visit, void *ctx)
{
	_Alignas(struct cull_entry) char list[LIST_BYTES];
	const struct cull_entry *e;
	struct process p;
	long n = 0;
	int fd;

	if (proc_fd < 0)
		return -ENOENT;
	fd = openat(proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while ((n = syscall(SYS_getdents64, fd, list, sizeof(list))) > 0)
		for (long at = 0; at < n; at += e->len) {
			e = (const void *)(list + at);
			if (e->name[0] < '1' || e->name[0] > '9' ||
			    !process_look(proc_fd, e->name, &p) || p.pid == 1)
				continue;
			visit(&p, ctx);
		}
	if (n < 0)
		n = -errno;
	close(fd);
	return (int)n;
}

struct leftovers {
	const struct children *children;
	pid_t leader;
	uid_t uid;
	bool is_sole_user;
};

static void kill_leftover(const struct process *p, void *ctx)
{
	const struct leftovers *l = ctx;

	if (child_is_known(l->children, p->pid))
		return;
	if ((l->leader > 0 && p->session == l->leader) ||
	    (l->is_sole_user && p->parent == 1 && p->uid == l->uid))
		(void)kill(p->pid, SIGKILL);
}

void cull_leftovers(int proc_fd, const struct children *c, pid_t leader,
		    uid_t uid, bool is_sole_user)
{
	struct leftovers l = { c, leader, uid, is_sole_user };

	(void)walk(proc_fd, kill_leftover, &l);
}

struct all_but {
	const struct children *children;
	int found;
};

static void kill_one(const struct process *p, void *ctx)
{
	struct all_but *a = ctx;

	/* A thread of the kernel has no parent, or kthreadd, which has none. */
	if (p->parent == 0 || p->parent == 2 ||
	    child_is_known(a->children, p->pid))
		return;
	a->found++;
	(void)kill(p->pid, SIGKILL);
}

int cull_all_but(int proc_fd, const struct children *c)
{
	struct all_but a = { .children = c };
	int r;

	(void)kill(-1, SIGSTOP);
	r = walk(proc_fd, kill_one, &a);
	for (size_t i = 0; i < CHILD_MAX; i++)
		if (c->table[i].pid > 0)
			(void)kill(c->table[i].pid, SIGCONT);
	return r < 0 ? r : a.found;
}
