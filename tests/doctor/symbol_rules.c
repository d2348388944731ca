/* SPDX-License-Identifier: MIT */
/* Tables: whose a frame is, what mangled names mean, and what is read out of perf maps. */
#include "check.h"

#include "../../doctor/perfmap.h"
#include "../../doctor/symbol_demangle.h"
#include "../../doctor/symbol_go.h"
#include "../../doctor/symbol_owner.h"

#include <sys/mman.h>

/* ---- Owners ---------------------------------------------------------------------------------------------------------------- */

static void modules(void)
{
	static const struct row {
		const char *path;
		bool is_main;
		enum frame_owner owner;
	} rows[] = {
		{ "/srv/app", true, OWNER_PROGRAM },
		{ "/usr/lib/firefox/firefox", true, OWNER_PROGRAM },
		{ "/srv/lib/libown.so", false, OWNER_PROGRAM },
		{ "/usr/lib/x86_64-linux-gnu/libssl.so.3", false, OWNER_SYSTEM },
		{ "/lib64/libz.so.1", false, OWNER_SYSTEM },
		{ "/nix/store/abc-glibc-2.38/lib/libc.so.6", false, OWNER_SYSTEM },
		{ "/lib/ld-musl-x86_64.so.1", false, OWNER_SYSTEM },
		{ "/usr/lib/app/modules/extra.so", false, OWNER_PROGRAM },	/* the program is app */
		{ "/usr/lib/other/modules/extra.so", false, OWNER_SYSTEM },
		{ "/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30", false, OWNER_RUNTIME },
		{ "/usr/bin/python3.11", true, OWNER_RUNTIME },
		{ "/opt/pythonista/pythonista", true, OWNER_PROGRAM },
		{ "/usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0", false, OWNER_RUNTIME },
		{ "/usr/bin/node", true, OWNER_RUNTIME },
		{ "/opt/jdk/lib/server/libjvm.so", false, OWNER_RUNTIME },
		{ "/opt/jdk/lib/libnio.so", false, OWNER_RUNTIME },
		{ "/usr/sbin/php-fpm8.2", true, OWNER_RUNTIME },
	};

	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct module module = { .path = (char *)rows[i].path, .is_main = rows[i].is_main };

		test_note(rows[i].path);
		CHECK_EQ(symbol_owner(RUNTIME_C, "/usr/sbin/app", &module, "f", NULL), rows[i].owner);
	}
}

static void functions(void)
{
	static const struct row {
		enum runtime runtime;
		const char *function, *file;
		enum frame_owner owner;
	} rows[] = {
		{ RUNTIME_C, "serve", "/srv/serve.c", OWNER_PROGRAM },
		{ RUNTIME_C, NULL, NULL, OWNER_PROGRAM },
		{ RUNTIME_C, "__libc_read", NULL, OWNER_SYSTEM },
		{ RUNTIME_C, "__writev", NULL, OWNER_SYSTEM },
		{ RUNTIME_C, "__getdelim", NULL, OWNER_SYSTEM },
		{ RUNTIME_C, "__write_all", NULL, OWNER_PROGRAM },
		{ RUNTIME_C, "read", NULL, OWNER_SYSTEM },
		{ RUNTIME_C, "read", "/srv/own.c", OWNER_PROGRAM },
		{ RUNTIME_C, "read", "/usr/include/x86_64-linux-gnu/bits/unistd.h", OWNER_SYSTEM },
		{ RUNTIME_C, "readiness", NULL, OWNER_PROGRAM },
		{ RUNTIME_CXX, "std::copy<char*>", "/usr/include/c++/12/bits/stl_algobase.h", OWNER_RUNTIME },
		{ RUNTIME_CXX, "std::ostream::write", NULL, OWNER_RUNTIME },
		{ RUNTIME_CXX, "standard::write", NULL, OWNER_PROGRAM },
		{ RUNTIME_RUST, "std::io::copy::copy", "/rustc/abc/library/std/src/io/copy.rs", OWNER_RUNTIME },
		{ RUNTIME_RUST, "std::io::copy::copy", "/usr/src/rustc-1.63.0/library/std/src/io/copy.rs", OWNER_RUNTIME },
		{ RUNTIME_RUST, "<app::Just<R> as std::io::Read>::read", "/srv/library/own.rs", OWNER_PROGRAM },
		{ RUNTIME_RUST, "<app::Just<R> as std::io::Read>::read", NULL, OWNER_PROGRAM },
		{ RUNTIME_RUST, "<std::fs::File as std::io::Read>::read", NULL, OWNER_RUNTIME },
		{ RUNTIME_RUST, "<&mut R as std::io::Read>::read", NULL, OWNER_RUNTIME },
		{ RUNTIME_RUST, "<&mut app::Own as std::io::Read>::read", NULL, OWNER_PROGRAM },
		{ RUNTIME_RUST, "core::ptr::drop_in_place", NULL, OWNER_RUNTIME },
		{ RUNTIME_RUST, "stdx::read", NULL, OWNER_PROGRAM },
		{ RUNTIME_GO, "_cgo_0123_Cfunc_f", "/tmp/cgo-gcc-prolog", OWNER_RUNTIME },
		{ RUNTIME_GO, "fetch", "/srv/f.go", OWNER_PROGRAM },
	};
	struct module module = { .path = (char *)"/srv/app", .is_main = true };

	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		test_note(rows[i].function ? rows[i].function : "none");
		CHECK_EQ(symbol_owner(rows[i].runtime, module.path, &module, rows[i].function, rows[i].file), rows[i].owner);
	}
}

