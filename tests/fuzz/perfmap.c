/* SPDX-License-Identifier: MIT */
/* The map that JIT compilers write for perf, and the names in it. */
#include "fuzz.h"

#include "../../doctor/perfmap.c"

FUZZ_SEEDS("7f80a0000000 a0 int java.io.FileInputStream.readBytes(byte[], int, int)\n0x7f80a0000100 0xa0 Interpreter\n",
	   "3ef414c0 398 LazyCompile:*pump file:///srv/copy.js:10:5\n3ef414c0 10 Builtin:ArgumentsAdaptor\n",
	   "7f0000001000 40 py::worker:/usr/lib/python3.12/threading.py\n7f0000001020 40 py::main:/srv/app.py\n",
	   "ffffffffffffffff 1 x\n0 ffffffffffffffff y\n1 0 z\nzz\n12 34\n", "1 1 JS:~ :1:2\n1 1 py::\n1 1 (\n1 1  \n")

static void check_place(const char *name, size_t bytes)
{
	struct perfmap_place place;

	FUZZ_HOLDS(perfmap_place(name, bytes, &place) == 0);
	FUZZ_HOLDS(place.function && strlen(place.function) <= NAME_BYTES_MAX && (!place.file || strlen(place.file) <= PATH_BYTES_MAX));
	FUZZ_HOLDS(place.owner == OWNER_RUNTIME || place.owner == OWNER_PROGRAM);
	free(place.function);
	free(place.file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct perfmap map = { .count = 0 };

	FUZZ_HOLDS(perfmap_parse(&map, fuzz_text(data, size), size) == 0);
	FUZZ_HOLDS(map.count <= size);
	for (uint32_t i = 0; i < map.count; i++) {
		const struct perfmap_entry *entry = &map.entries[i], *found;

		FUZZ_HOLDS(entry->start < entry->end && (size_t)entry->name + entry->name_bytes <= size);
		FUZZ_HOLDS(!i || map.entries[i - 1].start <= entry->start);
		found = perfmap_find(&map, entry->start);
		FUZZ_HOLDS(found && found->start <= entry->start && entry->start < found->end && found->order >= entry->order);
		check_place(map.text + entry->name, entry->name_bytes);
	}
	perfmap_free(&map);
	return 0;
}
