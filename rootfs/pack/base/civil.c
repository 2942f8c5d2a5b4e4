#include "rootfs/pack/base/civil.h"

#include <stddef.h>
#include <time.h>

bool civil_text(int64_t seconds, enum civil_form form, char ret[CIVIL_CAP])
{
	time_t t = seconds;
	size_t len = 0;
	struct tm tm;

	*ret = '\0';
	if (!gmtime_r(&t, &tm))
		return false;
	switch (form) {
	case CIVIL_RFC3339:
		len = strftime(ret, CIVIL_CAP, "%Y-%m-%dT%H:%M:%S+00:00", &tm);
		break;
	case CIVIL_OPENSSL:
		len = strftime(ret, CIVIL_CAP, "%b %e %H:%M:%S %Y GMT", &tm);
		break;
	case CIVIL_MINUTE:
		len = strftime(ret, CIVIL_CAP, "%Y-%m-%d %H:%M", &tm);
		break;
	}
	return len > 0;
}
