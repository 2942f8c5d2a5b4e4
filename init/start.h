#ifndef INIT_START_H
#define INIT_START_H

struct boot;

/*
 * Starts all services of the configuration: reads before what decides who they are and
 * what they may do (names, filters), and makes their sockets and control groups.
 * Returns 0, or -1 with the fault logged.
 */
int start_services(struct boot *b);

/* Gives back what is needed to start something, where nothing will be. */
void start_forget(struct boot *b);

#endif
