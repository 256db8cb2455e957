#!/usr/bin/env bash
# Builds target/package/: a qscope that runs on any Linux from RHEL 7 and Debian 8 on, a .deb and an .rpm of it.
#
#   contrib/package.sh                  # everything
#   contrib/package.sh --binary FILE    # the packages alone, of a binary that is there
#
# It wants a Rust toolchain, python3 with pip (for zig, 420 MB, into target/package/tools), objdump and strip
# (binutils), dpkg-deb, and for the .rpm rpmbuild (Debian: apt-get install rpm). What is missing is named.
#
# The binary needs glibc 2.17 or later, and no libpcap: interfaces are read through Linux's own ring. Where zig cannot
# be had and Rust's musl target is installed, it is static instead.
#
# dpkg-deb and rpmbuild rather than cargo-deb and cargo-generate-rpm: those take minutes to build, and each wants a
# list of the files in a form of its own. Here one tree is laid out, once, and both packages are made of it.
set -euo pipefail
cd "$(dirname "$0")/.."

ZIGBUILD_VERSION=0.24.1
ZIG_VERSION=0.17.1
# That of RHEL 7, which is the oldest in use where ZooKeeper runs.
GLIBC=2.17
# All that a binary may want of the system: glibc's own libraries.
ALLOWED_LIBRARIES='^(libc|libm|libdl|librt|libpthread|libutil)\.so\.[0-9]+$|^ld-linux'

OUT=target/package
BINARY=
while [ $# -gt 0 ]; do
    case $1 in
        --binary) BINARY=$2; shift 2 ;;
        *) echo "usage: contrib/package.sh [--binary FILE]" >&2; exit 2 ;;
    esac
done

fail() { echo "package.sh: $*" >&2; exit 1; }
# 77: a tool cannot be had, and nothing else is wrong.
lack() { echo "package.sh: $*" >&2; exit 77; }
want() { command -v "$1" >/dev/null || lack "$1 is missing: install $2"; }

# Puts zig and cargo-zigbuild into the tools, or says that they cannot be had.
have_zigbuild() {
    local tools=$PWD/$OUT/tools
    export PATH=$tools/bin:$PATH
    if [ ! -x "$tools/bin/cargo-zigbuild" ]; then
        python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$tools" \
            "cargo-zigbuild==$ZIGBUILD_VERSION" "ziglang==$ZIG_VERSION" || return 1
    fi
    export CARGO_ZIGBUILD_ZIG_PATH=$tools/ziglang/zig
    cargo zigbuild --help >/dev/null 2>&1
}

build() {
    local target
    # Nothing of this machine's own libraries.
    export QSCOPE_WITHOUT_LIBPCAP=1
    if have_zigbuild; then
        target=$(uname -m)-unknown-linux-gnu
        cargo zigbuild --locked --release --bin qscope --target "$target.$GLIBC"
    else
        target=$(uname -m)-unknown-linux-musl
        [ -d "$(rustc --print target-libdir --target "$target")" ] ||
            lack "neither zig ('pip install ziglang cargo-zigbuild') nor Rust's $target ('rustup target add $target') can be had"
        echo "package.sh: no zig; a static binary for musl instead" >&2
        cargo build --locked --release --bin qscope --target "$target"
    fi
    BINARY=target/$target/release/qscope
}

# Refuses a binary that would not start on an old host.
check_binary() {
    local newest libraries
    newest=$(objdump -T "$1" 2>/dev/null | sed -n 's/.*GLIBC_\([0-9.]*\).*/\1/p' | sort -uV | tail -n 1)
    if [ "$(printf '%s\n' "${newest:-0}" "$GLIBC" | sort -V | tail -n 1)" != "$GLIBC" ]; then
        fail "$1 needs glibc $newest, which is newer than $GLIBC"
    fi
    libraries=$(objdump -p "$1" | awk '$1 == "NEEDED" { print $2 }')
    if grep -vE "$ALLOWED_LIBRARIES" <<<"$libraries" | grep .; then fail "$1 needs more than glibc"; fi
    echo "package.sh: $1 needs glibc ${newest:-none} and" $libraries
}

