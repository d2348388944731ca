#!/bin/bash
# SPDX-License-Identifier: MIT
# bench-hash.sh: the shape hash computes what it was asked for: SHA-256 as sha256sum does, XXH3 by default. Both say that they
# copy, and for which wrapper.
# shellcheck disable=SC2034,SC2317 # parts calls the functions, and reads what they miss
set -u
. "$(dirname "$0")/lib.sh"
failed=0
head -c 3000001 /dev/urandom >mine

bench() { run 0 "$LEAT" bench --shape file-tcp/hash --rounds 1 --no-go --file mine --json hash.json "$@"; }
sha256() {
	bench --hash sha256
	says hash.json '"hash": "sha256"'
	says hash.json '"reason": "needs-content:sha256"'
	says hash.json "\"content_hash\": \"$(sha256sum mine | cut -d ' ' -f 1)\""
	says out '^  leat hash .* copy$'
	says out '^ +needs-content:sha256$'
}
xxh3_by_default() {
	bench
	says hash.json '"hash": "xxh3"'
	says hash.json '"reason": "needs-content:xxh3"'
	says hash.json '"content_hash": "[0-9a-f]{16}"'
}
xxh3_as_xxhsum_has_it() {
	command -v xxhsum >/dev/null || { misses 'xxhsum is not installed'; return; }
	xxhsum -H3 mine >sum 2>err || { misses "this xxhsum has no XXH3: $(head -1 err)"; return; }
	bench
	says hash.json "\"content_hash\": \"$(sed -E 's/.*(^|[ _])([0-9a-f]{16}).*/\2/' sum)\""
}

parts sha256 xxh3_by_default xxh3_as_xxhsum_has_it
