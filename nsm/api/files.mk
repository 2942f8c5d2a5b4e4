# The local API by room. It has the client of KMS inside.

API := main tables \
	$(addprefix spec/,conf lexeme loopback) \
	$(addprefix jobs/,jobs custody task job) \
	$(addprefix base/,loop sandbox notify) \
	$(addprefix http/,listener connection intake router access web) \
	$(addprefix compat/,coco enclaver evervault nitriding oyster paper) \
	$(addprefix routes/,body health_route describe_route random_route attestation_route pcrs_route verify_route \
	credentials_route ready_route kms aws ask keys)
API_OWN_C := $(API:%=nsm/api/%.c)
# The filter of its processes.
API_BELOW_C := vsock/seccomp.c
API_C := $(API_OWN_C) $(API_BELOW_C) $(KMS_LIB_C) $(KMS_BELOW_C) $(OPTS_C)

# What is measured with the image: mkeif reads it as the API does.
API_SPEC_C := $(filter nsm/api/spec/%,$(API_OWN_C)) $(addprefix nsm/kms/,credentials/source.c wire/endpoint.c)

# Bytes that it may have: scripts/check-static.
API_MAX := 557056

VERSION_C += nsm/api/main.c
