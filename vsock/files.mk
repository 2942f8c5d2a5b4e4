# vsock's files.

VSOCK_C := $(addprefix vsock/,sock.c io.c heartbeat.c ring.c line.c record.c)

SEAMS += vsock/sock
