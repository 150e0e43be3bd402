#!/bin/bash
# run.sh IP PORT KEY COMMAND...: the keeper of one child process, started by process.lua.
# SPDX-License-Identifier: MIT
#
# Two connections to the test process: one takes the child's output, the other carries words: "pid N" and "exit N" out,
# names of signals in. When the test process goes away in whatever manner, the second one ends and the child's whole
# process group is killed.

for fd in /proc/$$/fd/*; do	# sockets that the test process leaves open
	fd=${fd##*/}
	((fd > 2 && fd != 255)) && eval "exec $fd>&-"
done
host=$1 port=$2 key=$3
shift 3
set -m				# the child gets a process group of its own
exec 3<>"/dev/tcp/$host/$port" 4<>"/dev/tcp/$host/$port" || exit 1
echo "out $key" >&3
echo "words $key" >&4
setpriv --pdeathsig KILL -- "$@" </dev/null >&3 2>&1 3>&- 4>&- &
child=$!
exec 3>&-
echo "pid $child" >&4
{
	while read -r -u 4 signal; do
		case $signal in
		group) kill -KILL -- "-$child" ;;
		*) kill -s "$signal" "$child" ;;
		esac
	done
	kill -KILL -- "-$child"
} >/dev/null 2>&1 &
reader=$!
set +m				# else wait tells of stops, too, and may never end after them
wait "$child"
status=$?
echo "exit $status" >&4
kill -KILL -- "-$child" 2>/dev/null	# children that it left behind
kill -KILL -- "-$reader" 2>/dev/null
exit 0
