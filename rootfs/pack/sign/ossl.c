#include "rootfs/pack/sign/ossl.h"

#include <openssl/err.h>

#include "rootfs/pack/base/fault.h"

int ossl_refuse(struct fault *f, const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	ERR_clear_error();
	return reason ? fault_refuse(f, "%s: %s", what, reason) :
			fault_refuse(f, "%s", what);
}

int ossl_no_passphrase(char *buf, int cap, int is_writing, void *ctx)
{
	(void)buf;
	(void)cap;
	(void)is_writing;
	(void)ctx;
	return -1;
}
