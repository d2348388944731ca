#!/bin/bash
# SPDX-License-Identifier: MIT
# bench-hash.sh: the shape hash computes what it was asked for: SHA-256 as sha256sum does, XXH3 by default. Both say that they
# copy, and for which wrapper.
set -u
. "$(dirname "$0")/lib.sh"
failed=0
head -c 3000001 /dev/urandom >mine

bench() { run 0 "$LEAT" bench --shape file-tcp/hash --rounds 1 --no-go --file mine --json hash.json "$@"; }
bench --hash sha256
says hash.json '"hash": "sha256"'
says hash.json '"reason": "needs-content:sha256"'
says hash.json "\"content_hash\": \"$(sha256sum mine | cut -d ' ' -f 1)\""
says out '^  leat hash .* copy$'
says out '^ +needs-content:sha256$'
bench
says hash.json '"hash": "xxh3"'
says hash.json '"reason": "needs-content:xxh3"'
says hash.json '"content_hash": "[0-9a-f]{16}"'
if command -v xxhsum >/dev/null && xxhsum -H3 mine >sum 2>/dev/null; then
	says hash.json "\"content_hash\": \"$(sed -E 's/.*(^|[ _])([0-9a-f]{16}).*/\2/' sum)\""
fi
exit "$failed"
