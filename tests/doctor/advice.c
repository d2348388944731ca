/* SPDX-License-Identifier: MIT */
/* What is said of a finding: the right row for the case, no remedy without the patient that proves it for these ends, and no row
 * that another one hides. */
#include "../../doctor/advice.h"

#include "../../doctor/verdict.h"
#include "made.h"

#include <stdbool.h>

static struct model model;
static struct flow *flow;

static const struct finding *advised(void)
{
	CHECK_EQ(verdict_all(&model), 0);
	CHECK_EQ(advice_all(&model), 0);
	CHECK_EQ(model.finding_count, 1);
	return &model.findings[0];
}

static const char *why_of(const struct finding *finding)
{
	return finding->why_text ? finding->why_text : finding->why;
}

static void fresh(enum runtime runtime, enum file_kind from, enum file_kind to, const char *read, const char *write)
{
	model_free(&model);
	made_process(&model, runtime, NULL);
	flow = made_flow(&model, from, to, read, write);
}

static void executable(const char *path)
{
	free(model.processes[0].executable);
	model.processes[0].executable = made_text(path);
}

/* ---- The table ---------------------------------------------------------------------------------------------------------------- */

/* The line of a patient in tests/doctor/mend/patients, without its name. */
static char *patient_line(const char *name, size_t length)
{
	static char line[1000];
	const char *source = getenv("LEAT_SOURCE");
	char path[4096];
	FILE *f;

	if (!source)
		test_skip("LEAT_SOURCE does not name the source tree");
	snprintf(path, sizeof path, "%s/tests/doctor/mend/patients", source);
	f = fopen(path, "re");
	CHECK_SAY(f, "%s: %s", path, strerror(errno));
	while (fgets(line, sizeof line, f)) {
		if (strncmp(line, name, length) != 0 || (line[length] != '\t' && line[length] != ' '))
			continue;
		fclose(f);
		return line + length;
	}
	fclose(f);
	check_fail(__FILE__, __LINE__, "there is no patient %.*s", (int)length, name);
}

static bool word_in(const char *line, const char *word, size_t length)
{
	for (const char *at = line; (at = strstr(at, word)); at++) {
		size_t n = strcspn(at, " \t\n|");

		if (n == length && (at == line || strchr(" \t", at[-1])))
			return true;
	}
	return false;
}

/* The word of these ends stands with one of the row's patients, and that one is tried with them. */
static bool proven(const char *patients, const char *ends)
{
	for (const char *at = patients; *at; at += strcspn(at, "|"), at += *at == '|') {
		size_t length = strcspn(at, "|"), name = strcspn(at, " ");
		char words[1000];

		snprintf(words, sizeof words, "%.*s", (int)(length - name), at + name);
		if (!word_in(words, ends, strlen(ends)))
			continue;
		if (word_in(patient_line(at, name), ends, strlen(ends)))
			return true;
	}
	return false;
}

/* Whether the row is about two files of one file system, or of two. */
static bool is_about_files(const struct advice *row, bool two_filesystems)
{
	const struct file from = { .kind = FILE_REGULAR, .device = 1, .inode = 1 };
	const struct file to = { .kind = FILE_REGULAR, .device = two_filesystems ? 2 : 1, .inode = 2 };

	return !row->also || row->also(&from, &to);
}

static void is_proven(const struct advice *row, const char *ends)
{
	CHECK_SAY(proven(row->patients, ends), "no patient of row %s is tried with %s", row->name, ends);
}

static void every_remedy_is_proven_for_its_ends(void)
{
	static const char *const words[FILE_KINDS] = {
		[FILE_REGULAR] = "file", [FILE_PIPE] = "pipe", [FILE_TCP] = "tcp", [FILE_UNIX_STREAM] = "unix",
	};
	unsigned count;
	const struct advice *rows = advice_rows(&count);

	for (unsigned i = 0; i < count; i++) {
		test_note(rows[i].name);
		CHECK(rows[i].why);
		CHECK_EQ(!rows[i].mend, !rows[i].patients);
		if (!rows[i].mend)
			continue;
		CHECK(rows[i].from && rows[i].to);
		if (rows[i].program && !strcmp(rows[i].program, "haproxy")) {	/* its two directions stand for its ends */
			CHECK(proven(rows[i].patients, "response") && proven(rows[i].patients, "request"));
			continue;
		}
		for (unsigned pair = 0; pair < FILE_KINDS * FILE_KINDS; pair++) {
			unsigned from = pair / FILE_KINDS, to = pair % FILE_KINDS;
			char ends[32];

			if (!(rows[i].from & 1u << from) || !(rows[i].to & 1u << to))
				continue;
			CHECK(words[from] && words[to]);
			snprintf(ends, sizeof ends, "%s-%s", words[from], words[to]);
			if (from != FILE_REGULAR || to != FILE_REGULAR || is_about_files(&rows[i], false))
				is_proven(&rows[i], ends);
			if (from == FILE_REGULAR && to == FILE_REGULAR && is_about_files(&rows[i], true))
				is_proven(&rows[i], "file-other");
		}
	}
}

