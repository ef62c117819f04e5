# shellcheck shell=bash disable=SC2034
# packages.sh - sourced by check.sh and demo.sh: which Debian packages are needed, and installing
# those that are missing (with sudo where one is not root).

build_packages=(gcc meson ninja-build pkg-config libavformat-dev libavcodec-dev libavutil-dev
  libswscale-dev libswresample-dev libdnnl-dev libcjson-dev libzip-dev zlib1g-dev nettle-dev
  flite1-dev)

install_packages() { # names...
  local missing=() package sudo=""
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' ||
      missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if ! command -v apt-get >/dev/null; then
    echo "this is no Debian: these packages, or what they are called here, are needed: ${missing[*]}" >&2
    return 0
  fi
  echo "installing: ${missing[*]}" >&2
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "please run as root, or install these packages yourself" >&2; return 1; }
    sudo=sudo
  fi
  $sudo apt-get update -qq &&
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      "${missing[@]}" >/dev/null
}
