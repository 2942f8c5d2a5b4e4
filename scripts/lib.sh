# shellcheck shell=bash
# What the scripts share: messages, the cache, Debian's packages. Sourced, never run.

CACHE=${ENCLAVE_INIT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/enclave-init}
JOBS=${JOBS:-$(nproc)}

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "$*"; exit 1; }

# as_root COMMAND...: run it as root, by sudo where we are somebody else.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		command -v sudo >/dev/null || die "root is needed for: $* (no sudo here)"
		sudo "$@"
	fi
}

# apt_get WORDS...: apt-get, but no service is started of what it installs, as in containers: the tests start what they
# need.
apt_get() {
	# shellcheck disable=SC2016
	as_root sh -c 'policy=/usr/sbin/policy-rc.d
		if [ ! -e $policy ]; then
			trap "rm -f $policy" EXIT
			trap "exit 1" HUP INT TERM
			printf "#!/bin/sh\nexit 101\n" >$policy
			chmod 755 $policy
		fi
		DEBIAN_FRONTEND=noninteractive apt-get "$@"' sh "$@"
}

# need_packages PACKAGE...: install those Debian packages that are missing.
need_packages() {
	local p missing=()
	command -v dpkg-query >/dev/null || return 0 # not Debian: trust the PATH
	for p; do
		dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q ' installed$' ||
			missing+=("$p")
	done
	[ ${#missing[@]} = 0 ] && return 0
	say "installing ${missing[*]}"
	mkdir -p "$CACHE"
	local log=$CACHE/apt-install.log
	(
		flock 9
		local opts=(-y -q --no-install-recommends -o Dpkg::Use-Pty=0
			-o DPkg::Lock::Timeout=300)
		apt_get "${opts[@]}" install "${missing[@]}" >"$log" 2>&1 ||
			{ apt_get update >"$log" 2>&1 &&
				apt_get "${opts[@]}" install "${missing[@]}" >>"$log" 2>&1; }
	) 9>"$CACHE/apt-install.lock" ||
		{ tail -n 20 "$log" >&2; die "cannot install ${missing[*]} ($log)"; }
}

# sha256_is FILE HASH
sha256_is() { [ -f "$1" ] && [ "$(sha256sum "$1" | cut -d' ' -f1)" = "$2" ]; }

# A second apt, with folders of its own under the cache, that knows the suites
# the machine's sources do not name. The mirror is the machine's own.
PRIVATE_APT=()
private_apt() {
	local dir=$CACHE/apt mirror suite
	[ ${#PRIVATE_APT[@]} = 0 ] || return 0
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial" "$dir/parts"
	PRIVATE_APT=(-q -o Dir::Etc::SourceList="$dir/list"
		-o Dir::Etc::SourceParts="$dir/parts" -o Dir::State::Lists="$dir/lists"
		-o Dir::Cache="$dir/cache" -o APT::Sandbox::User=root
		-o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false
		-o Acquire::Languages=none)
	(
		flock 9
		# Fresh for a day; the lists are 50 MB.
		[ -n "$(find "$dir/stamp" -mmin -1440 2>/dev/null)" ] && exit 0
		# shellcheck disable=SC2016 # apt fills the fields in
		index() {
			apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(REPO_URI)' \
				'Created-By: Packages' | awk '$1 == "Debian" && $2 !~ /-/ { print $3; exit }'
		}
		mirror=$(index)
		[ -n "$mirror" ] || { as_root apt-get update >/dev/null 2>&1; mirror=$(index); }
		[ -n "$mirror" ] || die "the machine's apt names no Debian mirror"
		for suite in bookworm-backports trixie sid; do
			printf '%s [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' \
				deb "$mirror" "$suite" deb-src "$mirror" "$suite"
		done >"$dir/list"
		say "reading Debian's package lists (50 MB, 10 s)"
		apt-get "${PRIVATE_APT[@]}" update >"$dir/log" 2>&1 ||
			{ tail -n 5 "$dir/log" >&2; die "apt-get update failed for the private lists"; }
		touch "$dir/stamp"
	) 9>"$dir/lock"
}

# debian_orig SOURCE FILE DEST: the file of that name of any stored version of
# the source package SOURCE. Fails quietly where there is none.
debian_orig() {
	local version line uri hash
	command -v apt-get >/dev/null || return 1
	private_apt || return 1
	while read -r version; do
		line=$(apt-get "${PRIVATE_APT[@]}" source --print-uris "$1=$version" \
			2>/dev/null </dev/null | grep -F " $2 ") || continue
		read -r uri _ _ hash <<<"$line"
		/usr/lib/apt/apt-helper download-file "${uri//\'/}" "$3.part" "$hash" \
			>/dev/null 2>&1 </dev/null || return 1
		mv "$3.part" "$3"
		return 0
	done < <(apt-cache "${PRIVATE_APT[@]}" showsrc "$1" 2>/dev/null |
		sed -n 's/^Version: //p')
	return 1
}

# debian_unpack PACKAGE DIR: the newest stored .deb, unpacked below DIR; nothing
# of the machine changes.
debian_unpack() {
	local tmp
	command -v apt-get >/dev/null || return 1
	private_apt || return 1
	mkdir -p "$CACHE/debs" "$2"
	tmp=$(mktemp -d "$CACHE/debs/XXXXXX") || return 1
	(cd "$tmp" && apt-get "${PRIVATE_APT[@]}" download "$1" >log 2>&1) &&
		dpkg-deb -x "$tmp"/*.deb "$2"
	local rc=$?
	[ $rc = 0 ] || tail -n 3 "$tmp/log" >&2
	rm -rf "$tmp"
	return $rc
}
