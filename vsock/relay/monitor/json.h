#ifndef VSOCK_RELAY_MONITOR_JSON_H
#define VSOCK_RELAY_MONITOR_JSON_H

#include <cjson/cJSON.h>

struct print;

/* Writes VALUE as JSON in one line, with strings as print_string writes them. */
void json_value(struct print *p, const cJSON *value);

#endif
