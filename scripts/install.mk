# What is installed, and where.

# Where no compiler looks unless it is told: AWS's own may be installed, too.
COMPATDIR = $(LIBDIR)/enclave-init/compat
install:
	install -D -m 0755 $(B)/init $(DESTDIR)$(PREFIX)/lib/enclave-init/$(ARCH)/init
	install -D -m 0644 init/enclave-init.8 \
		$(DESTDIR)$(PREFIX)/share/man/man8/enclave-init.8
	install -D -m 0644 init/enclave-init.conf.5 \
		$(DESTDIR)$(PREFIX)/share/man/man5/enclave-init.conf.5
	install -D -m 0755 $(B)/nsm $(DESTDIR)$(PREFIX)/bin/nsm
	install -D -m 0755 $(B)/relay $(DESTDIR)$(PREFIX)/bin/enclave-relay
	ln -sfn ../../../bin/enclave-relay $(DESTDIR)$(PREFIX)/lib/enclave-init/$(ARCH)/relay
	install -D -m 0644 vsock/relay/enclave-relay.1 \
		$(DESTDIR)$(PREFIX)/share/man/man1/enclave-relay.1
	install -D -m 0644 vsock/relay/enclave-relay.bash-completion \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/enclave-relay
	install -D -m 0755 $(B)/kms $(DESTDIR)$(PREFIX)/bin/kms
	install -D -m 0644 nsm/kms/kms.bash-completion \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/kms
	install -D -m 0755 $(B)/api $(DESTDIR)$(PREFIX)/bin/enclave-api
	for page in $(wildcard nsm/kms/*.[1-8] nsm/api/*.[1-8]); do \
		install -D -m 0644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/} || exit 1; done
	install -D -m 0644 nsm/api/openapi.yaml $(DESTDIR)$(PREFIX)/share/enclave-init/openapi.yaml
	install -D -m 0755 $(B)/mkeif $(DESTDIR)$(PREFIX)/bin/mkeif
	install -D -m 0644 rootfs/pack/mkeif.1 \
		$(DESTDIR)$(PREFIX)/share/man/man1/mkeif.1
	install -D -m 0644 nsm/nsm.1 $(DESTDIR)$(PREFIX)/share/man/man1/nsm.1
	install -D -m 0644 nsm/libnsmc.3 $(DESTDIR)$(PREFIX)/share/man/man3/libnsmc.3
	install -D -m 0644 nsm/nsm.bash-completion \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/nsm
	install -D -m 0644 rootfs/pack/mkeif.bash-completion \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/mkeif
	install -D -m 0644 $(B)/libnsmc.a $(DESTDIR)$(LIBDIR)/libnsmc.a
	install -D -m 0644 $(B)/libnsmc.so.0 $(DESTDIR)$(LIBDIR)/libnsmc.so.0.$(VERSION)
	ln -sfn libnsmc.so.0.$(VERSION) $(DESTDIR)$(LIBDIR)/libnsmc.so.0
	ln -sfn libnsmc.so.0 $(DESTDIR)$(LIBDIR)/libnsmc.so
	install -D -m 0644 $(B)/libnsmc.pc $(DESTDIR)$(LIBDIR)/pkgconfig/libnsmc.pc
	install -D -m 0644 nsm/nsmc.h $(DESTDIR)$(INCLUDEDIR)/nsmc.h
	install -D -m 0644 $(B)/libkmsc.a $(DESTDIR)$(LIBDIR)/libkmsc.a
	install -D -m 0644 $(B)/libkmsc.pc $(DESTDIR)$(LIBDIR)/pkgconfig/libkmsc.pc
	install -D -m 0644 $(B)/kmsc.h $(DESTDIR)$(INCLUDEDIR)/kmsc.h
	install -D -m 0644 nsm/compat/nsm.h $(DESTDIR)$(COMPATDIR)/include/nsm.h
	install -D -m 0644 $(B)/compat/lib/libnsm.a $(DESTDIR)$(COMPATDIR)/lib/libnsm.a
	install -D -m 0644 $(B)/compat/lib/libnsm.so.0 $(DESTDIR)$(COMPATDIR)/lib/libnsm.so.0
	ln -sfn libnsm.so.0 $(DESTDIR)$(COMPATDIR)/lib/libnsm.so
