/* SPDX-License-Identifier: MIT */
/*
 * The rules of docs/doctor.md. Main program and libraries outside the system's directories are the program's; so are frames of a
 * statically linked C library, but for the names that the C standard keeps for it and the calls themselves.
 */
#include "symbol_owner.h"

#include <ctype.h>
#include <string.h>

static bool begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

static bool begins_any(const char *text, const char *const *list)
{
	for (; *list; list++)
		if (begins(text, *list))
			return true;
	return false;
}

static bool equals_any(const char *text, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(text, *list))
			return true;
	return false;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* ---- Interpreters ---------------------------------------------------------------------------------------------------------- */

static const struct interpreter {
	const char *program, *library;
	enum runtime runtime;
} interpreters[] = {
	{ "python", "libpython", RUNTIME_PYTHON },
	{ "pypy", "libpypy", RUNTIME_PYTHON },
	{ "nodejs", "libnode", RUNTIME_NODE },
	{ "node", "libnode", RUNTIME_NODE },
	{ "java", "libjvm", RUNTIME_JAVA },
	{ "ruby", "libruby", RUNTIMES },
	{ "perl", "libperl", RUNTIMES },
	{ "php", "libphp", RUNTIMES },
	{ "lua", "liblua", RUNTIMES },
	{ "luajit", "libluajit", RUNTIMES },
	{ "dotnet", "libcoreclr", RUNTIMES },
	{ "mono", "libmono", RUNTIMES },
	{ "beam.smp", "libbeam", RUNTIMES },
	{ "guile", "libguile", RUNTIMES },
	{ "deno", "libdeno", RUNTIMES },
	{ "bun", "libbun", RUNTIMES },
};

/* "python3.11", "php-fpm8.2", "libperl.so.5.36", but not "pythonista". */
static bool is_named(const char *base, const char *name)
{
	return begins(base, name) && !isalpha((unsigned char)base[strlen(name)]) && base[strlen(name)] != '_';
}

enum runtime symbol_interpreter(const char *path, const char **ret_version)
{
	const char *base = base_name(path);

	*ret_version = "";
	for (unsigned i = 0; i < sizeof interpreters / sizeof interpreters[0]; i++) {
		const struct interpreter *row = &interpreters[i];

		if (!is_named(base, row->program) && !is_named(base, row->library))
			continue;
		*ret_version = base + strlen(is_named(base, row->program) ? row->program : row->library);
		return row->runtime;
	}
	return RUNTIME_UNKNOWN;
}

/* A library of the interpreter's own: Java's beside libjvm, Python's compiled modules. */
static bool is_interpreters(const char *path)
{
	return strstr(path, "/lib-dynload/") || strstr(path, "/jvm/") || strstr(path, "/lib/libjava.so") ||
	       strstr(path, "/lib/libnio.so") || strstr(path, "/lib/libnet.so") || strstr(path, "/lib/libzip.so") ||
	       strstr(path, "/lib/libjli.so");
}

/* ---- Libraries ------------------------------------------------------------------------------------------------------------- */

static bool is_c_library(const char *base)
{
	static const char *const names[] = { "libc.so", "libc-2.", "libc.musl-", "ld-linux", "ld-2.", "ld-musl-", "ld64.so", "ld.so",
					     "libpthread.so", "libpthread-2.", "libdl.so", "librt.so", "libm.so", NULL };

	return begins_any(base, names);
}

static bool is_language_library(const char *base)
{
	static const char *const names[] = { "libstdc++.so", "libc++.so", "libc++abi.so", "libgcc_s.so", "libunwind.so",
					     "libstd-", NULL };

	return begins_any(base, names);
}

/* Modules of the program may be there too, in a directory that has its name (/usr/lib/nginx/modules). */
static bool is_system_path(const char *path, const char *program)
{
	static const char *const directories[] = { "/lib/", "/lib64/", "/lib32/", "/usr/lib/", "/usr/lib64/", "/usr/lib32/", NULL };
	const char *name = program ? base_name(program) : "", *at = path;
	size_t length = strlen(name);

	if (!begins_any(path, directories))
		return false;
	while (length && (at = strchr(at, '/'))) {
		at++;
		if (!strncmp(at, name, length) && at[length] == '/')
			return false;
	}
	return true;
}

/* ---- Functions ------------------------------------------------------------------------------------------------------------- */

