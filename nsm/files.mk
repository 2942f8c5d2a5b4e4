# nsm's files: PID 1's, the rest of libnsmc, what verifies documents alone, AWS's libnsm, the tool.

# In the order of the link.
NSM := dev pool item wire nsm measure entropy
NSM_C := $(NSM:%=nsm/%.c)

# libnsmc is what PID 1 has, but for the pool, and this.
NSM_MORE := error object doc root es384 certificate cache verify policy cms seed recipient
NSM_MORE_C := $(NSM_MORE:%=nsm/%.c)
LIBNSM_C := $(filter-out nsm/pool.c nsm/entropy.c,$(NSM_C)) $(NSM_MORE_C)

# What of it verifies documents, on any platform: scripts/libnsmc-verify.
VERIFY := item wire error object doc root es384 certificate cache verify policy
VERIFY_C := $(VERIFY:%=nsm/%.c)

# AWS's libnsm: its nine functions, by what PID 1 has too.
COMPAT_C := $(addprefix nsm/,compat/compat.c dev.c wire.c item.c)

# Of words and characters, pure: for what reads or prints what others wrote, the tools, init and vsock; no part of libnsmc.
TEXT_C := nsm/utf8.c nsm/near.c

# For programs with commands, the tool and relay.
OPTS_C := nsm/opts.c

# The tool: of the rest it sees nsmc.h, utf8.h, near.h and opts.h alone.
TOOL := main tool code input input_message blob out out_file json device pcr document verify show x509 recipient
TOOL_C := $(TOOL:%=nsm/tool/%.c) $(TEXT_C) $(OPTS_C)

# Bytes that it may have: scripts/check-static.
TOOL_MAX := 460800

VERSION_C += nsm/tool/main.c
SEAMS += nsm/dev nsm/pool
