#!/usr/bin/env bash
# The first minutes of a new user: a fresh virtual environment, the wheel alone, an empty folder, and every example of
# the README's first screens and of "Coming from NePTune", each with the lines that it is said to print.
#
# The network is used by pip alone. Then the loopback is all there is: in a network namespace of their own where the
# system lets one be made (unshare), else with proxies that lead nowhere and a guard in Python's sockets.
#
#   tests/first_minutes.sh          PYTHON=python3.12 for another Python; PIP_ARGS for more of pip's arguments

set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONNOUSERSITE=1
unset PYTHONPATH VIRTUAL_ENV

echo "== a fresh virtual environment, and the wheel"
"$python" -m venv "$work/venv"
bin=$work/venv/bin
mkdir "$work/source" # a checkout is not written to while its wheel is built
for part in pyproject.toml README.md LICENSE neptune dsl grammars prompts configs programs examples; do
    cp -r "$root/$part" "$work/source/"
done
mkdir -p "$work/dist"
PIP_CONSTRAINT=$root/requirements/build.txt PIP_BUILD_CONSTRAINT=$root/requirements/build.txt \
    "$bin/python" -m pip wheel --quiet --no-deps --wheel-dir "$work/dist" "$work/source"
rm -rf "$work/source"
# The pins of `make`, without their hashes: torch has none, and pip wants all or none.
sed -nE 's/^([A-Za-z0-9][^\\]*[^ \\]).*/\1/p' "$root/requirements/demo.txt" >"$work/constraints.txt"
# shellcheck disable=SC2086
"$bin/python" -m pip install --quiet --constraint "$work/constraints.txt" \
    --constraint "$root/requirements/torch.txt" ${PIP_ARGS:-} "$work"/dist/*.whl
"$bin/python" -m pip check

cp "$root/README.md" "$root/docs/coming-from-neptune.md" "$root/docs/find.md" "$root/tests/helpers/console.py" "$work/"
mkdir "$work/empty"
cd "$work/empty"
export PATH=$bin:$PATH HOME=$work
unset OPENAI_API_KEY OPENROUTER_API_KEY DEEPSEEK_API_KEY
neptune-reasoner examples # which lie in a checkout, where the README is read first

loopback='
import fcntl, socket, struct
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    fcntl.ioctl(s, 0x8914, struct.pack("16sH14x", b"lo", 0x41))  # up, as `ip link set lo up` does
'
if unshare --user --map-root-user --net true 2>/dev/null; then
    echo "== no network but the loopback: a network namespace of its own"
    exec 3<<<"$loopback"
    unshare --user --map-root-user --net bash -c '
        python <&3 && { python -c "import socket; socket.create_connection((\"192.0.2.1\", 80), 2)" 2>/dev/null &&
            { echo "there is a network" >&2; exit 1; } || true; } && exec python "$@"
    ' run "$work/console.py" "$work/README.md" "$work/coming-from-neptune.md" "$work/find.md"
else
    echo "== no network but the loopback: proxies that lead nowhere, and a guard in Python's sockets"
    site=$("$bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
    cat >"$site/no_network.py" <<'GUARD'
import socket

_connect = socket.socket.connect


def connect(self, address):
    if self.family != socket.AF_UNIX and not str(address[0]).startswith(("127.", "::1", "localhost")):
        raise OSError(f"no network: {address}")
    return _connect(self, address)


socket.socket.connect = connect
GUARD
    echo "import no_network" >"$site/no_network.pth"
    export http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9 all_proxy=http://127.0.0.1:9 no_proxy=127.0.0.1,localhost
    export HTTP_PROXY=$http_proxy HTTPS_PROXY=$https_proxy ALL_PROXY=$all_proxy NO_PROXY=$no_proxy
    python "$work/console.py" "$work/README.md" "$work/coming-from-neptune.md" "$work/find.md"
fi
