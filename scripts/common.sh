# Shared by the scripts in this folder: sourced, not run.
# shellcheck shell=sh

script=$(basename "$0")

# A heading.
say() { printf '\n== %s\n' "$*"; }

# One sentence on standard error, and the end.
fail() {
    printf '%s: %s\n' "$script" "$*" >&2
    exit 1
}

is_root() { [ "$(id -u)" = 0 ]; }

# Runs a command as root; $2... must not need a terminal.
as_root() {
    if is_root; then
        "$@"
    else
        sudo "$@"
    fi
}

# Installs those of the named Debian packages that are missing.
need_packages() {
    missing=
    for package; do
        status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) || status=
        [ "$status" = 'install ok installed' ] || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null ||
        fail "these packages are missing, and there is no apt-get to install them:$missing"
    if ! is_root && ! command -v sudo >/dev/null; then
        fail "these packages are missing; as root: apt-get install$missing"
    fi
    say "Installing:$missing"
    as_root apt-get update -qq
    # shellcheck disable=SC2086 # a list of names
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends $missing </dev/null >/dev/null ||
        fail "apt-get could not install:$missing"
}

# Fails with a sentence if nothing can be mounted here.
need_fuse() {
    [ -e /dev/fuse ] || as_root modprobe fuse 2>/dev/null || true
    [ -c /dev/fuse ] || fail "/dev/fuse is missing, so nothing can be mounted: \
load the kernel module (modprobe fuse), or give the container --device /dev/fuse --cap-add SYS_ADMIN"
    if is_root; then
        # Debian's own mode; containers often have a stricter one, which shuts
        # out ordinary users.
        chmod 666 /dev/fuse
    elif [ ! -r /dev/fuse ] || [ ! -w /dev/fuse ]; then
        fail "/dev/fuse may not be opened by this user; as root: chmod 666 /dev/fuse"
    fi
}

# Unmounts $1, whoever mounted it, also when its server is gone.
unmount() {
    umount "$1" 2>/dev/null || fusermount3 -u "$1"
}

# Whether something is mounted on $1, dead mounts included.
is_mounted() {
    grep -qF " $1 " /proc/self/mounts
}