static void sentences_are_plain(void)
{
	unsigned count;
	const struct advice *rows = advice_rows(&count);

	for (unsigned i = 0; i < count; i++) {
		const char *const texts[] = { rows[i].why, rows[i].mend };

		test_note(rows[i].name);
		for (unsigned t = 0; t < 2; t++) {
			if (!texts[t])
				continue;
			CHECK(*texts[t] && texts[t][strlen(texts[t]) - 1] != '.');	/* who prints them ends them */
			CHECK(strlen(texts[t]) < 220);
			for (const char *at = texts[t]; *at; at++)
				CHECK(*at >= ' ' && *at <= '~');
		}
		CHECK(!rows[i].mend || !strchr(rows[i].mend, '@'));
		CHECK(!strchr(rows[i].why, '@') || strchr(rows[i].why, '@') == strrchr(rows[i].why, '@'));
		for (unsigned j = 0; j < i; j++)
			CHECK(strcmp(rows[i].name, rows[j].name) != 0);
	}
}

/* ---- Cases: each row is met ------------------------------------------------------------------------------------------------- */

#define OUT	"|R io.copyBuffer io.go:427|R io.Copy io.go:386|P main.get m.go:31|R runtime.goexit a.s:1"
#define OUTW	"|R io.copyBuffer io.go:432|R io.Copy io.go:386|P main.get m.go:31|R runtime.goexit a.s:1"
#define READF	"R os.(*File).Read f.go:1"
#define WRITEC	"R net.(*conn).Write n.go:1"
#define RESPONSE WRITEC "|R bufio.(*Writer).Write b.go:1|R net/http.(*response).Write s.go:1"
#define CHUNKED	WRITEC "|R bufio.(*Writer).Write b.go:1|R net/http/internal.(*chunkedWriter).Write c.go:1"
#define ASKED	"|R io.CopyBuffer io.go:400|R net/http.(*response).ReadFrom s.go:1|R io.copyBuffer io.go:409|P main.get m.go:31"
#define LOST	"|R io.copyBuffer io.go:432|R net.genericReadFrom n.go:1|R net.(*TCPConn).ReadFrom t.go:1|R io.copyBuffer io.go:1|" \
		"R os.genericWriteTo f.go:1|R os.(*File).WriteTo f.go:1|R io.Copy io.go:386|P main.get m.go:31|R runtime.goexit a.s:1"

/* Debian's libuv has no names but those that it exports. */
#define UV(place)	"|S - /usr/lib/libuv.so.1.0.0@" #place
#define UV_POOL		UV(43429) "|S start_thread -|S __clone3 -"

enum { APPEND = 1, DIRECT = 2, CHANGED = 4, SMALL = 8, MAPPED = 16, NO_SPLICE = 32, UNKNOWN = 64, OTHER = 128, SAME = 256, BY_8K = 512 };

