#!/bin/bash
# SPDX-License-Identifier: MIT
# mend.sh [NAME...]: every remedy that doctor prints, tried. Each patient of mend/patients moves a file between two ends, before and
# after the remedy, and strace adds up what its calls moved: before it must carry the bytes through user space, after it the
# kernel must have moved them (a header or the first piece may still go by itself). Patients whose language or program is not
# here are skipped by name; nginx and libuv's header may be those that ward/run has fetched into LEAT_BUILD. NAME is a pattern of the
# shell. Programs and flags that are elsewhere: CC, GO, NGINX, HAPROXY, UV_FLAGS. The ends file-other are two files on two file
# systems: what is written goes to MEND_OTHER, /dev/shm if it is not set.
# mend.sh --doctor [NAME...]: instead, leat doctor (LEAT) watches each patient before its remedy, and must print that remedy, of which
# mend/remedies has the first words. What takes less than a moment may be over before its stacks are looked at, so that a patient
# moves more, is held up on its way, and has three tries.
set -euo pipefail
source=$(cd "$(dirname "$0")/mend" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/leat-mend.XXXXXX")
other=$(mktemp -d "${MEND_OTHER:-/dev/shm}/leat-mend.XXXXXX" 2>/dev/null) || other=
trap 'rm -rf "$work" ${other:+"$other"}' EXIT
bytes=$((16 << 20))
failed=0 passed=0 skipped=0 uv=-luv doctor=
fetched=${LEAT_BUILD:-/nowhere}/ward/packages/usr
command -v nginx >/dev/null || [ ! -x "$fetched/sbin/nginx" ] || : "${NGINX:=$fetched/sbin/nginx}"
if [ ! -e /usr/include/uv.h ] && [ -e "$fetched/include/uv.h" ]; then
	: "${UV_FLAGS:=-I$fetched/include}"
	uv=-l:libuv.so.1	# the library itself is there wherever node is
fi
[ "${1-}" != --doctor ] || { doctor=${LEAT:?names the program leat} bytes=$((128 << 20)); export MEND_PAUSE_MS=400; shift; }

command -v strace >/dev/null || { echo 'SKIP: strace is not installed'; exit 77; }
strace -o /dev/null true 2>/dev/null || { echo 'SKIP: tracing is not permitted here'; exit 77; }

# Each gives the command of a patient in the array "command", or the reason why there is none in "missing".
have() { command -v "$1" >/dev/null || { missing="$1 is not installed"; return 1; }; }

build_c() { have "${CC:-cc}" && "${CC:-cc}" -O2 -D_GNU_SOURCE -I"$source/c" "$source/c/$1" -o "$2" && command=("$2"); }

build_uv() {
	have "${CC:-cc}" || return 1
	# shellcheck disable=SC2086 # flags are words
	echo '#include <uv.h>' | "${CC:-cc}" ${UV_FLAGS:-} -E - >/dev/null 2>&1 || { missing='libuv1-dev is not installed'; return 1; }
	# shellcheck disable=SC2086
	"${CC:-cc}" -O2 -D_GNU_SOURCE -I"$source/c" ${UV_FLAGS:-} "$source/c/$1" -o "$2" ${UV_FLAGS:-} "$uv" && command=("$2")
}

build_tls() {
	have "${CC:-cc}" || return 1
	echo '#include <openssl/ssl.h>' | "${CC:-cc}" -E - >/dev/null 2>&1 || { missing='libssl-dev is not installed'; return 1; }
	"${CC:-cc}" -O2 -D_GNU_SOURCE -I"$source/c" "$source/c/$1" -o "$2" -lssl -lcrypto && command=("$2")
}

build_leat() {
	local build=${LEAT_BUILD:-}
	have "${CC:-cc}" || return 1
	[ -e "$build/src/libleat.a" ] || { missing='LEAT_BUILD names no build of libleat'; return 1; }
	"${CC:-cc}" -O2 -D_GNU_SOURCE -I"$source/c" -I"$source/../../../include" "$source/c/$1" "$build/src/libleat.a" -pthread -o "$2" &&
		command=("$2")
}

build_go() {
	have "${GO:-go}" || return 1
	if [ "${since:-0}" -gt "$("${GO:-go}" env GOVERSION | cut -d. -f2)" ]; then
		missing="Go is older than 1.$since"
		return 1
	fi
	(cd "$source/go" && GOFLAGS='' GO111MODULE=off GOTOOLCHAIN=local GOCACHE="${GOCACHE:-$work/go}" \
		"${GO:-go}" build -o "$2" ends.go "$1") && command=("$2")
}

build_rust() { have rustc && rustc --edition 2021 -O -o "$2" "$source/rust/$1" && command=("$2"); }
build_python() { have python3 && command=("$(python3 -c 'import sys; print(sys.executable)')" "$source/python/$1"); }
build_node() { have node && command=(node "$source/node/$1"); }
build_java() {
	have javac || return 1
	mkdir -p "$2" && javac -d "$2" "$source/java/$1" && command=(java -Xmx64m -cp "$2" "${1%.java}")
}

# $1 the log, $2 a list of calls as a pattern: what they moved together.
moved() {
	awk -v calls="^($2)\$" '
		{ sub(/^[0-9]+ +/, "") }
		match($0, /^<\.\.\. [a-z0-9_]+ resumed>/) { name = substr($0, 6); sub(/ .*/, "", name) }
		match($0, /^[a-z0-9_]+\(/) { name = substr($0, 1, RLENGTH - 1) }
		name ~ calls && / = [0-9]+$/ { sum += $NF }
		{ name = "" }
		END { printf "%d\n", sum }' "$1"
}
kernel='sendfile|sendfile64|copy_file_range|splice'
user='write|writev|pwrite64|pwritev|pwritev2|sendto|sendmsg'
trace=(strace -f -qq -o "$work/log" -e "trace=sendfile,copy_file_range,splice,write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg")

has_remedy() { [ -n "$1" ] && grep -qF "mend\": \"$1" "$work/report"; }

remedy_of() { # NAME ENDS
	local pattern words
	while IFS=$'\t' read -r pattern words; do
		# shellcheck disable=SC2053 # it is a pattern
		[[ "$1 $2" != $pattern ]] || { echo "$words"; return; }
	done <"$source/remedies"
}

# The report of a patient that was watched has its remedy.
diagnosed() { # NAME ENDS
	local words
	words=$(remedy_of "$1" "$2")
	if has_remedy "$words"; then
		echo "ok   $1 $2: $words..."
		passed=$((passed + 1))
	else
		echo "FAIL $1 $2: no \"$words\" in the report, but:"
		grep -E '^.{3,4}"(verdict|bytes|function|why|mend)": ' "$work/report" || cat "$work/out"
		failed=$((failed + 1))
	fi
}

judge() { # NAME ENDS MODE
	local by_kernel by_user
	[ -z "$doctor" ] || { diagnosed "$1" "$2"; return; }
	by_kernel=$(moved "$work/log" "$kernel") by_user=$(moved "$work/log" "$user")
	if case $3 in
		before) [ "$by_user" -ge "$bytes" ] && [ "$by_kernel" -lt $((bytes / 16)) ] ;;
		after) [ "$by_kernel" -ge $((bytes - bytes / 16)) ] && [ "$by_user" -lt $((bytes / 16)) ] ;;
	esac
	then
		echo "ok   $1 $2 $3: $((by_kernel >> 10)) KiB by the kernel, $((by_user >> 10)) KiB through user space"
		passed=$((passed + 1))
	else
		echo "FAIL $1 $2 $3: $by_kernel bytes by the kernel, $by_user through user space, of $bytes"
		failed=$((failed + 1))
	fi
}

