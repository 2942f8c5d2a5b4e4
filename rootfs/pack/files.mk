# mkeif's files, by rooms, in the order of the link.

PACK := main \
	$(addprefix command/,command build build_options build_app build_relay build_api describe describe_json diff diff_json diff_listing \
		extract pcr policy policy_json sign set_init sign_options inputs emit) \
	$(addprefix image/,image image_load load origin oci descriptor manifest docker blobs layer dir skopeo \
		settings digest elf python app check place) \
	$(addprefix ramdisk/,ramdisk cpio gzip tar squashfs listing unpack unpack_tree rewrite part parts kernel) \
	$(addprefix eif/,eif eif_writer measure metadata pcrs) \
	$(addprefix sign/,signature sign_key key_file token ecdsa cose cert ossl) \
	$(addprefix base/,fault buffer content escape strings json json_print hash tree spool output cleanup progress slurp civil)

# And what it has of init and nsm: all that it may include.
PACK_OWN_C := $(PACK:%=rootfs/pack/%.c)
PACK_C := $(PACK_OWN_C) $(SPEC_C) $(PLAN_C) $(TEXT_C) nsm/item.c $(API_SPEC_C)

# Bytes that it may have: scripts/check-static.
PACK_MAX := 5242880

VERSION_C += rootfs/pack/main.c rootfs/pack/command/build.c