static const struct example {
	const char *row;
	enum runtime runtime;
	enum file_kind from, to;
	const char *read, *write, *executable;
	int flags;
	const char *version;
} examples[] = {
	{ "append-native", RUNTIME_C, FILE_REGULAR, FILE_REGULAR, MADE_C_READ, MADE_C_WRITE, NULL, APPEND },
	{ "append-go", RUNTIME_GO, FILE_REGULAR, FILE_REGULAR, READF OUT, WRITEC OUTW, NULL, APPEND },
	{ "append", RUNTIME_PYTHON, FILE_REGULAR, FILE_REGULAR, NULL, NULL, NULL, APPEND },
	{ "append", RUNTIME_C, FILE_TCP, FILE_REGULAR, NULL, NULL, NULL, APPEND },
	{ "generated", RUNTIME_C, FILE_GENERATED, FILE_TCP, NULL, NULL, NULL, 0 },
	{ "datagram-from", RUNTIME_C, FILE_DATAGRAM, FILE_REGULAR, NULL, NULL, NULL, 0 },
	{ "datagram-to", RUNTIME_C, FILE_REGULAR, FILE_DATAGRAM, NULL, NULL, NULL, 0 },
	{ "append-native", RUNTIME_C, FILE_REGULAR, FILE_REGULAR, MADE_C_READ, MADE_C_WRITE, NULL, APPEND | OTHER },
	{ "append", RUNTIME_GO, FILE_REGULAR, FILE_REGULAR, READF OUT, WRITEC OUTW, NULL, APPEND | OTHER },
	{ "one-file", RUNTIME_C, FILE_REGULAR, FILE_REGULAR, MADE_C_READ, MADE_C_WRITE, NULL, SAME },
	{ "one-file", RUNTIME_GO, FILE_REGULAR, FILE_REGULAR, MADE_GO_READ, MADE_GO_WRITE, NULL, SAME },
	{ "no-splice", RUNTIME_C, FILE_REGULAR, FILE_TCP, NULL, NULL, NULL, NO_SPLICE },
	{ "no-facts", RUNTIME_C, FILE_REGULAR, FILE_UNKNOWN, NULL, NULL, NULL, NO_SPLICE | UNKNOWN },
	{ "splice-unknown", RUNTIME_C, FILE_REGULAR, FILE_DEVICE, NULL, NULL, NULL, NO_SPLICE | UNKNOWN },
	{ "changed", RUNTIME_C, FILE_REGULAR, FILE_TCP, NULL, NULL, NULL, CHANGED },
	{ "small", RUNTIME_C, FILE_REGULAR, FILE_TCP, NULL, NULL, NULL, SMALL },
	{ "nginx-stream", RUNTIME_C, FILE_TCP, FILE_TCP, "P ngx_unix_recv -|P ngx_stream_proxy_process -@1",
	  "P ngx_writev -|P ngx_stream_proxy_process -@2", "/usr/sbin/nginx", 0 },
	{ "nginx-stream", RUNTIME_C, FILE_TCP, FILE_TCP, "P ngx_unix_recv -|P - /usr/lib/nginx/modules/ngx_stream_module.so@1|P main -",
	  "P ngx_writev_chain -|P - /usr/lib/nginx/modules/ngx_stream_module.so@2|P main -", "/usr/sbin/nginx", 0 },
	{ "nginx-sendfile", RUNTIME_C, FILE_REGULAR, FILE_TCP, MADE_C_READ, MADE_C_WRITE, "/usr/sbin/nginx", 0 },
	{ "nginx-proxy", RUNTIME_C, FILE_TCP, FILE_TCP, MADE_C_READ, MADE_C_WRITE, "/usr/sbin/nginx", 0 },
	{ "haproxy", RUNTIME_C, FILE_TCP, FILE_TCP, MADE_C_READ, MADE_C_WRITE, "/usr/sbin/haproxy", 0 },
	{ "uv-sendfile", RUNTIME_C, FILE_REGULAR, FILE_TCP, "S pread -|S uv__fs_sendfile -@1|S uv__fs_work -|S worker -",
	  "S write -|S uv__fs_sendfile -@2|S uv__fs_work -|S worker -", NULL, 0 },
	{ "uv-sendfile", RUNTIME_C, FILE_REGULAR, FILE_TCP, "S pread -" UV(73746) UV(79917) UV_POOL,
	  "S write -" UV(73892) UV(79917) UV_POOL, NULL, BY_8K },
	/* uv_fs_read and uv_fs_write, called by uv__fs_work or a part of it: not from one place, or not by 8 KiB */
	{ "c-file-to-socket", RUNTIME_C, FILE_REGULAR, FILE_TCP, "S pread -" UV(79539) UV_POOL, "S write -" UV(78708) UV_POOL, NULL,
	  BY_8K },
	{ "c-file-to-socket", RUNTIME_C, FILE_REGULAR, FILE_TCP, "S pread -" UV(73746) UV(79539) UV_POOL,
	  "S write -" UV(73892) UV(78708) UV_POOL, NULL, BY_8K },
	{ "c-file-to-socket", RUNTIME_C, FILE_REGULAR, FILE_TCP, "S pread -" UV(73746) UV(79917) UV_POOL,
	  "S write -" UV(73892) UV(79917) UV_POOL, NULL, 0 },
	/* another library's function as work of the pool */
	{ "c-file-to-socket", RUNTIME_C, FILE_REGULAR, FILE_TCP, "S pread -|S - /usr/lib/libx.so@1" UV(40000) UV_POOL,
	  "S write -|S - /usr/lib/libx.so@2" UV(40000) UV_POOL, NULL, BY_8K },
	{ "go-mapped", RUNTIME_GO, FILE_REGULAR, FILE_TCP, NULL, WRITEC OUTW, NULL, MAPPED },
	{ "go-nested-limit", RUNTIME_GO, FILE_REGULAR, FILE_TCP,
	  READF "|R io.(*LimitedReader).Read l.go:1|R io.(*LimitedReader).Read l.go:1" OUT, WRITEC OUTW, NULL, 0 },
	{ "go-nested-limit-splice", RUNTIME_GO, FILE_TCP, FILE_TCP,
	  READF "|R io.(*LimitedReader).Read l.go:1|R io.(*LimitedReader).Read l.go:1" OUT, WRITEC OUTW, NULL, 0 },
	{ "go-section", RUNTIME_GO, FILE_REGULAR, FILE_TCP, READF "|R io.(*SectionReader).Read s.go:1" OUT, WRITEC OUTW, NULL, 0 },
	{ "go-reader-to-tcp", RUNTIME_GO, FILE_REGULAR, FILE_TCP, MADE_GO_READ, MADE_GO_WRITE, NULL, 0, "Go 1.21.13" },
	{ "go-reader-to-tcp", RUNTIME_GO, FILE_REGULAR, FILE_TCP, READF "|R io.(*LimitedReader).Read l.go:1|P main.r.Read m.go:1" OUT,
	  WRITEC OUTW, NULL, 0, "Go 1.25" },
	{ "go-reader-to-tcp-limit", RUNTIME_GO, FILE_REGULAR, FILE_TCP, MADE_GO_READ, MADE_GO_WRITE, NULL, 0, "Go 1.22.12" },
	{ "go-reader-to-tcp-limit", RUNTIME_GO, FILE_REGULAR, FILE_TCP, MADE_GO_READ, MADE_GO_WRITE, NULL, 0, "Go 1.24.4" },
	{ "go-reader-to-tcp-limit", RUNTIME_GO, FILE_REGULAR, FILE_TCP, MADE_GO_READ, MADE_GO_WRITE, NULL, 0, NULL },
	{ "go-reader-splice", RUNTIME_GO, FILE_TCP, FILE_TCP, MADE_GO_READ, MADE_GO_WRITE, NULL, 0, "Go 1.24.4" },
	{ "go-reader-to-file", RUNTIME_GO, FILE_REGULAR, FILE_REGULAR, MADE_GO_READ, MADE_GO_WRITE, NULL, 0 },
	{ "go-to-other", RUNTIME_GO, FILE_REGULAR, FILE_REGULAR, MADE_GO_READ, MADE_GO_WRITE, NULL, OTHER },
	{ "go-to-other", RUNTIME_GO, FILE_REGULAR, FILE_REGULAR, READF OUT, WRITEC "|P main.(*lw).Write m.go:4" OUTW, NULL, OTHER },
	{ "go-to-other", RUNTIME_GO, FILE_REGULAR, FILE_REGULAR, READF "|P main.pump m.go:7", WRITEC "|P main.pump m.go:8", NULL, OTHER },
	{ "go-to-other", RUNTIME_GO, FILE_REGULAR, FILE_REGULAR, NULL, WRITEC OUTW, NULL, MAPPED | OTHER },
	{ "go-response-writer", RUNTIME_GO, FILE_REGULAR, FILE_TCP, READF OUT, RESPONSE "|P main.(*lw).Write m.go:4" OUTW, NULL, 0,
	  "Go 1.19.8" },
	{ "go-response-writer-limit", RUNTIME_GO, FILE_REGULAR, FILE_TCP, READF OUT, RESPONSE "|P main.(*lw).Write m.go:4" OUTW, NULL, 0,
	  "Go 1.23.1" },
	{ "go-writer", RUNTIME_GO, FILE_REGULAR, FILE_TCP, READF OUT, WRITEC "|P main.(*lw).Write m.go:4" OUTW, NULL, 0, "Go 1.27.4" },
	{ "go-writer-limit", RUNTIME_GO, FILE_REGULAR, FILE_TCP, READF OUT, WRITEC "|P main.(*lw).Write m.go:4" OUTW, NULL, 0,
	  "Go 1.24.4" },
	{ "go-writer-to-file", RUNTIME_GO, FILE_REGULAR, FILE_REGULAR, READF OUT, WRITEC "|P main.(*lw).Write m.go:4" OUTW, NULL, 0,
	  "Go 1.24.4" },
	{ "go-response", RUNTIME_GO, FILE_REGULAR, FILE_TCP, READF "|P main.pump m.go:7", RESPONSE "|P main.pump m.go:8", NULL, 0,
	  NULL },
	{ "go-response-length", RUNTIME_GO, FILE_REGULAR, FILE_TCP, READF "|R io.copyBuffer io.go:427" ASKED,
	  RESPONSE "|R io.copyBuffer io.go:432" ASKED, NULL, 0, "Go 1.19.8" },
	{ "go-file-lost", RUNTIME_GO, FILE_REGULAR, FILE_TCP, READF LOST, WRITEC LOST, NULL, 0, "Go 1.24.4" },
	{ "go-splice-to-file", RUNTIME_GO, FILE_TCP, FILE_REGULAR, MADE_GO_READ, MADE_GO_WRITE, NULL, 0, "Go 1.21.13" },
	{ "go", RUNTIME_GO, FILE_TCP, FILE_REGULAR, MADE_GO_READ, MADE_GO_WRITE, NULL, 0, "Go 1.20.1" },
	{ "go-to-unix", RUNTIME_GO, FILE_TCP, FILE_UNIX_STREAM, READF OUT, WRITEC OUTW, NULL, 0, "Go 1.22.12" },
	{ "go", RUNTIME_GO, FILE_UNIX_STREAM, FILE_UNIX_STREAM, READF OUT, WRITEC OUTW, NULL, 0, "Go 1.27.4" },
	{ "go-writer-splice", RUNTIME_GO, FILE_TCP, FILE_TCP, READF OUT, WRITEC "|P main.(*lw).Write m.go:4" OUTW, NULL, 0 },
	{ "go-several", RUNTIME_GO, FILE_REGULAR, FILE_TCP, READF "|R io.(*teeReader).Read io.go:1" OUT, WRITEC OUTW, NULL, 0 },
	{ "go-several", RUNTIME_GO, FILE_TCP, FILE_TCP, READF OUT, WRITEC "|R io.(*multiWriter).Write multi.go:1" OUTW, NULL, 0 },
	{ "go-threads", RUNTIME_GO, FILE_REGULAR, FILE_TCP, READF "|R io.copyBuffer io.go:1|R io.Copy io.go:1|P main.get.func1 m.go:9",
	  WRITEC OUTW, NULL, 0 },
	{ "go-chunks", RUNTIME_GO, FILE_REGULAR, FILE_TCP, READF OUT, CHUNKED OUTW, NULL, 0 },
	{ "go-chunks-other", RUNTIME_GO, FILE_TCP, FILE_TCP, READF OUT, CHUNKED OUTW, NULL, 0 },
	{ "go-chunks-wrapped", RUNTIME_GO, FILE_REGULAR, FILE_TCP, READF "|P main.r.Read m.go:1" OUT, CHUNKED OUTW, NULL, 0 },
	{ "go-hidden", RUNTIME_GO, FILE_REGULAR, FILE_TCP, READF OUT, WRITEC OUTW, NULL, 0, "Go 1.24.4" },
	{ "go-hidden", RUNTIME_GO, FILE_REGULAR, FILE_REGULAR, READF OUT, WRITEC OUTW, NULL, 0, "Go 1.19.8" },
	{ "go-hidden", RUNTIME_GO, FILE_REGULAR, FILE_TCP, READF LOST, WRITEC LOST, NULL, 0, "Go 1.25.1" },
	{ "go-bufio", RUNTIME_GO, FILE_REGULAR, FILE_TCP, READF OUT, WRITEC "|R bufio.(*Writer).Flush b.go:1" OUTW, NULL, 0 },
	{ "go-bufio-splice", RUNTIME_GO, FILE_TCP, FILE_TCP, READF OUT, WRITEC "|R bufio.(*Writer).Flush b.go:1" OUTW, NULL, 0 },
	{ "go-loop", RUNTIME_GO, FILE_REGULAR, FILE_TCP, READF "|P main.pump m.go:7", WRITEC "|P main.pump m.go:8", NULL, 0 },
	{ "go-loop-splice", RUNTIME_GO, FILE_TCP, FILE_TCP, READF "|P main.pump m.go:7", WRITEC "|P main.pump m.go:8", NULL, 0 },
	{ "go", RUNTIME_GO, FILE_REGULAR, FILE_UNIX_STREAM, READF OUT, WRITEC OUTW, NULL, 0 },
	{ "rust-file-to-socket", RUNTIME_RUST, FILE_REGULAR, FILE_TCP, "S read -|R std::io::copy -@1|P r::main r.rs:5",
	  "S send -|R std::io::copy -@2|P r::main r.rs:5", NULL, 0 },
	{ "rust-wrapped-file", RUNTIME_RUST, FILE_REGULAR, FILE_REGULAR,
	  "S read -|P Just::read r.rs:2|R std::io::copy -@1|P r::main r.rs:5",
	  "S send -|R std::io::copy -@2|P r::main r.rs:5", NULL, 0 },
	{ "rust-file-to-file", RUNTIME_RUST, FILE_REGULAR, FILE_REGULAR, "S read -|P r::main r.rs:5@1",
	  "S write -|P r::main r.rs:5@2", NULL, 0 },
	{ "rust-sockets", RUNTIME_RUST, FILE_TCP, FILE_TCP, MADE_C_READ, MADE_C_WRITE, NULL, 0 },
	{ "python-copyfileobj-to-socket", RUNTIME_PYTHON, FILE_REGULAR, FILE_TCP, "S read -|R copyfileobj shutil.py:1@1|P get m.py:1",
	  "S send -|R copyfileobj shutil.py:1@2|P get m.py:1", NULL, 0 },
	{ "python-copyfileobj-to-file", RUNTIME_PYTHON, FILE_REGULAR, FILE_REGULAR, "S read -|R copyfileobj shutil.py:1@1|P get m.py:1",
	  "S write -|R copyfileobj shutil.py:1@2|P get m.py:1", NULL, 0 },
	{ "python-to-socket", RUNTIME_PYTHON, FILE_REGULAR, FILE_TCP, "S read -|P get m.py:1@1", "S send -|P get m.py:1@2", NULL, 0 },
	{ "python-to-socket", RUNTIME_PYTHON, FILE_REGULAR, FILE_TCP, "R eval -@1|S start -", "R eval -@2|S start -", NULL, 0 },
	{ "python-to-file", RUNTIME_PYTHON, FILE_REGULAR, FILE_REGULAR, NULL, NULL, NULL, 0 },
	{ "python", RUNTIME_PYTHON, FILE_TCP, FILE_TCP, NULL, NULL, NULL, 0 },
	{ "node-to-file", RUNTIME_NODE, FILE_REGULAR, FILE_REGULAR, NULL, NULL, NULL, 0 },
	{ "node", RUNTIME_NODE, FILE_REGULAR, FILE_TCP, NULL, NULL, NULL, 0 },
	{ "java-transfer", RUNTIME_JAVA, FILE_REGULAR, FILE_TCP, "S read -|R java.io.InputStream.transferTo -@1|P Get.main -",
	  "S send -|R java.io.InputStream.transferTo -@2|P Get.main -", NULL, 0 },
	{ "java", RUNTIME_JAVA, FILE_REGULAR, FILE_TCP, NULL, NULL, NULL, 0 },
	{ "java-sockets", RUNTIME_JAVA, FILE_TCP, FILE_TCP, NULL, NULL, NULL, 0 },
	{ "c-mapped", RUNTIME_C, FILE_REGULAR, FILE_TCP, NULL, MADE_C_WRITE, NULL, MAPPED },
	{ "mapped", RUNTIME_JAVA, FILE_REGULAR, FILE_TCP, NULL, NULL, NULL, MAPPED },
	{ "c-direct", RUNTIME_CXX, FILE_REGULAR, FILE_TCP, MADE_C_READ, MADE_C_WRITE, NULL, DIRECT },
	{ "c-stdio-reading", RUNTIME_C, FILE_REGULAR, FILE_TCP, "S read -|S _IO_file_read -|S fread -|P serve s.c:7|P main s.c:9",
	  "S write -|P serve s.c:8|P main s.c:9", NULL, 0 },
	{ "c-stdio-writing", RUNTIME_C, FILE_REGULAR, FILE_TCP, "S read -|P serve s.c:7|P main s.c:9",
	  "S write -|S fwrite -|P serve s.c:8|P main s.c:9", NULL, 0 },
	{ "c-file-to-socket", RUNTIME_C, FILE_REGULAR, FILE_TCP, MADE_C_READ, MADE_C_WRITE, NULL, 0 },
	{ "c-file-to-file", RUNTIME_C, FILE_REGULAR, FILE_REGULAR, MADE_C_READ, MADE_C_WRITE, NULL, 0 },
	{ "c-file-to-other", RUNTIME_C, FILE_REGULAR, FILE_REGULAR, MADE_C_READ, MADE_C_WRITE, NULL, OTHER },
	{ "rust-wrapped-file", RUNTIME_RUST, FILE_REGULAR, FILE_REGULAR,
	  "S read -|P Just::read r.rs:2|R std::io::copy -@1|P r::main r.rs:5",
	  "S send -|R std::io::copy -@2|P r::main r.rs:5", NULL, OTHER },
	{ "c-from-pipe", RUNTIME_C, FILE_PIPE, FILE_TCP, MADE_C_READ, MADE_C_WRITE, NULL, 0 },
	{ "c-to-pipe", RUNTIME_C, FILE_TCP, FILE_PIPE, MADE_C_READ, MADE_C_WRITE, NULL, 0 },
	{ "c-through-pipe", RUNTIME_C, FILE_TCP, FILE_REGULAR, MADE_C_READ, MADE_C_WRITE, NULL, 0 },
	{ "any", RUNTIME_C, FILE_DEVICE, FILE_TCP, MADE_C_READ, MADE_C_WRITE, NULL, 0 },
};
#define EXAMPLES (sizeof examples / sizeof examples[0])

