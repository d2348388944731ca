#!/bin/sh
# SPDX-License-Identifier: MIT
# ward.sh: the short run of the ward: one build of each kind of patient, in the languages that are here. `make ward` runs all.
exec "$(dirname "$0")/ward/run" --quick
