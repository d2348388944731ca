#!/bin/sh
# SPDX-License-Identifier: MIT
# boot.sh KERNEL_DIR PAYLOAD_DIR "MODULES" COMMAND...: boots that kernel in qemu (TCG, one processor), copies PAYLOAD_DIR
# to /t of the guest, loads MODULES with what they need, and runs COMMAND there by busybox sh.
#
# Standard output: what COMMAND wrote. Exit status: COMMAND's; 124 time limit; 125 the guest died (the console's end on
# standard error). Environment: BUSYBOX (static), LIMIT seconds, MEM MiB, DISKS (image files, never written to), CPU.
set -eu

kernel=${1:?} payload=${2:?} modules=$3
shift 3

base=$kernel
[ -d "$base/lib/modules" ] || base=$kernel/usr # 7.x: all files are below /usr
version=$(ls "$base/lib/modules")
image=$kernel/boot/vmlinuz-$version
[ -f "$image" ] || image=$base/lib/modules/$version/vmlinuz

work=$(mktemp -d "${TMPDIR:-/tmp}/leat-vm.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
root=$work/root
mkdir -p "$root/bin" "$root/proc" "$root/sys" "$root/dev" "$root/run" "$root/tmp" "$root/mnt" "$root/m" "$root/t"
cp "${BUSYBOX:?}" "$root/bin/busybox"
cp -a "$payload/." "$root/t/"
printf '%s\n' "$*" >"$root/t/.command"

# The guest has no modprobe: each module is laid down once, in the order of loading.
PATH=$PATH:/usr/sbin:/sbin
for module in $modules; do
	modprobe -d "$base" -S "$version" --show-depends "$module" 2>/dev/null | sed -n 's/^insmod \([^ ]*\).*/\1/p'
done | awk '!seen[$0]++' | {
	n=100
	while read -r file; do
		to=$root/m/$n-$(basename "$file" .xz)
		n=$((n + 1))
		case $file in
		*.xz) xz -dc "$file" >"$to" ;;
		*) cp "$file" "$to" ;;
		esac
	done
}

cat >"$root/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin:/t HOME=/run
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
chmod 1777 /tmp /dev/shm
ip link set lo up
for module in /m/*.ko; do
	[ ! -e "$module" ] || insmod "$module" || echo "insmod $module failed" >/dev/ttyS1
done
stty -F /dev/ttyS1 raw
cd /t
sh /t/.command >/dev/ttyS1 2>&1 </dev/null
status=$?
printf '\n@@EXIT %d\n' $status >/dev/ttyS1
sync
reboot -f
INIT
chmod +x "$root/init"
(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) >"$work/initrd"

# With "-cpu max" alone 6.12 panics in most boots (cmpxchg16b under TCG, qemu 7.2): cx16 and la57 are off.
set --
for disk in ${DISKS:-}; do
	set -- "$@" -drive "file=$disk,if=virtio,format=raw,snapshot=on"
done
status=0
timeout "${LIMIT:-120}" nice -n 19 qemu-system-x86_64 -accel tcg,thread=single -cpu "${CPU:-max,la57=off,cx16=off}" \
	-machine pc -smp 1 -m "${MEM:-768}" -nodefaults -no-user-config -display none -no-reboot "$@" \
	-serial "file:$work/console" -serial "file:$work/out" -kernel "$image" -initrd "$work/initrd" \
	-append "console=ttyS0 quiet panic=-1 mitigations=off rdinit=/init" >"$work/qemu" 2>&1 </dev/null || status=$?

sed '/^@@EXIT /d' "$work/out" | tr -d '\r'
code=$(sed -n 's/^@@EXIT \([0-9]*\).*/\1/p' "$work/out" | tail -1)
[ -z "$code" ] || exit "$code"
{
	tail -30 "$work/console"
	cat "$work/qemu"
} >&2
[ "$status" != 124 ] || exit 124
exit 125