static void go_packages(void)
{
	static char root[] = "/usr/lib/go/src/", none[] = "", own[] = "shop";
	const struct symbol_go with = { .root = root, .module = own }, trimmed = { .root = none, .module = own };

	CHECK(symbol_go_is_library(&with, "io.Copy", "/usr/lib/go/src/io/io.go"));
	CHECK(symbol_go_is_library(&with, "vendor/golang.org/x/net/http2.f", "/usr/lib/go/src/vendor/golang.org/x/net/http2/f.go"));
	CHECK(!symbol_go_is_library(&with, "main.main", "/srv/main.go"));
	CHECK(!symbol_go_is_library(&with, "shop/cart.Add", "/srv/cart/add.go"));
	CHECK(!symbol_go_is_library(&with, "io.fake", "/srv/io/fake.go"));
	CHECK(symbol_go_is_library(&trimmed, "net/http.(*response).ReadFrom", "net/http/server.go"));
	CHECK(symbol_go_is_library(&trimmed, "runtime.goexit", "runtime/asm_amd64.s"));
	CHECK(symbol_go_is_library(&trimmed, "slices.Sort[go.shape.[]github.com/a/b.T]", "slices/sort.go"));
	CHECK(!symbol_go_is_library(&trimmed, "github.com/a/b.(*T).Read", "github.com/a/b@v1.0.0/t.go"));
	CHECK(!symbol_go_is_library(&trimmed, "shop/cart.Add", "shop/cart/add.go"));
	CHECK(!symbol_go_is_library(&trimmed, "main.justReader.Read", "./srv.go"));
}

/* ---- Names ----------------------------------------------------------------------------------------------------------------- */

static void check_name(const char *mangled, const char *expected)
{
	char *name = symbol_demangle(mangled);

	CHECK_STR(name, expected);
	free(name);
}

static void names(void)
{
	static char huge[3000];
	char *name;

	check_name("read", "read");
	check_name("fetch_block.isra.0", "fetch_block");
	check_name("memcpy@@GLIBC_2.14", "memcpy");
	check_name("i", "i");		/* not "int" */
	check_name(".L1", ".L1");
	check_name("_ZN3foo3barEi", "foo::bar");
	check_name("_ZN3foo3barEi.cold", "foo::bar");
	check_name("_ZNSt6vectorIiSaIiEE9push_backERKi", "std::vector<int, std::allocator<int> >::push_back");
	check_name("_ZN4core3ptr13drop_in_place17h0123456789abcdefE", "core::ptr::drop_in_place");
	check_name("_ZN50_$LT$r..Just$LT$R$GT$$u20$as$u20$std..io..Read$GT$4read17h0123456789abcdefE",
		   "<r::Just<R> as std::io::Read>::read");
	check_name("_RNvNtCs1234_7mycrate3foo3bar", "mycrate::foo::bar");
	check_name("_Znonsense", "_Znonsense");
	memset(huge, 'x', sizeof huge - 1);
	name = symbol_demangle(huge);
	CHECK_EQ(strlen(name), SYMBOL_NAME_BYTES - 1);
	free(name);
}

