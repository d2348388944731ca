#!/bin/bash
# SPDX-License-Identifier: MIT
# bench-page.sh: the page in a real browser, light and dark: it draws its charts, and has nothing to complain about.
set -u
. "$(dirname "$0")/lib.sh"
failed=0
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || skip 'no chromium is installed'

run 0 "$LEAT" bench --quick --no-go --shape file-tcp,tcp-tcp/raw --budget 6 --html page.html
look() { timeout 60 "$browser" --headless=new --no-sandbox --disable-gpu --user-data-dir="$PWD/profile" "$@" "file://$PWD/page.html"; }
look --dump-dom >dom 2>complaints || skip "chromium does not start here: $(tail -1 complaints)"
[ -s dom ] || skip 'chromium gives no page here'
[ "$(grep -o '<svg ' dom | wc -l)" -ge 4 ] || fail 'fewer than four drawings'
says dom 'leat</tspan> ?wrapped'
[ "$(grep -o '<rect class="leat"' dom | wc -l)" -ge 4 ] || fail 'fewer than four bars of leat'
if grep -q 'CONSOLE' complaints; then fail "the browser complains: $(grep CONSOLE complaints | head -3)"; fi
for scheme in 0 1; do
	look --hide-scrollbars --window-size=1000,1600 --blink-settings=preferredColorScheme=$scheme --screenshot="$PWD/$scheme.png" \
		>/dev/null 2>&1
	[ "$(stat -c %s "$scheme.png" 2>/dev/null || echo 0)" -gt 20000 ] || fail "a screenshot of nothing (scheme $scheme)"
done
if cmp -s 0.png 1.png; then fail 'dark looks like light'; fi
exit "$failed"