/* What a C library linked in statically shows of itself: reserved names, and the calls. */
static bool is_c_function(const char *function)
{
	static const char *const prefixes[] = { "_IO_", "__libc_", "__GI_", "_dl_", "__pthread_", "__nptl_", "__clone",
						"__syscall", "__stdio", "__internal_sys", NULL };
	static const char *const names[] = {
		"_start", "_start_c", "clone", "clone3", "start_thread", "thread_start", "read", "write",
		"pread", "pread64", "pwrite", "pwrite64", "readv", "writev", "preadv", "preadv2", "preadv64",
		"preadv64v2", "pwritev", "pwritev2", "pwritev64", "pwritev64v2", "recv", "recvfrom", "recvmsg", "recvmmsg",
		"send", "sendto", "sendmsg", "sendmmsg", "sendfile", "sendfile64", "splice", "tee", "vmsplice",
		"copy_file_range", "syscall", "fread", "fread_unlocked", "fwrite", "fwrite_unlocked", "fputs", "fputc", "fgets", "fgetc",
		"getc", "putc", "fflush", "fflush_unlocked", "fclose", "getline", "getdelim", "__underflow", "__uflow",
		"__overflow", "__towrite", "__toread", "__fwritex", "vfprintf", "fprintf", "printf", NULL
	};

	return begins_any(function, prefixes) || equals_any(function, names) ||
	       (begins(function, "__") && equals_any(function + 2, names));	/* glibc's own name of the same */
}

static bool is_cxx_function(const char *function)
{
	static const char *const prefixes[] = { "std::", "__gnu_cxx::", "__cxxabiv1::", NULL };

	return begins_any(function, prefixes);
}

/* Go's bridge to C. */
static bool is_cgo_function(const char *function)
{
	static const char *const prefixes[] = { "_cgo_", "x_cgo_", "crosscall", "_cgoexp_", NULL };

	return begins_any(function, prefixes);
}

static bool is_rust_crate(const char *name)
{
	static const char *const crates[] = { "std::", "core::", "alloc::", "std_detect::", "panic_unwind::", "__rust", "_rust",
					      "rust_", NULL };

	return begins_any(name, crates);
}

/* "&mut T" and "*const T" are of the crate of T. */
static const char *skip_reference(const char *type)
{
	static const char *const words[] = { "&", "*", "mut ", "dyn ", "const ", NULL };
	const char *const *word = words;

	while (*word) {
		if (begins(type, *word)) {
			type += strlen(*word);
			word = words;
		} else {
			word++;
		}
	}
	return type;
}

/* <T as Trait>::f is of the type's crate; of the trait's when the type is a parameter, as in <&mut R as std::io::Read>. */
static bool is_rust_function(const char *function)
{
	const char *type, *as;

	if (*function != '<')
		return is_rust_crate(function) || !strcmp(function, "main");
	type = skip_reference(function + 1);
	as = strstr(type, " as ");
	if (as && isupper((unsigned char)*type) && !memmem(type, (size_t)(as - type), "::", 2))
		return is_rust_crate(as + strlen(" as "));
	return is_rust_crate(type);
}

/* Sources of the standard library: as its builders had them, or where rustup and Debian put them. */
static bool is_rust_file(const char *file)
{
	static const char *const parts[] = { "/library/std/", "/library/core/", "/library/alloc/", "/library/std_detect/",
					     "/library/panic_unwind/", "/library/compiler-builtins/", NULL };

	for (const char *const *part = parts; *part; part++)
		if (strstr(file, *part) || begins(file, *part + 1))
			return true;
	return begins(file, "/rustc/");
}

/* Headers of libraries, which are inlined into the program. */
static enum frame_owner header_owner(const char *file)
{
	if (strstr(file, "/include/c++/") || (begins(file, "/usr/lib/gcc/") && strstr(file, "/include/")))
		return OWNER_RUNTIME;
	if (begins(file, "/usr/include/") || strstr(file, "/glibc-") || strstr(file, "/musl-"))
		return OWNER_SYSTEM;
	return OWNER_UNKNOWN;
}

/* In the program's own code. */
static enum frame_owner program_owner(enum runtime runtime, const char *function, const char *file)
{
	enum frame_owner owner = file ? header_owner(file) : OWNER_UNKNOWN;

	if (owner != OWNER_UNKNOWN)
		return owner;
	if ((file && is_rust_file(file)) || (runtime == RUNTIME_GO && function && is_cgo_function(function)))
		return OWNER_RUNTIME;
	if (file || !function)
		return OWNER_PROGRAM;
	if (is_c_function(function))
		return OWNER_SYSTEM;
	if (runtime == RUNTIME_RUST ? is_rust_function(function) : is_cxx_function(function))
		return OWNER_RUNTIME;
	return OWNER_PROGRAM;
}

enum frame_owner symbol_owner(enum runtime runtime, const char *program, const struct module *module, const char *function,
			      const char *file)
{
	const char *base = base_name(module->path), *version;

	if (module->pseudo || is_c_library(base))
		return OWNER_SYSTEM;
	if (is_language_library(base) || symbol_interpreter(module->path, &version) != RUNTIME_UNKNOWN || is_interpreters(module->path))
		return OWNER_RUNTIME;
	if (!module->is_main && is_system_path(module->path, program))
		return OWNER_SYSTEM;
	return program_owner(runtime, function, file);
}
