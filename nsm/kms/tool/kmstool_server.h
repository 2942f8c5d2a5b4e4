#ifndef NSM_KMS_TOOL_KMSTOOL_SERVER_H
#define NSM_KMS_TOOL_KMSTOOL_SERVER_H

/*
 * AWS's kmstool_enclave (aws-nitro-enclaves-sdk-c, bin/kmstool-enclave): a server at a port of
 * vsock that gets credentials and ciphertexts, and answers plaintexts, of kmstool_instance.
 * Options, environment, exit codes and the bytes on its port are the same. Each connection has
 * a process and credentials of its own.
 */

/* Runs it: ARGV[0] is what messages begin with. Returns the exit code: 1, or 0 for --help. */
int kmstool_server(int argc, char **argv);

#endif
