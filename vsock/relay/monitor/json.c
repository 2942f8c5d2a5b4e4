#include "vsock/relay/monitor/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "vsock/relay/base/print.h"

static void json_number(struct print *p, double n)
{
	char text[40];

	/* Neither is JSON: cJSON makes infinity of 1e999. */
	if (isnan(n) || isinf(n)) {
		print_text(p, "null");
		return;
	}
	(void)snprintf(text, sizeof(text),
		       n == floor(n) && fabs(n) < 9007199254740992.0 ? "%.0f" :
								       "%.17g",
		       n);
	print_text(p, text);
}

static void json_text(struct print *p, const char *text)
{
	print_string(p, text, strlen(text));
}

void json_value(struct print *p, const cJSON *value)
{
	const char *between = "";
	const cJSON *child;

	if (cJSON_IsString(value)) {
		json_text(p, value->valuestring);
	} else if (cJSON_IsNumber(value)) {
		json_number(p, value->valuedouble);
	} else if (cJSON_IsBool(value)) {
		print_text(p, cJSON_IsTrue(value) ? "true" : "false");
	} else if (!cJSON_IsObject(value) && !cJSON_IsArray(value)) {
		print_text(p, "null");
	} else {
		print_text(p, cJSON_IsObject(value) ? "{" : "[");
		cJSON_ArrayForEach(child, value)
		{
			print_text(p, between);
			between = ",";
			if (cJSON_IsObject(value)) {
				json_text(p, child->string);
				print_text(p, ":");
			}
			json_value(p, child);
		}
		print_text(p, cJSON_IsObject(value) ? "}" : "]");
	}
}
