#!/bin/sh
# SPDX-License-Identifier: MIT
# table.sh [-c]: makes docs/kernels.md from tests/vm/record/*.facts and *.tests, tests/vm/kernels.intro.md, and what the
# fact programs say about themselves. With -c nothing is written: exit 1 when docs/kernels.md is not what it would be.
set -eu
cd "$(dirname "$0")/../.."

work=$(mktemp -d "${TMPDIR:-/tmp}/leat-table.XXXXXX")
trap 'rm -rf "$work"' EXIT
tests/kernel/build.sh "$work/programs"

# Columns in the order of the kernels' versions: "5.10.0-32-cloud-amd64" is called 5.10.
for file in tests/vm/record/*.facts; do
	echo "$(sed -n '1s/^kernel: //p' "$file") $file"
done | LC_ALL=C sort -V >"$work/columns"

# The comment at the top of a program, without its name and its frame.
purpose() {
	awk -v name="$1.c: " '
		index($0, " * " name) == 1 { on = 1; print substr($0, length(name) + 4); next }
		/^ \*\// { exit }
		on { print substr($0, 4) }' "tests/kernel/$1.c" |
		awk '!done { done = 1; $0 = toupper(substr($0, 1, 1)) substr($0, 2) } { print }'
}

one_table() {
	"$work/programs/fact-$1" --about >"$work/about"
	# shellcheck disable=SC2046 # a list of files
	awk -v columns_file="$work/columns" '
		function cell(value) {
			sub(/^- \(.*/, "·", value)
			gsub(/\|/, "\\|", value)
			return value == "" ? "·" : value
		}
		BEGIN {
			FS = "\t"
			while ((getline line <columns_file) > 0) {
				split(line, part, " ")
				column[++columns] = part[2]
				split(part[1], number, ".")
				head = head " " number[1] "." number[2] + 0 " |"
				rule = rule "---|"
			}
			print "| fact |" head " what the library concludes |"
			print "|---|" rule "---|"
		}
		FILENAME ~ /about$/ { order[++facts] = $1; relied[$1] = $2; about[$1] = $3; next }
		{
			at = index($0, ": ")
			if (at == 0)
				next
			name = substr($0, 1, at - 1)
			value[FILENAME, name] = substr($0, at + 2)
			label = ""
			if ((at = index(name, "@")) > 0) {
				label = substr(name, at + 1)
				name = substr(name, 1, at - 1)
			}
			if (!((name, label) in seen)) {
				seen[name, label] = 1
				labels[name] = labels[name] "\t=" label
			}
		}
		# file systems that agree on every kernel share a row
		function rows(name,    n, i, k, list, row, key, count, keys, of, text) {
			n = split(substr(labels[name], 2), list, "\t")
			count = 0
			delete of
			for (i = 1; i <= n; i++) {
				list[i] = substr(list[i], 2)
				row = ""
				for (k = 1; k <= columns; k++) {
					key = list[i] == "" ? name : name "@" list[i]
					row = row " " cell(value[column[k], key]) " |"
				}
				if (!(row in of))
					keys[++count] = row
				of[row] = of[row] (of[row] == "" ? "" : ", ") list[i]
			}
			for (i = 1; i <= count; i++) {
				text = i == 1 ? about[name] (relied[name] == "" ? "" : ". **Relied on:** " relied[name]) : ""
				gsub(/\|/, " or ", text)
				row = of[keys[i]]
				row = row == "" || (count == 1 && n > 1) ? "" : " (" row ")"
				print "| " (i == 1 ? "`" name "`" : "") row " |" keys[i] " " text " |"
			}
		}
		END {
			for (i = 1; i <= facts; i++)
				rows(order[i])
		}' "$work/about" $(cut -d' ' -f2 "$work/columns")
}

# Test programs by kernel. A kernel that ran none, as the host here, has no column.
tests_table() {
	awk -v columns_file="$work/columns" '
		function cell(status, cases, skipped, cells,    text) {
			if (status == 77)
				return "skipped"
			if (status == 124 || status == 143)
				return "**not in time**"
			if (status)
				return "**failed**"
			text = cells ? cells " cells" : cases == 1 ? "1 case" : cases " cases"
			return text (skipped ? ", " skipped " skipped" : "")
		}
		BEGIN {
			while ((getline line <columns_file) > 0) {
				split(line, part, " ")
				file = part[2]
				sub(/facts$/, "tests", file)
				if ((getline first <file) <= 0)
					continue
				close(file)
				column[++columns] = file
				split(part[1], number, ".")
				head = head " " number[1] "." number[2] + 0 " |"
				rule = rule "---|"
			}
		}
		{
			if (!($1 in seen)) {
				seen[$1] = 1
				order[++programs] = $1
			}
			value[FILENAME, $1] = cell($2, $3, $4, $5)
		}
		END {
			print "| program |" head
			print "|---|" rule
			for (i = 1; i <= programs; i++) {
				row = "| `" order[i] "` |"
				for (k = 1; k <= columns; k++) {
					text = value[column[k], order[i]]
					row = row " " (text == "" ? "·" : text) " |"
				}
				print row
			}
		}' tests/vm/record/*.tests
	echo
	echo 'Not run in the guests:'
	echo
	awk -F '\t+' '!/^#/ && NF { print "- `" $1 "`: " $2 }' tests/vm/leave-out
}

{
	cat tests/vm/kernels.intro.md
	echo
	echo '| column | kernel |'
	echo '|---|---|'
	while read -r kernel file; do
		number=$(echo "$kernel" | cut -d. -f1,2 | cut -d- -f1)
		suite=$(awk -v name="$(basename "$file" .facts)" '$1 == name { print "Debian " $2 }' tests/vm/kernels)
		echo "| $number | $kernel, ${suite:-on a cloud machine, not emulated} |"
	done <"$work/columns"
	for source in tests/kernel/*.c; do
		name=$(basename "$source" .c)
		[ -x "$work/programs/fact-$name" ] || continue
		echo
		echo "## $name"
		echo
		purpose "$name"
		echo
		one_table "$name"
	done
	if ls tests/vm/record/*.tests >/dev/null 2>&1; then
		echo
		echo '## The test programs'
		echo
		cat <<-END
			The static programs of tests/unit, tests/route, tests/fault and tests/doctor, run in the same guests on ext4; \`@xfs\` and
			\`@btrfs\` once more there. \`doctor-engines\` is the self-test of leat doctor with each engine, also without BTF, without
			memory to lock and with the kernel locked down; \`doctor-ktls\` its patient of TLS before and after the remedy. 5.10 is too
			old for the bpf engine. 7.3 preempts BPF programs of tracepoints, and calls made meanwhile are missed, which the report says;
			an emulated processor is preempted in them very often: \`doctor-life\` and \`doctor-matrix\` miss flows there, and
			\`doctor-engines\` once of three times saw a copy where a bounce was. On 6.1 and 6.12 \`doctor-matrix\` finds all flows and
			bytes as they are, but one to four pairs said to be lost. On 5.10 \`doctor-ptrace_files\` takes /dev/urandom wrong.
			\`route-matrix\` is the route matrix: each cell is one kind of source, sink, wrappers, mode and size, with
			the bytes compared and the route as planned.
		END
		echo
		tests_table
	fi
} >"$work/kernels.md"

if [ "${1:-}" = -c ]; then
	diff docs/kernels.md "$work/kernels.md" && exit 0
	echo 'docs/kernels.md is not what tests/vm/table.sh makes'
	exit 1
fi
mkdir -p docs
cp "$work/kernels.md" docs/kernels.md