static void set(int flags)
{
	model.files[1].append = flags & APPEND;
	model.files[0].direct = flags & DIRECT;
	if (flags & NO_SPLICE)
		model.files[1].can_splice_to = false;
	if (flags & (OTHER | SAME)) {
		model.files[0].device = 7;
		model.files[1].device = flags & OTHER ? 8 : 7;
		model.files[1].inode = flags & SAME ? model.files[0].inode : model.files[0].inode + 1;
	}
	if (flags & UNKNOWN)
		model.files[1].splice_unknown = true;
	if (flags & CHANGED)
		flow->whole_changed = 10;
	if (flags & SMALL)
		flow->bytes = flow->writes;
	if (flags & MAPPED)
		flow->how = HOW_MAPPED;
	if (flags & BY_8K)
		flow->largest = 8192;
}

static const struct advice *row_named(const char *name)
{
	unsigned count;
	const struct advice *rows = advice_rows(&count);

	for (unsigned i = 0; i < count; i++)
		if (!strcmp(rows[i].name, name))
			return &rows[i];
	check_fail(__FILE__, __LINE__, "there is no row %s", name);
}

/* The sentence is the row's, up to where a name is put in. */
static void is_of_row(const struct finding *finding, const struct advice *row)
{
	size_t length = strcspn(row->why, "@");

	CHECK(why_of(finding));
	CHECK_SAY(!strncmp(why_of(finding), row->why, length), "of row %s is wanted, but: %s", row->name, why_of(finding));
	CHECK_SAY(finding->mend == row->mend, "another remedy than that of %s: %s", row->name, finding->mend ? finding->mend : "none");
}