/* Each template argument repeats the one before it twice: 2^30 names in 250 bytes. */
static void names_that_explode(void)
{
	char mangled[1024] = "_Z1fI1AIiiE", *name;
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	for (unsigned i = 0; i < 30; i++)
		snprintf(mangled + strlen(mangled), sizeof mangled - strlen(mangled), "S_IS%c_S%c_E", digits[i], digits[i]);
	strcat(mangled, "EvS_");
	name = symbol_demangle(mangled);
	CHECK(name != NULL);
	CHECK_LE(strlen(name), SYMBOL_NAME_BYTES - 1);
	free(name);
}

/* ---- Perf maps ------------------------------------------------------------------------------------------------------------- */

static void perf_names(void)
{
	static const struct row {
		const char *name, *function, *file;
		uint32_t line;
		enum frame_owner owner;
	} rows[] = {
		{ "int java.io.FileInputStream.readBytes(byte[], int, int)", "java.io.FileInputStream.readBytes", NULL, 0,
		  OWNER_RUNTIME },
		{ "void com.shop.Server.pump(java.lang.Object)", "com.shop.Server.pump", NULL, 0, OWNER_PROGRAM },
		{ "Interpreter", "Interpreter", NULL, 0, OWNER_RUNTIME },
		{ "StubRoutines (1)", "StubRoutines (1)", NULL, 0, OWNER_RUNTIME },
		{ "JS:*pump /srv/copy.js:10:5", "pump", "/srv/copy.js", 10, OWNER_PROGRAM },
		{ "LazyCompile:~pump file:///srv/copy.mjs:10:5", "pump", "/srv/copy.mjs", 10, OWNER_PROGRAM },
		{ "JS:^ReadStream._read node:internal/fs/streams:240:41", "ReadStream._read", "node:internal/fs/streams", 240,
		  OWNER_RUNTIME },
		{ "JS:~ /srv/copy.js:1:1", "(anonymous)", "/srv/copy.js", 1, OWNER_PROGRAM },
		{ "Builtin:ArgumentsAdaptorTrampoline", "Builtin:ArgumentsAdaptorTrampoline", NULL, 0, OWNER_RUNTIME },
		{ "py::pump:/srv/app.py", "pump", "/srv/app.py", 0, OWNER_PROGRAM },
		{ "py::copyfileobj:/usr/lib/python3.12/shutil.py", "copyfileobj", "/usr/lib/python3.12/shutil.py", 0, OWNER_RUNTIME },
		{ "py::f:/usr/lib/python3.12/site-packages/a.py", "f", "/usr/lib/python3.12/site-packages/a.py", 0, OWNER_PROGRAM },
	};

	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct perfmap_place place;

		test_note(rows[i].name);
		CHECK_EQ(perfmap_place(rows[i].name, strlen(rows[i].name), &place), 0);
		CHECK_STR(place.function, rows[i].function);
		CHECK_STR(place.file ? place.file : "", rows[i].file ? rows[i].file : "");
		CHECK_EQ(place.line, rows[i].line);
		CHECK_EQ(place.owner, rows[i].owner);
		free(place.function);
		free(place.file);
	}
}

static const char *found(const struct perfmap *map, uint64_t address)
{
	static char name[64];
	const struct perfmap_entry *entry = perfmap_find(map, address);

	snprintf(name, sizeof name, "%.*s", entry ? (int)entry->name_bytes : 0, entry ? map->text + entry->name : "");
	return name;
}

