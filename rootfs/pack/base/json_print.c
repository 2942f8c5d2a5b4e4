#include "rootfs/pack/base/json_print.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nsm/utf8.h"
#include "rootfs/pack/base/escape.h"

/* A character that must not be shown: none of them is beyond U+FFFF. */
static size_t print_escape(FILE *to, const char *text, size_t len)
{
	size_t n;
	int32_t c = utf8_decode(text, len, &n);

	(void)fprintf(to, "\\u%04x",
		      c < 0 ? (unsigned char)*text : (unsigned)c);
	return n;
}

void json_print_string(FILE *to, const char *text)
{
	static const char *const short_ones = "\"\"\\\\\bb\ff\nn\rr\tt";
	size_t len = strlen(text), n;

	(void)fputc('"', to);
	for (; len > 0; text += n, len -= n) {
		const char *s = short_ones;

		n = 1;
		while (*s && *s != *text)
			s += 2;
		if (*s) {
			(void)fprintf(to, "\\%c", s[1]);
			continue;
		}
		n = escape_character(text, len);
		if (n == 0)
			n = print_escape(to, text, len);
		else
			(void)fwrite(text, 1, n, to);
	}
	(void)fputc('"', to);
}

/* The shortest form that is read as the same number, as serde_json writes it. */
static void print_number(FILE *to, double n)
{
	enum { DIGITS_MAX = 17 };
	char text[40];

	if (n == floor(n) && fabs(n) < 9007199254740992.0) {
		(void)fprintf(to, "%.0f", n);
		return;
	}
	for (int digits = 1; digits <= DIGITS_MAX; digits++) {
		(void)snprintf(text, sizeof(text), "%.*g", digits, n);
		if (strtod(text, NULL) >= n && strtod(text, NULL) <= n)
			break;
	}
	(void)fputs(text, to);
}

static void print_line(FILE *to, int indent)
{
	(void)fprintf(to, "\n%*s", 2 * indent, "");
}

void json_print_value(FILE *to, const cJSON *value, int indent)
{
	bool is_object = cJSON_IsObject(value);
	const cJSON *child;

	if (cJSON_IsString(value)) {
		json_print_string(to, value->valuestring);
	} else if (cJSON_IsNumber(value)) {
		print_number(to, value->valuedouble);
	} else if (cJSON_IsBool(value)) {
		(void)fputs(cJSON_IsTrue(value) ? "true" : "false", to);
	} else if (!is_object && !cJSON_IsArray(value)) {
		(void)fputs("null", to);
	} else if (!value->child) {
		(void)fputs(is_object ? "{}" : "[]", to);
	} else {
		(void)fputc(is_object ? '{' : '[', to);
		cJSON_ArrayForEach(child, value)
		{
			print_line(to, indent + 1);
			if (is_object) {
				json_print_string(to, child->string);
				(void)fputs(": ", to);
			}
			json_print_value(to, child, indent + 1);
			if (child->next)
				(void)fputc(',', to);
		}
		print_line(to, indent);
		(void)fputc(is_object ? '}' : ']', to);
	}
}
