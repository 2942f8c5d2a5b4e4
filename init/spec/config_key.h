#ifndef INIT_SPEC_CONFIG_KEY_H
#define INIT_SPEC_CONFIG_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "init/spec/config.h"

/*
 * What init/spec/config.c and its readers share: the keys, the reading of words. Pure,
 * and nobody else's.
 */

/* What is left of a line. Neither AT nor the end has blanks. */
struct config_rest {
	char *at;
	char *word; /* what is read, which is what an error is about */
};

/* Where values go. */
struct config_reader {
	struct config *config;
	struct config_service *service; /* whose section it is */
	const char *nearest; /* for an error: the word that was meant */
	struct config_words after[CONFIG_SERVICES_MAX]; /* names, as read */
	size_t after_lines[CONFIG_SERVICES_MAX];
	const char *after_starts[CONFIG_SERVICES_MAX]; /* of these lines */
	size_t section_lines[CONFIG_SERVICES_MAX];
	size_t line; /* the one that is read, and where it begins */
	const char *line_start;
	size_t supervised_line; /* the first that hand-over excludes, or 0 */
	size_t link_line; /* the last with a port or size of the link, or 0 */
	uint32_t relayed; /* bit N: key N of relay's was there */
};

struct config_key;

/*
 * Reads the value of KEY from REST, all of it: what is left is an error. Returns 0
 * or -CONFIG_E_..., for which REST->word is where.
 */
typedef int config_read_fn(const struct config_key *key,
			   struct config_rest *rest, struct config_reader *r);

/* Small numbers stand for readers and words: a pointer would be a relocation. */
struct config_key {
	uint8_t read;	/* a reader of config_keys.c */
	uint8_t base;	/* of a number */
	uint16_t words; /* of a choice, there */
	uint16_t field; /* of struct config or struct config_service */
	bool of_service : 1, may_repeat : 1;
	bool supervised : 1; /* needs a PID 1 that stays: not with hand-over */
	int32_t min, max;
};

extern const struct config_key config_keys[];
extern const char config_key_names[]; /* theirs, each with its NUL */
extern const size_t config_key_count;

/* Reads KEY's value, as above. */
config_read_fn config_read;

/* The words of a choice, one behind the other, each with its NUL; then an empty one. */
const char *config_key_words(const struct config_key *key);

/* Is C a space or a tab? */
bool config_is_blank(char c);

/* Returns where the blanks of S end. */
char *config_skip_blanks(char *s);

/* Returns the next blank or STOP of S, or its end. */
char *config_skip_word(char *s, char stop);

/* Takes a word; it is empty where the line has no more. */
char *config_next_word(struct config_rest *rest);

/* Takes all of the line. */
char *config_next_line(struct config_rest *rest);

/*
 * Takes a word that may be quoted and writes it to *TO, as a string, with *TO
 * moved behind it. That is never further on than what was read.
 */
int config_next_item(struct config_rest *rest, char **to);

/* Notes that the line just read needs a PID 1 that stays. */
void config_note_supervised(struct config_reader *r);

/* Where KEY's value goes. */
void *config_field(const struct config_key *key, struct config_reader *r);

/* A number of digits of BASE, MAX at the most. */
int config_read_digits(const char *s, unsigned base, uint64_t max,
		       uint64_t *ret);

int config_read_u32(const char *s, unsigned base, uint32_t max, uint32_t *ret);

/* A name, or a number that a user or group may be. */
int config_check_who(const char *s);

/* An absolute path, as plain as can be: without //, /./ and /../. */
int config_check_path(const char *path);

/* All words of the line, MAX at the most, each of which CHECK finds good. */
int config_read_words(struct config_rest *rest, size_t max,
		      int (*check)(const char *word), struct config_words *ret);

/* What holds of the link where nothing is said; and whether all that is said goes together. */
void config_link_defaults(struct config_link *ret);
int config_link_check(const struct config_reader *r,
		      struct config_fault *where);

/* Reads the value of NAME, a key of relay's; -CONFIG_E_UNKNOWN if it is none. */
int config_read_relayed(const char *name, struct config_rest *rest,
			struct config_reader *r);

/* BEST, or the key of relay's that is nearer to NAME. */
const char *config_relay_nearest(const char *name, const char *best);

int config_relay_check(const struct config_reader *r,
		       struct config_fault *where);

/* The readers of config_values.c, config_service.c, config_enclave.c and config_link.c. */
/* clang-format off */
#define CONFIG_READERS(READER) \
	READER(AFTER, after) \
	READER(AMBIENT, ambient) \
	READER(BOOL, bool) \
	READER(BOUNDING, bounding) \
	READER(BYTES, bytes) \
	READER(CHOICE, choice) \
	READER(COMMAND, command) \
	READER(CONTROL, control) \
	READER(DNS, dns) \
	READER(ENVIRONMENT, environment) \
	READER(ENVIRONMENT_FILE, environment_file) \
	READER(EXTEND, extend) \
	READER(GROUP, group) \
	READER(GROUPS, groups) \
	READER(HEARTBEAT, heartbeat) \
	READER(HOSTNAME, hostname) \
	READER(HOSTS, hosts) \
	READER(LIMIT, limit) \
	READER(LINE_TEXT, line_text) \
	READER(LINK, link) \
	READER(LINK_BYTES, link_bytes) \
	READER(LINK_NUMBER, link_number) \
	READER(LOCKS, locks) \
	READER(NUMBER, number) \
	READER(PATH, path) \
	READER(PLAIN, plain) \
	READER(SECUREBITS, securebits) \
	READER(SIGNAL, signal) \
	READER(SIZE, size) \
	READER(SYSCTLS, sysctls) \
	READER(TERMINAL, terminal) \
	READER(TIME, time) \
	READER(TIMEOUT, timeout) \
	READER(TMPFS, tmpfs) \
	READER(USER, user) \
	READER(WHO, who)
/* clang-format on */

#define CONFIG_READER_FN(code, name) config_read_fn config_read_##name;
CONFIG_READERS(CONFIG_READER_FN)

#endif