program() { # NAME ENDS MODE: command[@] under strace, or watched, with the ends of a patient around it
	local status=0 copy=$work/copy
	if [ "$2" = file-other ]; then
		if [ -z "$other" ] || [ "$(stat -c %d "$other")" = "$(stat -c %d "$work")" ]; then
			echo "skip $1 $2: there is no second file system, MEND_OTHER names none"
			skipped=$((skipped + 1))
			return
		fi
		copy=$other/copy
	fi
	rm -f "$copy"
	export MEND_FILE=$work/file MEND_COPY=$copy
	if [ -n "$doctor" ]; then
		for _ in 1 2 3; do
			status=0
			timeout 120 "$doctor" doctor --json -- "$work/peer" "$work/file" "${command[@]}" "$3" "$2" >"$work/report" 2>"$work/out" ||
				status=$?
			! has_remedy "$(remedy_of "$1" "$2")" || break
		done
		[ $status != 1 ] || status=0	# something was found, that is
	else
		timeout 120 "$work/peer" "$work/file" "${trace[@]}" "${command[@]}" "$3" "$2" >"$work/out" 2>&1 || status=$?
	fi
	if [ $status = 77 ] || [ $status = 3 ]; then
		echo "skip $1 $2: $(head -1 "$work/out")"
		skipped=$((skipped + 1))
	elif [ $status != 0 ] || { [ -e "$copy" ] && ! cmp -s "$work/file" "$copy"; }; then
		echo "FAIL $1 $2 $3: it did not move its file (status $status)"
		tail -5 "$work/out"
		failed=$((failed + 1))
	else
		judge "$1" "$2" "$3"
	fi
	rm -f "$copy"
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

server() { # NAME ENDS MODE HOW PATH COMMAND...: a server under strace, asked once
	local name=$1 kinds=$2 mode=$3 how=$4 path=$5 pid status=0
	shift 5
	if [ -n "$doctor" ]; then
		"$doctor" doctor --json -- "$@" >"$work/report" 2>"$work/out" &
	else
		"${trace[@]}" "$@" >"$work/out" 2>&1 &
	fi
	pid=$!
	timeout 60 "$work/peer" "$work/file" "$how" "$port" "$path" || status=$?
	kill -TERM "$(pgrep -P "$pid" | head -1)" 2>/dev/null || kill -TERM "$pid" 2>/dev/null || true
	wait "$pid" || true
	if [ $status = 0 ]; then
		judge "$name" "$kinds" "$mode"
	else
		echo "FAIL $name $kinds $mode: the file did not come"
		tail -5 "$work/out"
		failed=$((failed + 1))
	fi
}

run_nginx() { # NAME ENDS MODE
	port=$(free_port)
	sed -e "s|@DIR@|$work|; s|@ROOT@|$work|; s|@PORT@|$port|; s|@SENDFILE@|$([ "$3" = after ] && echo on || echo off)|" \
		"$source/conf/nginx.conf" >"$work/nginx.conf"
	server "$1" "$2" "$3" --get /file "${NGINX:-nginx}" -p "$work" -c "$work/nginx.conf" -e stderr
}

run_haproxy() { # NAME response|request MODE: between the peer's source or sink and a client
	local peer server=MEND_SOURCE how=--get
	[ "$2" = response ] || { server=MEND_SINK how=--put; }
	port=$(free_port)
	"$work/peer" "$work/file" sh -c "echo \"\$$server\" >'$work/port'; exec sleep 60" 2>/dev/null &
	peer=$!
	while [ ! -s "$work/port" ]; do sleep 0.1; done
	sed -e "s|@PORT@|$port|; s|@SERVER@|$(cat "$work/port")|" \
		-e "s|@OPTION@|$([ "$3" = after ] && echo "option splice-$2" || echo 'option splice-auto')|" \
		"$source/conf/haproxy.cfg" >"$work/haproxy.cfg"
	server "$1" "$2" "$3" "$how" '' "${HAPROXY:-haproxy}" -db -f "$work/haproxy.cfg"
	kill "$(pgrep -P $peer)" 2>/dev/null || true
	wait $peer 2>/dev/null || true
	rm -f "$work/port"
}

named() { # NAME PATTERN...
	local name=$1 pattern
	shift
	for pattern; do
		# shellcheck disable=SC2053 # it is a pattern
		[[ $name != $pattern ]] || return 0
	done
	return 1
}

have "${CC:-cc}" || { echo "SKIP: $missing"; exit 77; }
"${CC:-cc}" -O2 -D_GNU_SOURCE "$source/peer.c" -pthread -o "$work/peer"
head -c $bytes /dev/urandom >"$work/file"

while read -r name language file kinds; do
	case $name in '' | '#'*) continue ;; esac
	[ $# -eq 0 ] || named "$name" "$@" || continue
	missing='' command=() since=''
	case $language in *:*) since=${language#*:} language=${language%:*} ;; esac
	case $language in
	nginx) have "${NGINX:-nginx}" || true ;;
	haproxy) have "${HAPROXY:-haproxy}" || true ;;
	*) "build_$language" "$file" "$work/$name" >"$work/out" 2>&1 || [ -n "$missing" ] || { tail -20 "$work/out"; missing=failed; } ;;
	esac
	case $missing in
	'') ;;
	failed) echo "FAIL $name: it does not build"; failed=$((failed + 1)); continue ;;
	*) echo "skip $name: $missing"; skipped=$((skipped + 1)); continue ;;
	esac
	for pair in $kinds; do
		for mode in before after; do
			[ -z "$doctor" ] || [ $mode = before ] || continue
			case $language in
			nginx | haproxy) "run_$language" "$name" "$pair" "$mode" ;;
			*) program "$name" "$pair" "$mode" ;;
			esac
		done
	done
done <"$source/patients"

echo "$passed held, $failed failed, $skipped skipped"
[ $failed = 0 ] && { [ $passed -gt 0 ] || exit 77; }
