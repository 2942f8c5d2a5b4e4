# init.

MAIN_O := $(call objects,B,$(MAIN_C))
LIB_C := $(INIT_C) $(NSM_C) $(TEXT_C) $(VSOCK_C) $(ROOTFS_C)
LIB_O := $(call objects,B,$(LIB_C))
OBJECTS += $(MAIN_O) $(LIB_O)

# As it is shipped; the other programs, too.
$(B)/init $(B)/nsm $(B)/relay $(B)/kms $(B)/api $(B)/mkeif: $(B)/%: $(B)/%.debug
	$(call note,STRIP)
	$(Q)$(CROSS)strip -s -R .comment -o $@ $<

$(B)/init.debug: $(MAIN_O) $(LIB_O)
	$(call link,$(LINK_TARGET) -Wl$(comma)-Map=$(B)/init.map)
