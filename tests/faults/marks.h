#ifndef TESTS_FAULTS_MARKS_H
#define TESTS_FAULTS_MARKS_H

/* Tells the injector that PID 1 is in the step NAME. */
void marks_step(const char *name);

#endif