static void each_case_has_its_row(void)
{
	for (unsigned i = 0; i < EXAMPLES; i++) {
		const struct example *e = &examples[i];

		test_note(e->row);
		fresh(e->runtime, e->from, e->to, e->read, e->write);
		model.processes[0].version = made_text(e->version);
		set(e->flags);
		if (e->executable)
			executable(e->executable);
		is_of_row(advised(), row_named(e->row));
	}
}

static void no_row_is_hidden(void)
{
	unsigned count;
	const struct advice *rows = advice_rows(&count);

	for (unsigned i = 0; i < count; i++) {
		bool met = false;

		for (unsigned e = 0; e < EXAMPLES; e++)
			met |= !strcmp(examples[e].row, rows[i].name);
		CHECK_SAY(met, "row %s has no example", rows[i].name);
	}
}

static void names_stand_in_sentences(void)
{
	fresh(RUNTIME_GO, FILE_REGULAR, FILE_TCP, MADE_GO_READ, MADE_GO_WRITE);
	CHECK(strstr(why_of(advised()), "; justReader hides it"));
	CHECK_EQ(advised()->reason, LEAT_OPAQUE_SOURCE);
	fresh(RUNTIME_GO, FILE_REGULAR, FILE_TCP, READF OUT, WRITEC "|P github.com/x/y.v2.(*lw[...]).Write m.go:4" OUTW);
	CHECK(strstr(why_of(advised()), "; lw[...] has none"));
	fresh(RUNTIME_RUST, FILE_REGULAR, FILE_REGULAR, "S read -|P Just::read r.rs:2|R std::io::copy -@1|P r::main r.rs:5",
	      "S send -|R std::io::copy -@2|P r::main r.rs:5");
	free(model.sites[0].frames[1].function);
	model.sites[0].frames[1].function = made_text("<app::Counting<R> as std::io::Read>::read");
	CHECK(strstr(why_of(advised()), "; app::Counting<R> hides one"));
	fresh(RUNTIME_C, FILE_REGULAR, FILE_TCP, MADE_C_READ, MADE_C_WRITE);
	CHECK(strstr(why_of(advised()), "serve reads the file"));
	fresh(RUNTIME_C, FILE_REGULAR, FILE_TCP, "P - -@1|P main -@9", "P - -@2|P main -@9");
	CHECK(strstr(why_of(advised()), "main reads the file"));
	fresh(RUNTIME_C, FILE_REGULAR, FILE_TCP, NULL, NULL);
	CHECK(strstr(why_of(advised()), "the program reads the file"));
}

