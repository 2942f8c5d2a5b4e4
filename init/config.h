#ifndef INIT_CONFIG_H
#define INIT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * From the bytes of /enclave-init.conf to what they ask for. Pure: no file, no
 * allocation, the text is cut up in place.
 *
 * A line is `key = value`, blank, or a comment, whose first character is #. Blanks
 * (spaces and tabs) around key and value do not count, a # in a value is one; the
 * last newline may be missing. The keys are in config.c, what they mean in
 * enclave-init(8).
 *
 * Quotes are there for command and environment alone, whose values are words with
 * blanks between them. A word may stand in double quotes; in these \\ \" \n \t \r
 * and \xHH stand for a backslash, a quote, newline, tab, carriage return and the
 * byte with that number, which is not 0. Outside of quotes a backslash is itself,
 * and a quote an error.
 */

enum {
	CONFIG_FILE_MAX = 1 << 16, /* bytes of the file */
	CONFIG_EXTENDS_MAX = 64,   /* times pcr-extend */
	CONFIG_NAME_MAX = 255,	   /* of an extension, a user, a group */
	CONFIG_PATH_MAX = 4095,	   /* bytes of a path */
	CONFIG_PART_MAX = 255,	   /* bytes between two slashes of it */
	CONFIG_PCR_FIRST = 16,	   /* 0 to 15 are the hypervisor's */
	CONFIG_PCR_LAST = 31,
	CONFIG_VARIABLES_MAX = 1024, /* of environment, all lines together */
	CONFIG_ID_MAX = 0xfffffffe,  /* a user or group; one more is "none" */
};

struct config_extend {
	const char *name;
	const char *value; /* the content, or the file that has it */
	uint8_t pcr;
	bool is_file;
};

struct config_number {
	bool is_set;
	uint32_t value;
};

struct config {
	const char *workdir;	  /* absolute, or NULL */
	const char *user, *group; /* names or numbers; NULL: not said */
	int stop_signal;	  /* 0: not said */
	char *command;		  /* its words, each with its NUL; or NULL */
	size_t command_count;	  /* of them */
	size_t variable_count;
	char *variables[CONFIG_VARIABLES_MAX]; /* NAME=VALUE, no name twice */
	struct config_extend extends[CONFIG_EXTENDS_MAX]; /* in this order */
	size_t extend_count;
	uint32_t locks; /* bit N: PCR N, after the extensions */
	struct config_number nsm_owner, nsm_group, nsm_mode;
};

enum config_error_code {
	CONFIG_E_CONTROL = 6100, /* a control character, or a NUL byte */
	CONFIG_E_NO_KEY,
	CONFIG_E_NO_EQUALS,
	CONFIG_E_UNKNOWN, /* no such key; the nearest is told */
	CONFIG_E_TWICE,	  /* a key that may come once */
	CONFIG_E_MISSING, /* the value, or a part of it */
	CONFIG_E_MORE,	  /* words behind the value */
	CONFIG_E_NUMBER,  /* no decimal number */
	CONFIG_E_OCTAL,	  /* no octal number */
	CONFIG_E_LARGE,
	CONFIG_E_PCR,	    /* a PCR that is none of ours */
	CONFIG_E_BACKWARDS, /* a range that ends before it begins */
	CONFIG_E_LOCKED,    /* an extension of what was locked above */
	CONFIG_E_KIND,	    /* neither data nor file */
	CONFIG_E_NAME,	    /* too long */
	CONFIG_E_PATH,	    /* not absolute, or not the plain way */
	CONFIG_E_PATH_LONG,
	CONFIG_E_MANY,	    /* more extensions than there is room for */
	CONFIG_E_RELATIVE,  /* a working directory that is not absolute */
	CONFIG_E_USER,	    /* not of the form USER or USER:GROUP */
	CONFIG_E_SIGNAL,    /* no such signal */
	CONFIG_E_QUOTE,	    /* that does not end */
	CONFIG_E_GLUED,	    /* a quote that neither begins nor ends a word */
	CONFIG_E_ESCAPE,    /* no such escape */
	CONFIG_E_NUL,	    /* written as an escape */
	CONFIG_E_PROGRAM,   /* a command that begins with an empty word */
	CONFIG_E_VARIABLE,  /* not of the form NAME=VALUE */
	CONFIG_E_AGAIN,	    /* a variable that is there already */
	CONFIG_E_VARIABLES, /* more than there is room for */
	CONFIG_E_END,
};

/* Where the text is wrong, both counted from 1, the column in bytes. */
struct config_fault {
	size_t line, column;
	const char *nearest; /* the key that was meant, or NULL */
};

/*
 * Reads TEXT of LEN bytes, with room for one byte more. Returns 0 and what it
 * says, whose strings lie in TEXT; or -CONFIG_E_... and where.
 */
int config_parse(char *text, size_t len, struct config *ret,
		 struct config_fault *reterr_fault);

/* The words for one of these. Never NULL. */
const char *config_error_text(int r);

#endif
