#include "init/spec/executable.h"

#include <errno.h>
#include <linux/elf.h>
#include <string.h>

enum {
	PHDRS_AT_ONCE = 64,
	PHDRS_BYTES_MAX = 65536, /* the kernel reads no more of them */
};

/* Puts DIR of DIR_LEN bytes, a slash and NAME together. */
static int join(char *path, const char *dir, size_t dir_len, const char *name)
{
	size_t name_len = strlen(name);

	if (dir_len + 1 + name_len >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(path, dir, dir_len);
	if (dir_len > 0)
		path[dir_len++] = '/';
	memcpy(path + dir_len, name, name_len + 1);
	return 0;
}

static int search_dirs(const char *name, const char *search,
		       executable_check_fn *check, void *ctx, char *path)
{
	int found = -ENOENT, r;
	const char *end;

	for (;; search = end + 1) {
		end = strchrnul(search, ':');
		r = join(path, search, (size_t)(end - search), name);
		if (r == 0)
			r = check(ctx, path);
		if (r == 0)
			return 0;
		/* As execvp: something without permission is remembered, any
		 * other fault of one directory is no reason to give up. */
		if (r == -EACCES)
			found = -EACCES;
		if (!*end)
			return found;
	}
}

int executable_find(const char *name, const char *search,
		    executable_check_fn *check, void *ctx, char ret[PATH_MAX])
{
	int r;

	if (!strchr(name, '/'))
		return search_dirs(name, search, check, ctx, ret);
	r = join(ret, "", 0, name);
	return r < 0 ? r : check(ctx, ret);
}

bool executable_interpreter(const char *head, size_t len,
			    char ret[EXECUTABLE_HEAD_MAX])
{
	size_t from = 2, to;

	if (len > EXECUTABLE_HEAD_MAX)
		len = EXECUTABLE_HEAD_MAX;
	if (len < 2 || head[0] != '#' || head[1] != '!')
		return false;
	while (from < len && (head[from] == ' ' || head[from] == '\t'))
		from++;
	for (to = from; to < len; to++)
		if (strchr(" \t\n", head[to])) /* the NUL as well */
			break;
	if (to == from)
		return false;
	memcpy(ret, head + from, to - from);
	ret[to - from] = '\0';
	return true;
}

enum executable_kind executable_kind_of(const char *head, size_t len)
{
	char interpreter[EXECUTABLE_HEAD_MAX];

	if (len > EXECUTABLE_HEAD_MAX)
		len = EXECUTABLE_HEAD_MAX;
	if (len >= SELFMAG && memcmp(head, ELFMAG, SELFMAG) == 0)
		return EXECUTABLE_ELF;
	if (executable_interpreter(head, len, interpreter))
		return EXECUTABLE_SCRIPT;
	return memchr(head, '\0', len) ? EXECUTABLE_OTHER : EXECUTABLE_TEXT;
}

/* Both byte orders: what runs on another machine may well be of the other one. */
int executable_machine(const char *head, size_t len)
{
	const unsigned char *h = (const unsigned char *)head;

	if (len < 20)
		return EM_NONE;
	return h[EI_DATA] == ELFDATA2MSB ? h[18] << 8 | h[19] :
					   h[19] << 8 | h[18];
}

static int read_loader(executable_read_fn *read, void *ctx,
		       const Elf64_Phdr *part, char *ret)
{
	if (part->p_filesz < 2 || part->p_filesz > PATH_MAX ||
	    !read(ctx, ret, part->p_filesz, part->p_offset) ||
	    ret[part->p_filesz - 1] != '\0')
		return -EINVAL;
	return 1;
}

int executable_loader(executable_read_fn *read, void *ctx, char ret[PATH_MAX])
{
	Elf64_Phdr parts[PHDRS_AT_ONCE];
	Elf64_Ehdr head;
	size_t left, n;
	uint64_t at;

	if (!read(ctx, &head, sizeof(head), 0) ||
	    memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
	    head.e_phentsize != sizeof(parts[0]) || head.e_phnum == 0 ||
	    head.e_phnum > PHDRS_BYTES_MAX / sizeof(parts[0]))
		return -ENOEXEC;
	at = head.e_phoff;
	for (left = head.e_phnum; left > 0; left -= n) {
		n = left < PHDRS_AT_ONCE ? left : PHDRS_AT_ONCE;
		if (!read(ctx, parts, n * sizeof(parts[0]), at))
			return -ENODATA;
		for (size_t i = 0; i < n; i++)
			if (parts[i].p_type == PT_INTERP)
				return read_loader(read, ctx, &parts[i], ret);
		at += n * sizeof(parts[0]);
	}
	return 0;
}
