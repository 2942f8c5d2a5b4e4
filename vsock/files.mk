# vsock's files.

VSOCK_C := $(addprefix vsock/,sock.c io.c heartbeat.c record.c)

SEAMS += vsock/sock
