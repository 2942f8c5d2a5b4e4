#ifndef NSM_API_ROUTES_AWS_H
#define NSM_API_ROUTES_AWS_H

#include "nsm/api/http/web.h"

/*
 * AWS's JSON protocol 1.1 of KMS at "POST /", for SDKs with AWS_ENDPOINT_URL_KMS, and for images of enclaver with AWS_KMS_ENDPOINT.
 * Whatever signature a caller brings is ignored: what it may do is the configuration's to say. The five operations with a
 * Recipient are made as attested calls and answered as KMS answers without one; others, which concern a configured key, are
 * signed again and passed on.
 */
extern const struct web_route aws_routes[];

#endif
