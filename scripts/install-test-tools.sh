#!/usr/bin/env bash
# What `make test-all` needs beyond `make test`: Debian's Chromium, for the tests in a browser.
# Does nothing where it is there already.
set -euo pipefail
if command -v chromium >/dev/null; then
    echo "test tools: chromium is there already ($(command -v chromium))"
    exit 0
fi
if ! command -v apt-get >/dev/null; then
    echo "error: the tests in a browser need the program chromium on PATH; install it." >&2
    exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "error: the tests in a browser need the Debian package chromium, and only root may" >&2
    echo "install it: sudo apt-get install --no-install-recommends chromium" >&2
    exit 1
fi
echo "test tools: installing the Debian package chromium"
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet=2
apt-get install --quiet=2 --yes --no-install-recommends chromium
echo "test tools: $(chromium --version 2>/dev/null) is installed"
