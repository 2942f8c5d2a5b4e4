#include <stdio.h>

int main(void)
{
	(void)fprintf(stderr, "api: version %s\n", ENCLAVE_INIT_VERSION);
	return 2;
}
