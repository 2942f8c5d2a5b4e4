#ifndef NSM_VERIFY_H
#define NSM_VERIFY_H

#include "nsm/certificate.h"
#include "nsm/nsmc.h"

/*
 * The steps of nsmc_doc_verify except the policy. None of them alone proves
 * anything, and all are needed: therefore they are no part of the interface. On
 * a failure *RETERR_OBJECT (may be NULL) says what is wrong.
 */

/*
 * Checks: algorithm ES384, a signature of 96 bytes, digest SHA384, and PCRs of
 * 48 bytes, at least one of them.
 */
int verify_form(const struct nsmc_doc *doc, struct nsmc_object *reterr_object);

/* How a chain is checked. */
struct verify_chain {
	const struct nsmc_bytes *roots; /* DER; one of them begins the bundle */
	size_t root_count;
	int64_t time_s; /* when the certificates must be valid */
	int64_t leeway_s;
	struct nsmc_cache *cache; /* or NULL */
};

/*
 * Checks the chain from a root through the cabundle, in its order, to the leaf,
 * which is read to *RET_LEAF; and that the timestamp is within the leaf's
 * validity.
 */
int verify_chain(const struct nsmc_doc *doc, const struct verify_chain *by,
		 struct certificate *ret_leaf,
		 struct nsmc_object *reterr_object);

/* Checks the signature by the key of LEAF, whoever issued that certificate. */
int verify_signature(const struct nsmc_doc *doc, const struct certificate *leaf,
		     struct nsmc_object *reterr_object);

#endif
