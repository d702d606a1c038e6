#!/bin/sh
# Installs the peers into a scratch folder ($PEERS, by default /tmp/moezoo-peers) unless they are there, and
# compares: every argument goes to run.py.
set -e
here=$(cd "$(dirname "$0")" && pwd)
peers=${PEERS:-/tmp/moezoo-peers}
if [ ! -e "$peers/installed" ]; then
	python3 -m venv "$peers/venv"
	pip="$peers/venv/bin/pip install --quiet --disable-pip-version-check"
	$pip -r "$here/requirements.txt"
	# PyTorch's wheel for Linux is the one for CUDA, and does not load without some of CUDA's libraries. What
	# it never touches on a CPU (Triton, cuSOLVER) is left out: 2.3 GB instead of 3.
	$pip --no-deps -r "$here/requirements-torch.txt"
	CARGO_TARGET_DIR="$peers/candle" cargo build --quiet --release --locked --manifest-path "$here/candle/Cargo.toml"
	touch "$peers/installed"
fi
exec "$peers/venv/bin/python" "$here/run.py" --peers "$peers" "$@"
