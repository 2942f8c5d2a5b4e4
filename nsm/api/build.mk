# api, installed as enclave-api: made of kms's objects and its own.

API_O := $(call objects,K,$(API_C) $(LIBNSM_C))
OBJECTS += $(API_O)

$(B)/api.debug: $(API_O)
	$(call link,$(LINK_K))