/* No remedy is said of ends that no patient stands between, nor of a route the kernel carries. */
static void silent_where_nothing_is_known(void)
{
	fresh(RUNTIME_GO, FILE_PIPE, FILE_TCP, MADE_GO_READ, MADE_GO_WRITE);
	CHECK(!advised()->mend);
	fresh(RUNTIME_RUST, FILE_TCP, FILE_REGULAR, MADE_C_READ, MADE_C_WRITE);
	CHECK(!advised()->mend);
	fresh(RUNTIME_UNKNOWN, FILE_REGULAR, FILE_TCP, NULL, NULL);	/* it was gone before it could be looked at */
	CHECK(!advised()->mend);
	CHECK(why_of(advised()));
	fresh(RUNTIME_C, FILE_REGULAR, FILE_TCP, NULL, MADE_C_WRITE);
	flow->how = HOW_SENDFILE;
	CHECK(!advised()->mend);
	CHECK(!why_of(advised()));
}

static bool is_sentence_of(const struct finding *finding, const char *words)
{
	const char *text = advice_no_mend(&model, finding);

	CHECK(text);
	CHECK(strlen(text) < 220 && text[strlen(text) - 1] != '.');
	return strstr(text, words);
}

/* Of what is only perhaps a loss a remedy may be known, so that is not denied: what would make it sure is said. */
static void doubtful_says_what_would_tell(void)
{
	fresh(RUNTIME_C, FILE_REGULAR, FILE_TCP, MADE_C_READ, MADE_C_WRITE);
	CHECK(!advice_no_mend(&model, advised()));
	flow->whole_equal = 0;
	model.coverage.sampled_1_in = 16;
	CHECK_EQ(advised()->confidence, CONFIDENCE_LOW);
	CHECK(!advised()->mend);
	CHECK(is_sentence_of(advised(), "--full"));
	model.coverage.sampled_1_in = 1;
	CHECK(is_sentence_of(advised(), "longer"));
	model.coverage.sampled_1_in = 16;
	model.engine = ENGINE_PTRACE;
	CHECK(is_sentence_of(advised(), "watch longer"));
	model.engine = ENGINE_BPF;
	flow->bytes = flow->reads * (5u << 20);
	CHECK(is_sentence_of(advised(), "less at a time"));
	fresh(RUNTIME_GO, FILE_PIPE, FILE_TCP, MADE_GO_READ, MADE_GO_WRITE);
	CHECK(is_sentence_of(advised(), "no remedy is known"));
	flow->how = HOW_SENDFILE;
	CHECK(!advice_no_mend(&model, advised()));
}

