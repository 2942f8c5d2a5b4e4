#ifndef NSM_KMS_CALL_ATTESTED_H
#define NSM_KMS_CALL_ATTESTED_H

#include "nsm/kms/call/client.h"
#include "nsm/kms/call/moment.h"
#include "nsm/kms/kmsc.h"

/* The document of a call, with what it was made for. Starts as zero. */
struct attested {
	uint8_t document[NSMC_DOCUMENT_MAX];
	size_t len;
	struct nsmc_recipient *own;	  /* made for this call; NULL: none */
	struct nsmc_recipient *recipient; /* OWN, or the client's */
	struct moment moment;
};

/*
 * Gets a document, instead of an earlier one; with a recipient key unless the call wants
 * its time alone. *E gets what the document carried, and on failure why. Returns 0,
 * -KMSC_E_NO_NSM, -errno or -NSMC_E_... .
 */
int attested_get(struct attested *a, struct kmsc_client *client,
		 bool wants_recipient, uint32_t timeout_ms,
		 struct kmsc_error *e);

/* Frees the key that was made. */
void attested_end(struct attested *a);

#endif
