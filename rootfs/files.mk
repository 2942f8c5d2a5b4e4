# rootfs's files: those of init. mkeif's are in rootfs/pack/files.mk.

ROOTFS := mounts switch squash bind cgroup protect defaults etc loopback tree file number
ROOTFS_C := $(ROOTFS:%=rootfs/%.c)
