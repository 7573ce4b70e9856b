#!/usr/bin/env bash
# install.sh: anywhere in the version that requirements.txt says, and OpenTofu where neither it nor Terraform is there.
# Both go to ~/.anywhere/bin.
set -euo pipefail

tofu=1.11.5
bin=$HOME/.anywhere/bin

python3 -m venv "$HOME/.anywhere"
"$bin/python" -m pip install --quiet --disable-pip-version-check --requirement requirements.txt

if ! command -v terraform >/dev/null && ! command -v tofu >/dev/null; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    case $(uname -m) in aarch64) arch=arm64 ;; *) arch=amd64 ;; esac
    archive=tofu_${tofu}_linux_$arch.zip
    releases=https://github.com/opentofu/opentofu/releases/download/v$tofu
    for name in "$archive" "tofu_${tofu}_SHA256SUMS"; do
        curl --fail --silent --show-error --location --output "$work/$name" "$releases/$name"
    done
    (cd "$work" && grep " $archive\$" "tofu_${tofu}_SHA256SUMS" | sha256sum --check --quiet --strict -)
    python3 -m zipfile --extract "$work/$archive" "$work"
    install "$work/tofu" "$bin/tofu"
fi

[ -z "${GITHUB_PATH:-}" ] || echo "$bin" >>"$GITHUB_PATH"
