#!/bin/bash
# SPDX-License-Identifier: MIT
# remedy.sh [NAME...]: each patient of mend/ before its remedy, watched by leat doctor, gets that remedy. See mend.sh.
exec "$(dirname "$0")/mend.sh" --doctor "$@"
