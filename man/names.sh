#!/bin/sh
# SPDX-License-Identifier: MIT
# names.sh PAGE: the names that the page describes, one a line.
exec sed -nE '/^\.Sh NAME/,/^\.Nd/s/^\.Nm ([a-z0-9_-]+)( ,)?$/\1/p' "$1"
