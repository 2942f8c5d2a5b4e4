#include "init/pcr.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "init/log.h"
#include "init/spec/config.h"
#include "nsm/nsmc.h"
#include "nsm/wire.h"
#include "rootfs/file.h"

static const char step[] = "entropy";

static void name_pcr(unsigned pcr, struct text *t)
{
	text_clear(t);
	text_add(t, "PCR");
	text_add_number(t, pcr);
}

static const char *file_error_text(int r)
{
	switch (-r) {
	case ELOOP:
		return "a symbolic link, which is not followed";
	case EINVAL:
		return "not a regular file";
	case EAGAIN:
		return "it changed while it was read";
	default:
		return wire_error_text(r);
	}
}

/* What was done, and what the PCR holds now. */
static void tell(struct text *object, const char *what, const char *name,
		 const struct nsmc_pcr *pcr)
{
	static const char digits[] = "0123456789abcdef";
	struct text t;
	char hex[2];

	text_clear(&t);
	text_add(&t, what);
	text_add(&t, name);
	text_add(&t, ": ");
	for (size_t i = 0; i < pcr->len; i++) {
		hex[0] = digits[pcr->value[i] >> 4];
		hex[1] = digits[pcr->value[i] & 15];
		text_add_bytes(&t, hex, sizeof(hex));
	}
	log_debug(step, text_string(object), text_string(&t));
}

/* As the step after this one finds it. */
static int open_root(const struct config *c)
{
	int fd = open(c->stay ? "/" : "/rootfs",
		      O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int measure_file(int root, const struct config_extend *e,
			uint8_t ret[NSMC_PCR_SIZE])
{
	int fd, r;

	fd = root < 0 ? root : file_open_below(root, e->value);
	if (fd < 0)
		return fd;
	r = nsmc_measure_file(e->name, strlen(e->name), fd, ret);
	close(fd);
	return r;
}

static int extend(int nsm_fd, int root, const struct config_extend *e,
		  struct text *object, struct text *reason)
{
	uint8_t digest[NSMC_PCR_SIZE];
	struct nsmc_pcr pcr;
	int r;

	name_pcr(e->pcr, object);
	text_clear(reason);
	text_add(reason, e->name);
	text_add(reason, ": ");
	if (e->is_file) {
		r = measure_file(root, e, digest);
		if (r < 0) {
			/* Not so much that there is no room for the reason. */
			text_add_bytes(reason, e->value,
				       strnlen(e->value, LOG_OBJECT_MAX));
			text_add(reason, ": ");
			text_add(reason, file_error_text(r));
			return r;
		}
	} else {
		nsmc_measure(e->name, strlen(e->name), e->value,
			     strlen(e->value), digest);
	}
	r = nsmc_extend_pcr_checked(nsm_fd, e->pcr, digest, sizeof(digest),
				    &pcr);
	if (r < 0) {
		text_add(reason, "not extended: ");
		text_add(reason, wire_error_text(r));
		return r;
	}
	tell(object, "extended with ", e->name, &pcr);
	return 0;
}

static int lock(int nsm_fd, uint8_t index, struct text *object,
		struct text *reason)
{
	struct nsmc_pcr pcr;
	int r;

	name_pcr(index, object);
	r = nsmc_lock_pcr_checked(nsm_fd, index, &pcr);
	if (r < 0) {
		text_clear(reason);
		text_add(reason, "not locked: ");
		text_add(reason, wire_error_text(r));
		return r;
	}
	tell(object, "locked", "", &pcr);
	return 0;
}

/* An oversight, most likely: nobody can attest it, and anybody extend it. */
static void warn_unlocked(uint32_t pcrs)
{
	struct text object;

	for (unsigned i = 0; i < NSMC_PCR_COUNT; i++) {
		if (!(pcrs >> i & 1))
			continue;
		name_pcr(i, &object);
		log_line(step, text_string(&object),
			 "extended, but not locked: no document attests it");
	}
}

int pcr_apply(const struct config *c, int nsm_fd, struct text *reterr_object,
	      struct text *reterr_reason)
{
	uint32_t extended = 0;
	int root = -1, r = 0;

	for (size_t i = 0; i < c->extend_count && r == 0; i++) {
		const struct config_extend *e = &c->extends[i];

		if (e->is_file && root < 0)
			root = open_root(c);
		r = extend(nsm_fd, root, e, reterr_object, reterr_reason);
		extended |= 1U << e->pcr;
	}
	if (root >= 0)
		close(root);
	for (uint8_t i = CONFIG_PCR_FIRST; i <= CONFIG_PCR_LAST && r == 0; i++)
		if (c->locks >> i & 1)
			r = lock(nsm_fd, i, reterr_object, reterr_reason);
	if (r == 0)
		warn_unlocked(extended & ~c->locks);
	return r;
}
