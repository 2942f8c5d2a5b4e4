# The client of KMS by room: the library's files, then the tool's; and what both have of others.

# What is sent and read.
KMS_WIRE := operations_local operations_client operations_slot operations verdict sigv4 endpoint instant http json base64

# Connections.
KMS_NET := dial generator roots trust chain tls exchange

# Where keys come from.
KMS_CREDENTIALS := reason credential source shape keeper metadata frame frames setclient fetch provider

# A call.
KMS_CALL := moment fault retry client attested request answer course call

KMS_LIB := $(KMS_WIRE:%=wire/%) $(KMS_NET:%=net/%) $(KMS_CREDENTIALS:%=credentials/%) $(KMS_CALL:%=call/%)
KMS_TOOL := $(addprefix tool/,main settings material perform result decrypt generate derive \
	kmstool_cli kmstool_server kmstool_client kmstool_words)
KMS_LIB_C := $(KMS_LIB:%=nsm/kms/%.c)
KMS_OWN_C := $(KMS_LIB_C) $(KMS_TOOL:%=nsm/kms/%.c)
# Of the tool nsm: messages, what is read, what is written.
KMS_TOOL_C := $(KMS_TOOL:%=nsm/kms/%.c) $(addprefix nsm/tool/,tool.c input.c blob.c out.c out_file.c)

# What is below the library: libnsmc by itself, the seam of vsock, addresses, code of texts.
KMS_BELOW_C := $(addprefix vsock/,sock.c io.c relay/plan/address.c relay/plan/words.c relay/base/value.c) nsm/tool/code.c $(TEXT_C)
KMS_C := $(KMS_LIB_C) $(KMS_TOOL_C) $(KMS_BELOW_C) $(OPTS_C)

# Bytes that it may have: scripts/check-static. It is arm64's that is near, whose code is a sixth longer.
KMS_MAX := 458752

VERSION_C += nsm/kms/tool/main.c nsm/kms/call/client.c