/* A stranger's name can be long, and can hold what is ours. */
static void strange_names(void)
{
	char *name = malloc(100000);

	CHECK(name);
	memset(name, '@', 99999);
	name[99999] = 0;
	fresh(RUNTIME_C, FILE_REGULAR, FILE_TCP, MADE_C_READ, MADE_C_WRITE);
	free(model.sites[0].frames[2].function);
	free(model.sites[1].frames[2].function);
	model.sites[0].frames[2].function = name;
	model.sites[1].frames[2].function = made_text(name);
	CHECK(strlen(why_of(advised())) < 400);
	fresh(RUNTIME_GO, FILE_REGULAR, FILE_TCP, READF "|P ..(*).. m.go:1" OUT, WRITEC OUTW);
	CHECK(why_of(advised()));
	fresh(RUNTIME_GO, FILE_REGULAR, FILE_TCP, READF "|P .(*) m.go:1" OUT, WRITEC OUTW);
	CHECK(why_of(advised()));
}

static void tls(void)
{
	fresh(RUNTIME_C, FILE_REGULAR, FILE_TCP, MADE_C_READ, MADE_C_WRITE);
	CHECK(!advice_tls(&model.coverage));
	CHECK(!advice_tls_mend(&model));
	model.coverage.tls_records = 1;
	CHECK(advice_tls(&model.coverage));
	CHECK(strstr(advice_tls_mend(&model), "SSL_sendfile"));
	CHECK(proven("c-tls file-tcp", "file-tcp"));
	model.files[1].ulp_tls = true;	/* it has been mended */
	CHECK(advice_tls(&model.coverage));
	CHECK(!advice_tls_mend(&model));
	fresh(RUNTIME_PYTHON, FILE_REGULAR, FILE_TCP, NULL, NULL);
	model.coverage.tls_records = 1;
	CHECK(!advice_tls_mend(&model));
}

static const struct test tests[] = {
	TEST(every_remedy_is_proven_for_its_ends),
	TEST(sentences_are_plain),
	TEST(each_case_has_its_row),
	TEST(no_row_is_hidden),
	TEST(names_stand_in_sentences),
	TEST(silent_where_nothing_is_known),
	TEST(doubtful_says_what_would_tell),
	TEST(strange_names),
	TEST(tls),
};
TEST_MAIN(tests)
