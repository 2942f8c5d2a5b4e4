#ifndef INIT_SPEC_CODES_H
#define INIT_SPEC_CODES_H

/*
 * Errors beside those of errno: a header lists each code with its text, once,
 *
 *   #define X_ERRORS(ERROR) ERROR(X_E_ONE, "a text") ERROR(X_E_TWO, "another")
 *
 * from which CODES_CODE makes the members of an enum, and CODES_TEXT the texts. Pure.
 */

#define CODES_CODE(code, text) code,
/* One string for all of them: pointers would be relocations. */
#define CODES_TEXT(code, text) text "\0"

/*
 * The text of the error R among TEXTS, whose codes begin after BEFORE; strerror(3) for
 * what is none of them. Never NULL.
 */
const char *codes_text(const char *texts, int before, int r);

#endif
