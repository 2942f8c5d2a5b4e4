#ifndef NSM_KMS_TOOL_KMSTOOL_CLI_H
#define NSM_KMS_TOOL_KMSTOOL_CLI_H

/*
 * AWS's kmstool_enclave_cli (aws-nitro-enclaves-sdk-c, bin/kmstool-enclave-cli) with the same
 * options, standard output and exit codes: 0, 1 for a misuse, 255 for all that fails.
 */

/*
 * Runs it: ARGV[0] is what messages begin with, ARGV[1] the command. The values of options
 * that are secret are wiped in ARGV. Returns the exit code.
 */
int kmstool_cli(int argc, char **argv);

#endif
