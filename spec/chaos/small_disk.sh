#!/bin/bash
# small_disk.sh COMMAND... --config DIR/FILE: run COMMAND with a small file system of its own as DIR/data.
# SPDX-License-Identifier: MIT
#
# In a mount namespace that somebody else holds: the file systems live as long as that process, and nobody outside sees them.
# /dev/shm is where libfaketime leaves things behind.
set -e
data=$(dirname "${!#}")/data
mountpoint -q "$data" || {
	mount -t tmpfs -o size=1m,mode=755 tmpfs "$data"
	mount -t tmpfs -o size=1m tmpfs /dev/shm
}
exec "$@"