static void perf_entries(void)
{
	static const char text[] = "2000 100 second\n0x1000 0x100 first\nnonsense\n1000 20\n3000 zz x\n1010 10 over it\n2000 10 over\n"
				   "ffffffffffffff00 200 round\n5000 10 no line feed";
	struct perfmap map;

	CHECK_EQ(perfmap_parse(&map, strdup(text), sizeof text - 1), 0);
	CHECK_EQ(map.count, 4);
	CHECK_STR(found(&map, 0x1000), "first");
	CHECK_STR(found(&map, 0x1018), "over it");
	CHECK_STR(found(&map, 0x1020), "first");
	CHECK_STR(found(&map, 0x10ff), "first");
	CHECK_STR(found(&map, 0x1100), "");
	CHECK_STR(found(&map, 0x2000), "over");
	CHECK_STR(found(&map, 0x2010), "second");
	CHECK_STR(found(&map, 0xfff), "");
	CHECK_STR(found(&map, 0x5000), "");
	perfmap_free(&map);
}

/* ---- ELF files ------------------------------------------------------------------------------------------------------------- */

/* A file of a section that says it was compressed from so many bytes. */
static int compressed(const char *name, bool old, uint64_t bytes)
{
	struct {
		Elf64_Ehdr header;
		Elf64_Shdr sections[3];
		char names[32];
		union {
			Elf64_Chdr head;
			struct { char magic[4]; uint8_t bytes[8]; } old;
		} in;
	} file = { .in.head = { .ch_type = ELFCOMPRESS_ZLIB, .ch_size = bytes } };
	int fd = CHECK_CALL(memfd_create("elf", MFD_CLOEXEC));

	memcpy(file.header.e_ident, ELFMAG, SELFMAG);
	file.header.e_ident[EI_CLASS] = ELFCLASS64;
	file.header.e_ident[EI_DATA] = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
	file.header.e_shoff = offsetof(__typeof__(file), sections);
	file.header.e_shentsize = sizeof file.sections[0];
	file.header.e_shnum = 3;
	file.header.e_shstrndx = 1;
	snprintf(file.names + 1, sizeof file.names - 1, "%s", name);
	file.sections[1] = (Elf64_Shdr){ .sh_type = SHT_STRTAB, .sh_offset = offsetof(__typeof__(file), names),
					 .sh_size = sizeof file.names };
	file.sections[2] = (Elf64_Shdr){ .sh_name = 1, .sh_type = SHT_PROGBITS, .sh_flags = old ? 0 : SHF_COMPRESSED,
					 .sh_offset = offsetof(__typeof__(file), in), .sh_size = sizeof file.in };
	if (old) {
		memcpy(file.in.old.magic, "ZLIB", 4);
		for (unsigned i = 0; i < 8; i++)
			file.in.old.bytes[i] = (uint8_t)(bytes >> (56 - 8 * i));
	}
	CHECK_EQ(write(fd, &file, sizeof file), sizeof file);
	return fd;
}

/* A file of some hundred bytes must not become gigabytes in the memory of who reads it. */
static void files_that_swell(void)
{
	static const struct { const char *name; bool old; uint64_t bytes; bool swells; } rows[] = {
		{ ".debug_str", false, 60 << 20, false }, { ".debug_str", false, 1 << 30, true },
		{ ".debug_str", false, UINT64_MAX, true }, { ".zdebug_str", true, 60 << 20, false },
		{ ".zdebug_str", true, 1 << 30, true }, { ".debug_str", true, 1 << 30, false },
	};

	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int fd = compressed(rows[i].name, rows[i].old, rows[i].bytes);

		CHECK_EQ(elf_swells(fd), rows[i].swells);
		close(fd);
	}
}

/* libelf finds sections where we do not look for them: what is not known does not pass. */
static void sections_that_hide(void)
{
	const uint16_t none = 0;
	int fd = compressed(".debug_str", false, 1 << 30);

	CHECK_EQ(pwrite(fd, &none, sizeof none, offsetof(Elf64_Ehdr, e_shnum)), sizeof none);
	CHECK(elf_swells(fd));
	close(fd);
}

static const struct test tests[] = {
	TEST(modules), TEST(functions), TEST(go_packages), TEST(names), TEST(names_that_explode), TEST(perf_names), TEST(perf_entries),
	TEST(files_that_swell), TEST(sections_that_hide),
};
TEST_MAIN(tests)
