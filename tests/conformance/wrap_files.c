/* Mistakes with files, mounts and descriptors. */

#include <fcntl.h>
#include <stdarg.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/conformance/mutant.h"

WRAP(mount);
int __wrap_mount(const char *from, const char *to, const char *type,
		 unsigned long flags, const void *data)
{
	unsigned f = (unsigned)flags;
	long r;

	if (mutant_takes("mount", &r, &f, "%s,%s,%s,%lx,%s", from ? from : "",
			 to, type ? type : "", flags,
			 data ? (const char *)data : ""))
		return (int)r;
	return __real_mount(from, to, type, f, data);
}

WRAP(umount2);
int __wrap_umount2(const char *path, int flags)
{
	long r;

	return mutant_takes("umount2", &r, NULL, "%s,", path) ?
		       (int)r :
		       __real_umount2(path, flags);
}

WRAP(mkdir);
int __wrap_mkdir(const char *path, mode_t mode)
{
	long r;

	return mutant_takes("mkdir", &r, &mode, "%s,", path) ?
		       (int)r :
		       __real_mkdir(path, mode);
}

WRAP(mkdirat);
int __wrap_mkdirat(int dir, const char *path, mode_t mode)
{
	long r;

	return mutant_takes("mkdirat", &r, &mode, "%s,", path) ?
		       (int)r :
		       __real_mkdirat(dir, path, mode);
}

WRAP(symlink);
int __wrap_symlink(const char *target, const char *path)
{
	long r;

	return mutant_takes("symlink", &r, NULL, "%s,%s,", target, path) ?
		       (int)r :
		       __real_symlink(target, path);
}

WRAP(symlinkat);
int __wrap_symlinkat(const char *target, int dir, const char *path)
{
	long r;

	return mutant_takes("symlinkat", &r, NULL, "%s,%s,", target, path) ?
		       (int)r :
		       __real_symlinkat(target, dir, path);
}

WRAP(unlink);
int __wrap_unlink(const char *path)
{
	long r;

	return mutant_takes("unlink", &r, NULL, "%s,", path) ?
		       (int)r :
		       __real_unlink(path);
}

WRAP(unlinkat);
int __wrap_unlinkat(int dir, const char *path, int flags)
{
	long r;

	return mutant_takes("unlinkat", &r, NULL, "%s,", path) ?
		       (int)r :
		       __real_unlinkat(dir, path, flags);
}

WRAP(chmod);
int __wrap_chmod(const char *path, mode_t mode)
{
	long r;

	return mutant_takes("chmod", &r, &mode, "%s,", path) ?
		       (int)r :
		       __real_chmod(path, mode);
}

WRAP(fchmod);
int __wrap_fchmod(int fd, mode_t mode)
{
	long r;

	return mutant_takes("fchmod", &r, &mode, "%d,%o,", fd, mode) ?
		       (int)r :
		       __real_fchmod(fd, mode);
}

WRAP(chdir);
int __wrap_chdir(const char *path)
{
	long r;

	return mutant_takes("chdir", &r, NULL, "%s,", path) ?
		       (int)r :
		       __real_chdir(path);
}

WRAP(chroot);
int __wrap_chroot(const char *path)
{
	long r;

	return mutant_takes("chroot", &r, NULL, "%s,", path) ?
		       (int)r :
		       __real_chroot(path);
}

WRAP(open);
int __wrap_open(const char *path, int flags, ...)
{
	unsigned f = (unsigned)flags, mode;
	va_list ap;
	long r;

	va_start(ap, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, unsigned) : 0;
	va_end(ap);
	if (mutant_takes("open", &r, &f, "%s,%x,", path, flags))
		return (int)r;
	return __real_open(path, (int)f, mode);
}

WRAP(openat);
int __wrap_openat(int dir, const char *path, int flags, ...)
{
	unsigned f = (unsigned)flags, mode;
	va_list ap;
	long r;

	va_start(ap, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, unsigned) : 0;
	va_end(ap);
	if (mutant_takes("openat", &r, &f, "%s,%x,", path, flags))
		return (int)r;
	return __real_openat(dir, path, (int)f, mode);
}

WRAP(dup2);
int __wrap_dup2(int from, int to)
{
	long r;

	return mutant_takes("dup2", &r, NULL, "%d,%d,", from, to) ?
		       to :
		       __real_dup2(from, to);
}
