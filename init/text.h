#ifndef INIT_TEXT_H
#define INIT_TEXT_H

#include <stddef.h>

enum { TEXT_MAX = 1024 };

/* A text put together from pieces; what does not fit is cut. */
struct text {
	size_t len;
	char buf[TEXT_MAX];
};

void text_clear(struct text *t);
void text_add(struct text *t, const char *s);
void text_add_bytes(struct text *t, const char *s, size_t len);
void text_add_number(struct text *t, long long n);
/* T as a string, which lives as long as T does. */
const char *text_string(struct text *t);

#endif
