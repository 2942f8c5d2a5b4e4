#ifndef NSM_API_COMPAT_COCO_H
#define NSM_API_COMPAT_COCO_H

#include "nsm/api/http/web.h"

/*
 * The REST API of confidential containers (guest-components, api-server-rest): GET /cdh/resource/REPOSITORY/TYPE/TAG, the secret
 * of that name in the configuration, decrypted by KMS; and GET /aa/evidence?runtime_data=, an attestation document with these bytes as
 * user_data.
 */
extern const struct web_route coco_routes[];

/*
 * Reads the files of SPEC's secrets, so that a file that is missing is known at the start. Returns 0, or -errno with *RETERR.
 */
int coco_open(const struct spec *spec, struct spec_fault *reterr);

#endif
