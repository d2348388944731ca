/* SPDX-License-Identifier: MIT */
/* Stands in for the doctor in a leat that was built without it. */
#include "cmd.h"
#include "out.h"

int doctor_main(int argc, char **argv)
{
	out_error("this leat was built without the doctor: that needs libbpf, libdw, clang and bpftool (meson -Ddoctor=enabled says "
		  "which of them are missing)");
	return EXIT_USAGE;
}