# What is the same in both packages, below a folder.
stage() {
    local root=$1 share=$1/usr/share
    install -D -m 755 "$OUT/qscope" "$root/usr/bin/qscope"
    mkdir -p "$share/man/man1"
    "$OUT/qscope" man "$share/man/man1"
    gzip -9n "$share"/man/man1/*.1
    mkdir -p "$share/bash-completion/completions" "$share/fish/vendor_completions.d" "$share/$ZSH"
    "$OUT/qscope" completions bash >"$share/bash-completion/completions/qscope"
    "$OUT/qscope" completions fish >"$share/fish/vendor_completions.d/qscope.fish"
    "$OUT/qscope" completions zsh >"$share/$ZSH/_qscope"
    # Installed, and neither enabled nor started: which interface to watch, the host's owner says.
    mkdir -p "$root/usr/lib/systemd/system"
    # 'any' wants libpcap, which this binary does without.
    sed 's|^\(ExecStart=\)/usr/local/bin/|\1/usr/bin/|; s|^\(Environment=QSCOPE_INTERFACE=\)any|\1eth0|' contrib/qscope.service >"$root/usr/lib/systemd/system/qscope.service"
    install -D -m 644 -t "$share/quorumscope" contrib/alerts.yml contrib/grafana.json contrib/quorumscope.lua
    install -D -m 644 -t "$share/doc/quorumscope" README.md CHANGELOG.md CONTRACT.md SECURITY.md LICENSE-MIT LICENSE-APACHE
    install -D -m 644 -t "$share/doc/quorumscope/docs" docs/*.md
    chmod -R u=rwX,go=rX "$root"
}

deb() {
    local root=$OUT/deb arch depends="libc6 (>= $GLIBC)"
    arch=$(dpkg --print-architecture)
    if ! objdump -p "$OUT/qscope" | grep -q NEEDED; then depends=; fi
    ZSH=zsh/vendor-completions stage "$root"
    cp LICENSE-MIT "$root/usr/share/doc/quorumscope/copyright"
    mkdir -p "$root/DEBIAN"
    {
        printf 'Package: quorumscope\nVersion: %s-1\nArchitecture: %s\n' "$VERSION" "$arch"
        printf 'Maintainer: The developers of quorumscope\nSection: net\nPriority: optional\n'
        printf 'Installed-Size: %s\n' "$(du -sk "$root/usr" | cut -f 1)"
        if [ -n "$depends" ]; then printf 'Depends: %s\n' "$depends"; fi
        printf 'Suggests: tcpdump, wireshark-common\n'
        printf 'Description: %s\n' "$SUMMARY"
        printf ' %s\n' "$DESCRIPTION"
    } >"$root/DEBIAN/control"
    dpkg-deb --root-owner-group -Zxz --build "$root" "$OUT/quorumscope_$VERSION-1_$arch.deb" >/dev/null
}

rpm() {
    local root=$OUT/rpm
    ZSH=zsh/site-functions stage "$root"
    {
        printf 'Name: quorumscope\nVersion: %s\nRelease: 1\nSummary: %s\n' "$VERSION" "$SUMMARY"
        printf 'License: MIT or Apache-2.0\n%%description\n%s\n' "$DESCRIPTION"
        printf '%%install\ncp -a %s/. %%{buildroot}\n%%files\n' "$PWD/$root"
        (cd "$root" && find . -type f | LC_ALL=C sort | sed 's|^\.||')
    } >"$OUT/quorumscope.spec"
    # gzip and no build ids, which rpm 4.11 of RHEL 7 reads; the binary is stripped already.
    rpmbuild -bb --quiet --buildroot "$PWD/$OUT/rpm-build-root" \
        --define "_topdir $PWD/$OUT/rpmbuild" --define "_rpmdir $PWD/$OUT" --define '_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm' \
        --define '_binary_payload w9.gzdio' --define '_build_id_links none' --define 'debug_package %{nil}' \
        --define '__os_install_post %{nil}' --define '_use_internal_dependency_generator 1' "$OUT/quorumscope.spec"
}

want cargo 'Rust (rust-version in Cargo.toml)'
want objdump binutils
want strip binutils
VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
SUMMARY='sees from packets why a ZooKeeper ensemble stumbled'
DESCRIPTION=$(sed -n 's/^description = "\(.*\)"/\1/p' Cargo.toml)

if [ -z "$BINARY" ]; then build; fi
check_binary "$BINARY"
rm -rf "$OUT/deb" "$OUT/rpm" "$OUT/rpmbuild" "$OUT"/*.deb "$OUT"/*.rpm
mkdir -p "$OUT"
strip -o "$OUT/qscope" "$BINARY"
if command -v dpkg-deb >/dev/null; then deb; else echo "package.sh: no .deb: dpkg-deb is missing" >&2; fi
if command -v rpmbuild >/dev/null; then rpm; else echo "package.sh: no .rpm: rpmbuild is missing (Debian: apt-get install rpm)" >&2; fi
rm -rf "$OUT/deb" "$OUT/rpm" "$OUT/rpmbuild" "$OUT/rpm-build-root"
ls -l "$OUT"/qscope "$OUT"/*.deb "$OUT"/*.rpm 2>/dev/null || true
