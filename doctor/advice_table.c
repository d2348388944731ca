/* SPDX-License-Identifier: MIT */
/*
 * The rows, from the particular to the general: the first that fits is taken. What a row says of a runtime was seen by running it,
 * or read in its source: Go 1.19, 1.21, 1.22, 1.24, 1.27 and the sources between them (net/sendfile.go, os/zero_copy_linux.go),
 * Rust 1.95 (kernel_copy/linux.rs), CPython 3.11 to 3.13, Node 20, OpenJDK 17, nginx 1.22, HAProxy 2.6, libuv 1.44 and 1.52.
 */
#include "advice.h"
#include "culprit.h"

#include <leat.h>

#include <string.h>

#define BIT(value)	(1u << (value))
#define LOSSES		(BIT(VERDICT_BOUNCE) | BIT(VERDICT_COPIED))
#define NATIVE		(BIT(RUNTIME_C) | BIT(RUNTIME_CXX))
#define GO		BIT(RUNTIME_GO)
#define RUST		BIT(RUNTIME_RUST)
#define PYTHON		BIT(RUNTIME_PYTHON)
#define NODE		BIT(RUNTIME_NODE)
#define JAVA		BIT(RUNTIME_JAVA)
#define REGULAR		BIT(FILE_REGULAR)
#define PIPE		BIT(FILE_PIPE)
#define TCP		BIT(FILE_TCP)
#define UNIX		BIT(FILE_UNIX_STREAM)
#define SOCKETS		(TCP | UNIX)

/* What of stdio and iostreams can stand between a program and its system call. */
#define STDIO		"fread|fwrite|fgets|fputs|fgetc|fputc|getc|putc|fflush|fclose|getline|getdelim|_IO_|basic_filebuf|stdio_filebuf"

#define GO_LIMITED	" that forwards to io.Copy(inner, r) and counts what that returns, and hand it io.LimitReader(file, size): " \
			"Go 1.22 to 1.24 lose a file there that comes without"
#define GO_RESPONSE	"the server's http.ResponseWriter has a ReadFrom that reaches sendfile(2) if Content-Length is set"
#define GO_CHUNKS	"a body whose length the request does not say is sent in chunks, and the program writes the head of each"
#define C_MEND_LEAT	", or leat_copy(3), which finds that route by itself"

static bool is_direct(const struct file *from, const struct file *to)
{
	return from->direct;
}

static bool two_filesystems(const struct file *from, const struct file *to)
{
	return model_two_filesystems(from, to);
}

static bool not_two_filesystems(const struct file *from, const struct file *to)
{
	return !model_two_filesystems(from, to);
}

static bool one_file(const struct file *from, const struct file *to)
{
	return model_one_file(from, to);
}

static bool nothing_known(const struct file *from, const struct file *to)
{
	return (from->splice_unknown && from->kind == FILE_UNKNOWN) || (to->splice_unknown && to->kind == FILE_UNKNOWN);
}

static bool nobody_knows(const struct file *from, const struct file *to)
{
	return from->splice_unknown || to->splice_unknown;
}

/*
 * Since Go 1.22 io.Copy begins with (*os.File).WriteTo, which hands other writers than a connection a file in a type of its own;
 * (*TCPConn).ReadFrom knows that type since 1.25.
 */
static bool keeps_files(unsigned go)
{
	return go && (go < 22 || go >= 25);
}

static bool loses_files(unsigned go)
{
	return go >= 22 && go < 25;
}

/* (*os.File).ReadFrom splices from stream connections. */
static bool splices_to_files(unsigned go)
{
	return go >= 21;
}

/* (*os.File).WriteTo and (*TCPConn).WriteTo know stream connections of Unix. */
static bool reaches_unix(unsigned go)
{
	return go >= 22;
}

#define UV_SENDFILE_BYTES 8192	/* of the buffer in libuv's uv__fs_sendfile_emul */

/*
 * uv_fs_sendfile in a thread of libuv's pool, of which Debian's has no names: the worker calls uv__fs_work, and that at one place
 * what reads and writes, by a buffer of its own. uv_fs_read and uv_fs_write are called at two places, by a buffer of any size.
 */
static bool is_uv_sendfile(const struct flow *flow, const struct site *read, const struct site *write)
{
	uint32_t r = read->frame_count, w = write->frame_count, inside = 0;

	while (r && w) {
		const struct frame *a = &read->frames[r - 1], *b = &write->frames[w - 1];

		if (!a->module || !b->module || strcmp(a->module, b->module) != 0 || a->module_offset != b->module_offset)
			break;
		inside += culprit_is_libuv(a);
		--r, --w;
	}
	return r && w && inside >= 2 && flow->largest <= UV_SENDFILE_BYTES && culprit_is_libuv(&read->frames[r - 1]) &&
	       culprit_is_libuv(&write->frames[w - 1]);
}

static const struct advice rows[] = {
	/* ---- Ends that cannot, and flows that are none ------------------------------------------------------------------- */
	{ .name = "append-native", .verdicts = BIT(VERDICT_CANNOT), .runtimes = NATIVE, .from = REGULAR, .to = REGULAR,
	  .why = "the file is open with O_APPEND, which no route of the kernel takes: sendfile(2) and splice(2) say EINVAL, "
		 "copy_file_range(2) EBADF",
	  .mend = "if nobody else appends to it, open it without O_APPEND, and let sendfile(2) write from its end on",
	  .reason = LEAT_OUT_APPEND, .patients = "c-append file-file file-other" },
	{ .name = "append-go", .verdicts = BIT(VERDICT_CANNOT), .runtimes = GO, .from = REGULAR, .to = REGULAR,
	  .also = not_two_filesystems,
	  .why = "the file is open with O_APPEND, which no route of the kernel takes, so (*os.File).ReadFrom does not try",
	  .mend = "if nobody else appends to it, open it without os.O_APPEND, Seek to its end, and io.Copy to it",
	  .reason = LEAT_OUT_APPEND, .patients = "go-append file-file" },
	{ .name = "append", .verdicts = BIT(VERDICT_CANNOT), .to = REGULAR, .reason = LEAT_OUT_APPEND,
	  .why = "the file is open with O_APPEND, which no route of the kernel takes: sendfile(2) and splice(2) say EINVAL, "
		 "copy_file_range(2) EBADF" },
	{ .name = "generated", .verdicts = BIT(VERDICT_CANNOT), .from = BIT(FILE_GENERATED), .reason = LEAT_SRC_GENERATED,
	  .why = "the file is made up as it is read (procfs, sysfs), and this one has no splice" },
	{ .name = "datagram-from", .verdicts = BIT(VERDICT_CANNOT), .from = BIT(FILE_DATAGRAM),
	  .why = "messages have to go whole, and no route of the kernel keeps their boundaries" },
	{ .name = "datagram-to", .verdicts = BIT(VERDICT_CANNOT), .to = BIT(FILE_DATAGRAM),
	  .why = "messages have to go whole, and no route of the kernel keeps their boundaries" },
	{ .name = "no-splice", .verdicts = BIT(VERDICT_CANNOT), .why = "one of the two ends has no splice in this kernel" },
	{ .name = "one-file", .verdicts = BIT(VERDICT_UNKNOWN), .from = REGULAR, .to = REGULAR, .also = one_file,
	  .why = "the program reads and writes one file: copy_file_range(2) moves nothing to where it came from, nor to what overlaps "
		 "that (EINVAL), and where in the file the two were was not seen" },
	{ .name = "no-facts", .verdicts = BIT(VERDICT_UNKNOWN), .also = nothing_known,
	  .why = "of one of the two ends nothing but its bytes was seen: more files were in use than could be looked at" },
	{ .name = "splice-unknown", .verdicts = BIT(VERDICT_UNKNOWN), .also = nobody_knows,
	  .why = "whether the kernel can splice one of the two ends, ptrace cannot see; the bpf engine can" },
	{ .name = "changed", .verdicts = BIT(VERDICT_CHANGED), .why = "the program changes the bytes between the read and the write" },
	{ .name = "small", .verdicts = BIT(VERDICT_SMALL),
	  .why = "less than 4 KiB are moved at a time: the calls cost more than the copy" },

	/* ---- Programs that are known -------------------------------------------------------------------------------------- */
	{ .name = "nginx-stream", .verdicts = LOSSES, .program = "nginx", .anywhere = "ngx_stream_",
	  .why = "nginx's stream module has no splice: it reads into proxy_buffer_size and writes from there; where it was measured, 64k "
		 "instead of 16k saved a fifth to two fifths of the CPU, 256k a third to a half" },
	{ .name = "nginx-sendfile", .verdicts = LOSSES, .program = "nginx", .from = REGULAR, .to = TCP, .reason = LEAT_DISABLED_BY_USER,
	  .why = "nginx reads a file into memory when sendfile is off (as it is by default), or when directio or a filter asks for it",
	  .mend = "set \"sendfile on;\" where these files are served", .patients = "nginx-sendfile file-tcp" },
	{ .name = "nginx-proxy", .verdicts = LOSSES, .program = "nginx", .from = SOCKETS,
	  .why = "nginx's proxy reads into its proxy_buffers and writes from there; it has no splice" },
	{ .name = "haproxy", .verdicts = LOSSES, .program = "haproxy", .from = TCP, .to = TCP, .reason = LEAT_DISABLED_BY_USER,
	  .why = "HAProxy splices in the directions that option splice-response and option splice-request name; option splice-auto did "
		 "nothing where it was measured",
	  .mend = "set \"option splice-response\" for what servers send, \"option splice-request\" for what clients send",
	  .patients = "haproxy-splice response request" },
	{ .name = "uv-sendfile", .verdicts = LOSSES, .runtimes = NATIVE, .from = REGULAR, .to = TCP,
	  .anywhere = "uv__fs_sendfile|uv_fs_sendfile", .nameless = is_uv_sendfile,
	  .why = "uv_fs_sendfile asks copy_file_range(2), which takes no socket, and then reads and writes instead of asking sendfile(2) "
		 "(seen in libuv 1.44 and 1.52)",
	  .mend = "call sendfile(2) in the work of uv_queue_work", .patients = "uv-sendfile file-tcp" },

	/* ---- Go ----------------------------------------------------------------------------------------------------------- */
	{ .name = "go-mapped", .verdicts = BIT(VERDICT_MMAP_WRITE), .runtimes = GO, .from = REGULAR, .to = TCP | REGULAR,
	  .also = not_two_filesystems,
	  .why = "the file is mapped, and written from the mapping: every page is copied on its way",
	  .mend = "io.Copy from the *os.File itself", .patients = "go-own-loop file-tcp file-file" },
	{ .name = "go-several", .verdicts = LOSSES, .runtimes = GO, .anywhere = "io.(*teeReader).Read|io.(*multiWriter).Write",
	  .why = "an io.TeeReader or io.MultiWriter gives each byte to a further writer in this program, which has to see it" },
	{ .name = "go-nested-limit", .verdicts = LOSSES, .runtimes = GO, .from = REGULAR, .to = TCP | REGULAR,
	  .reading = "io.(*LimitedReader).Read",
	  .times = 2, .reason = LEAT_OPAQUE_SOURCE,
	  .also = not_two_filesystems,
	  .why = "io.Copy's sendfile and copy_file_range look behind one io.LimitedReader, and here are two",
	  .mend = "make one io.LimitedReader of them, with the smaller N", .patients = "go-nested-limit file-tcp file-file" },
	{ .name = "go-nested-limit-splice", .verdicts = LOSSES, .runtimes = GO, .from = SOCKETS, .to = TCP,
	  .reading = "io.(*LimitedReader).Read",
	  .times = 2, .reason = LEAT_OPAQUE_SOURCE, .why = "(*TCPConn).ReadFrom looks behind one io.LimitedReader, and here are two",
	  .mend = "make one io.LimitedReader of them, with the smaller N", .patients = "go-nested-limit tcp-tcp unix-tcp" },
	{ .name = "go-section", .verdicts = LOSSES, .runtimes = GO, .from = REGULAR, .to = TCP | REGULAR,
	  .reading = "io.(*SectionReader)",
	  .reason = LEAT_OPAQUE_SOURCE, .also = not_two_filesystems, .why = "an io.SectionReader hides the *os.File in it from io.Copy",
	  .mend = "Seek a file opened for this transfer to the section's start, and io.CopyN from it",
	  .patients = "go-section-reader file-tcp file-file" },
	{ .name = "go-chunks-wrapped", .verdicts = LOSSES, .runtimes = GO, .sides = BIT(SIDE_READ),
	  .writing = "net/http/internal.(*chunkedWriter)", .why = GO_CHUNKS "; and @ hides what is in it" },
	{ .name = "go-chunks", .verdicts = LOSSES, .runtimes = GO, .from = REGULAR, .to = TCP,
	  .writing = "net/http/internal.(*chunkedWriter)", .why = GO_CHUNKS,
	  .mend = "set the request's ContentLength to the file's size, with http.NewRequest", .patients = "go-request-length file-tcp" },
	{ .name = "go-chunks-other", .verdicts = LOSSES, .runtimes = GO, .writing = "net/http/internal.(*chunkedWriter)",
	  .why = GO_CHUNKS },
	{ .name = "go-reader-to-tcp", .verdicts = LOSSES, .runtimes = GO, .sides = BIT(SIDE_READ), .from = REGULAR, .to = TCP,
	  .release = keeps_files,
	  .why = "(*TCPConn).ReadFrom knows a file or a stream connection behind at most one *io.LimitedReader; @ hides it",
	  .mend = "give it a WriteTo that forwards to io.Copy(dst, inner) and counts what that returns, or count in a writer with "
		 "a ReadFrom",
	  .patients = "go-reader-wrapper file-tcp|go-writer-wrapper file-tcp|go-response-reader file-tcp" },
	{ .name = "go-reader-to-tcp-limit", .verdicts = LOSSES, .runtimes = GO, .sides = BIT(SIDE_READ), .from = REGULAR, .to = TCP,
	  .why = "(*TCPConn).ReadFrom knows a file or a stream connection behind at most one *io.LimitedReader; @ hides it",
	  .mend = "give it a WriteTo that forwards to io.Copy(dst, io.LimitReader(inner, size)) and counts what that returns; without "
		 "the limit Go 1.22 to 1.24 lose the file where dst is not the connection itself",
	  .patients = "go-reader-wrapper file-tcp|go-response-reader file-tcp" },
	{ .name = "go-reader-splice", .verdicts = LOSSES, .runtimes = GO, .sides = BIT(SIDE_READ), .from = SOCKETS, .to = TCP,
	  .why = "(*TCPConn).ReadFrom knows a file or a stream connection behind at most one *io.LimitedReader; @ hides it",
	  .mend = "give it a WriteTo that forwards to io.Copy(dst, inner) and counts what that returns, or count in a writer with "
		 "a ReadFrom",
	  .patients = "go-reader-wrapper tcp-tcp unix-tcp|go-writer-wrapper tcp-tcp unix-tcp" },
	{ .name = "go-reader-to-file", .verdicts = LOSSES, .runtimes = GO, .sides = BIT(SIDE_READ), .from = REGULAR, .to = REGULAR,
	  .also = not_two_filesystems,
	  .why = "(*os.File).ReadFrom knows *os.File behind at most one *io.LimitedReader; @ hides it",
	  .mend = "give it a WriteTo that forwards to io.Copy(dst, inner) and counts what that returns, or count in a writer with "
		 "a ReadFrom",
	  .patients = "go-reader-wrapper file-file|go-writer-wrapper file-file" },
	{ .name = "go-response-writer", .verdicts = LOSSES, .runtimes = GO, .sides = BIT(SIDE_WRITE), .from = REGULAR, .to = TCP,
	  .writing = "net/http.(*response)", .release = keeps_files,
	  .why = GO_RESPONSE "; @ wraps it and has none",
	  .mend = "give it a ReadFrom that forwards to io.Copy(inner, r) and counts what that returns",
	  .patients = "go-response-writer file-tcp" },
	{ .name = "go-response-writer-limit", .verdicts = LOSSES, .runtimes = GO, .sides = BIT(SIDE_WRITE), .from = REGULAR, .to = TCP,
	  .writing = "net/http.(*response)",
	  .why = GO_RESPONSE "; @ wraps it and has none",
	  .mend = "give it a ReadFrom" GO_LIMITED, .patients = "go-response-writer file-tcp" },
	{ .name = "go-writer", .verdicts = LOSSES, .runtimes = GO, .sides = BIT(SIDE_WRITE), .from = REGULAR, .to = TCP,
	  .release = keeps_files,
	  .why = "io.Copy asks the writer for a ReadFrom; @ has none, and hides that of the writer in it",
	  .mend = "give it a ReadFrom that forwards to io.Copy(inner, r) and counts what that returns",
	  .patients = "go-writer-wrapper file-tcp" },
	{ .name = "go-writer-limit", .verdicts = LOSSES, .runtimes = GO, .sides = BIT(SIDE_WRITE), .from = REGULAR, .to = TCP,
	  .why = "io.Copy asks the writer for a ReadFrom; @ has none, and hides that of the writer in it",
	  .mend = "give it a ReadFrom" GO_LIMITED, .patients = "go-writer-wrapper file-tcp" },
	{ .name = "go-writer-to-file", .verdicts = LOSSES, .runtimes = GO, .sides = BIT(SIDE_WRITE), .from = REGULAR, .to = REGULAR,
	  .also = not_two_filesystems,
	  .why = "io.Copy asks the writer for a ReadFrom; @ has none, and hides that of the writer in it",
	  .mend = "give it a ReadFrom that forwards to io.Copy(inner, r) and counts what that returns",
	  .patients = "go-writer-wrapper file-file" },
	{ .name = "go-writer-splice", .verdicts = LOSSES, .runtimes = GO, .sides = BIT(SIDE_WRITE), .from = SOCKETS, .to = TCP,
	  .why = "io.Copy asks the writer for a ReadFrom; @ has none, and hides that of the connection in it",
	  .mend = "give it a ReadFrom that forwards to io.Copy(inner, r) and counts what that returns",
	  .patients = "go-writer-wrapper tcp-tcp unix-tcp" },
	{ .name = "go-response-length", .verdicts = LOSSES, .runtimes = GO, .sides = BIT(SIDE_CALLER), .from = REGULAR, .to = TCP,
	  .anywhere = "net/http.(*response).ReadFrom", .and_anywhere = "io.CopyBuffer",
	  .why = "the server's http.ResponseWriter has a ReadFrom that was asked: it reaches sendfile(2) if Content-Length is set, and "
		 "what it gets is an *os.File behind at most one *io.LimitedReader",
	  .mend = "set Content-Length, and io.CopyN(w, file, size) between the two themselves", .patients = "go-response-length file-tcp" },
	{ .name = "go-response", .verdicts = LOSSES, .runtimes = GO, .from = REGULAR, .to = TCP, .writing = "net/http.(*response)",
	  .why = GO_RESPONSE "; it is not asked here, or does not see a file",
	  .mend = "io.CopyN(w, file, size) between the two themselves, without a wrapper", .patients = "go-response-copy file-tcp" },
	{ .name = "go-bufio", .verdicts = LOSSES, .runtimes = GO, .from = REGULAR, .to = TCP | REGULAR, .writing = "bufio.(*Writer)",
	  .reason = LEAT_OPAQUE_SINK,
	  .also = not_two_filesystems,
	  .why = "a bufio.Writer hands a reader on only where its ReadFrom is asked and the writer under it has one; else it gets pieces",
	  .mend = "Flush it, then io.Copy to the connection or file itself", .patients = "go-bufio-writer file-tcp file-file" },
	{ .name = "go-bufio-splice", .verdicts = LOSSES, .runtimes = GO, .from = SOCKETS, .to = TCP, .writing = "bufio.(*Writer)",
	  .reason = LEAT_OPAQUE_SINK,
	  .why = "a bufio.Writer hands a reader on only where its ReadFrom is asked and the writer under it has one; else it gets pieces",
	  .mend = "Flush it, then io.Copy to the connection itself", .patients = "go-bufio-writer tcp-tcp unix-tcp" },
	{ .name = "go-file-lost", .verdicts = LOSSES, .runtimes = GO, .sides = BIT(SIDE_CALLER), .from = REGULAR, .to = TCP,
	  .anywhere = "os.(*File).WriteTo", .and_anywhere = "net.(*TCPConn).ReadFrom", .release = loses_files,
	  .why = "(*os.File).WriteTo of Go 1.22 to 1.24 hides the file from (*TCPConn).ReadFrom, where io.Copy is not given the "
		 "connection itself",
	  .mend = "io.CopyN(w, file, size), or io.Copy from an io.LimitReader of the file",
	  .patients = "go-response-copy file-tcp" },
	{ .name = "go-hidden", .verdicts = LOSSES, .runtimes = GO, .sides = BIT(SIDE_CALLER), .from = REGULAR, .to = TCP | REGULAR,
	  .anywhere = "io.Copy|io.copyBuffer", .also = not_two_filesystems,
	  .why = "io.Copy knows files and connections by their own types; inside another value, as of io.NopCloser or "
		 "struct{ io.Writer }, it does not see one",
	  .mend = "hand io.Copy the *os.File and the connection or file themselves", .patients = "go-hidden file-tcp file-file" },
	{ .name = "go-loop", .verdicts = LOSSES, .runtimes = GO, .sides = BIT(SIDE_LOOP), .from = REGULAR, .to = TCP | REGULAR,
	  .also = not_two_filesystems,
	  .why = "@ calls Read and Write itself, which no runtime can turn into a call of the kernel",
	  .mend = "io.Copy between the two, without a wrapper, finds the kernel's route", .patients = "go-own-loop file-tcp file-file" },
	{ .name = "go-loop-splice", .verdicts = LOSSES, .runtimes = GO, .sides = BIT(SIDE_LOOP), .from = SOCKETS, .to = TCP,
	  .why = "@ calls Read and Write itself, which no runtime can turn into a call of the kernel",
	  .mend = "io.Copy between the two connections, without a wrapper, splices", .patients = "go-own-loop tcp-tcp unix-tcp" },
	{ .name = "go-to-other", .verdicts = LOSSES | BIT(VERDICT_MMAP_WRITE), .runtimes = GO, .from = REGULAR, .to = REGULAR,
	  .also = two_filesystems, .reason = LEAT_CROSS_FS,
	  .why = "io.Copy between files asks copy_file_range(2), which refuses two file systems (EXDEV), and then reads and writes "
		 "(seen in Go 1.19 to 1.27)" },
	{ .name = "go-splice-to-file", .verdicts = LOSSES, .runtimes = GO, .from = SOCKETS, .to = REGULAR, .release = splices_to_files,
	  .why = "since Go 1.21 (*os.File).ReadFrom splices from a stream connection; it is not asked here, or does not see one",
	  .mend = "io.Copy between the two themselves, without a wrapper, splices", .patients = "go-own-loop-file tcp-file unix-file" },
	{ .name = "go-to-unix", .verdicts = LOSSES, .runtimes = GO, .from = REGULAR | TCP, .to = UNIX, .release = reaches_unix,
	  .why = "since Go 1.22 a file and a TCP connection have a WriteTo that knows a Unix connection; it is not asked here, or does not "
		 "see one",
	  .mend = "io.Copy between the two themselves, without a wrapper, finds the kernel's route",
	  .patients = "go-own-loop-unix file-unix tcp-unix" },
	{ .name = "go-threads", .verdicts = LOSSES, .runtimes = GO, .sides = BIT(SIDE_THREADS),
	  .why = "one goroutine reads what another writes, as by an io.Pipe or a channel: no io.Copy sees both ends" },
	{ .name = "go", .verdicts = LOSSES, .runtimes = GO,
	  .why = "this program's io.Copy finds no route of the kernel between these two ends" },

	/* ---- Rust --------------------------------------------------------------------------------------------------------- */
	{ .name = "rust-file-to-socket", .verdicts = LOSSES | BIT(VERDICT_MMAP_WRITE), .runtimes = RUST, .from = REGULAR, .to = TCP,
	  .why = "std::io::copy does not use sendfile(2) from a file to a socket, wrapped or not: a later change of the file "
		 "could show in "
		 "bytes that count as sent",
	  .mend = "call sendfile(2) on the two descriptors where the file does not change, as the crates libc, nix and rustix can",
	  .patients = "rust-io-copy file-tcp" },
	{ .name = "rust-wrapped-file", .verdicts = LOSSES, .runtimes = RUST, .sides = BIT(SIDE_READ) | BIT(SIDE_WRITE), .from = REGULAR,
	  .to = REGULAR,
	  .why = "std::io::copy uses copy_file_range(2), or sendfile(2), between files of its own types only; @ hides one",
	  .mend = "hand the inner File to std::io::copy, and count what that returns",
	  .patients = "rust-wrapped-file file-file file-other" },
	{ .name = "rust-file-to-file", .verdicts = LOSSES, .runtimes = RUST, .from = REGULAR, .to = REGULAR,
	  .why = "std::io::copy uses copy_file_range(2), or sendfile(2), between two files of its own types: a loop of the program's "
		 "own stands here, or a wrapper that nothing is left of without debug information",
	  .mend = "hand the two Files themselves to std::io::copy",
	  .patients = "rust-wrapped-file file-file file-other" },
	{ .name = "rust-sockets", .verdicts = LOSSES, .runtimes = RUST, .from = SOCKETS, .to = SOCKETS,
	  .why = "std::io::copy splices only where one end is a pipe, and makes none between two sockets" },

	/* ---- Python, Node, Java: only the runtime is seen, so it is what the sentence is about; what a perf map shows is said --- */
	{ .name = "python-copyfileobj-to-socket", .verdicts = LOSSES, .runtimes = PYTHON, .from = REGULAR, .to = TCP,
	  .anywhere = "copyfileobj",
	  .why = "shutil.copyfileobj, which was seen here, reads and writes whatever the ends are",
	  .mend = "socket.sendfile(file); in a handler of http.server, a copyfile that flushes and calls "
		 "self.connection.sendfile(source)",
	  .patients = "python-copyfileobj file-tcp|python-http-server file-tcp" },
	{ .name = "python-copyfileobj-to-file", .verdicts = LOSSES, .runtimes = PYTHON, .from = REGULAR, .to = REGULAR,
	  .anywhere = "copyfileobj",
	  .why = "shutil.copyfileobj, which was seen here, reads and writes whatever the ends are",
	  .mend = "shutil.copyfile, which takes the two paths, lets the kernel copy",
	  .patients = "python-copyfileobj file-file file-other" },
	{ .name = "python-to-socket", .verdicts = LOSSES, .runtimes = PYTHON, .from = REGULAR, .to = TCP,
	  .why = "the bytes are read into Python's memory and written from it: by a loop, or by what has one, such as "
		 "shutil.copyfileobj, which http.server uses",
	  .mend = "socket.sendfile(file); in a handler of http.server, a copyfile that flushes and calls "
		 "self.connection.sendfile(source)",
	  .patients = "python-copyfileobj file-tcp|python-http-server file-tcp" },
	{ .name = "python-to-file", .verdicts = LOSSES, .runtimes = PYTHON, .from = REGULAR, .to = REGULAR,
	  .why = "the bytes are read into Python's memory and written from it: by a loop, or by what has one, such as "
		 "shutil.copyfileobj",
	  .mend = "shutil.copyfile, which takes the two paths, lets the kernel copy",
	  .patients = "python-copyfileobj file-file file-other" },
	{ .name = "python", .verdicts = LOSSES, .runtimes = PYTHON,
	  .why = "Python's files and sockets read and write; of these two ends it asks the kernel nothing" },
	{ .name = "node-to-file", .verdicts = LOSSES, .runtimes = NODE, .from = REGULAR, .to = REGULAR,
	  .why = "Node's streams, and its calls to read and to write, carry the bytes through a Buffer",
	  .mend = "fs.copyFile, which takes the two paths, lets the kernel copy",
	  .patients = "node-pipe file-file file-other" },
	{ .name = "node", .verdicts = LOSSES, .runtimes = NODE,
	  .why = "Node's streams, and its calls to read and to write, carry the bytes through a Buffer; it has no call that joins a "
		 "file or socket to a socket" },
	{ .name = "java-transfer", .verdicts = LOSSES, .runtimes = JAVA, .from = REGULAR, .to = TCP | REGULAR,
	  .anywhere = "InputStream.transferTo",
	  .why = "InputStream.transferTo, which was seen here, carries the bytes through an array of the heap and through native memory",
	  .mend = "FileChannel.transferTo, to the SocketChannel or FileChannel",
	  .patients = "java-transfer file-tcp file-file file-other" },
	{ .name = "java", .verdicts = LOSSES, .runtimes = JAVA, .from = REGULAR, .to = TCP | REGULAR,
	  .why = "the bytes are read into Java's memory and written from it: by a loop, or by what has one, such as "
		 "InputStream.transferTo",
	  .mend = "FileChannel.transferTo, to the SocketChannel or FileChannel",
	  .patients = "java-transfer file-tcp file-file file-other" },
	{ .name = "java-sockets", .verdicts = LOSSES, .runtimes = JAVA, .from = SOCKETS,
	  .why = "Java's sockets read into memory and write from it; it has no splice" },

	/* ---- C, C++, and what looks like it -------------------------------------------------------------------------------- */
	{ .name = "c-mapped", .verdicts = BIT(VERDICT_MMAP_WRITE), .runtimes = NATIVE, .from = REGULAR, .to = TCP | UNIX | PIPE | REGULAR,
	  .why = "the file is mapped, and written from the mapping: every page is copied on its way",
	  .mend = "sendfile(2) from the file itself", .patients = "c-mapped file-tcp file-unix file-pipe file-file file-other" },
	{ .name = "mapped", .verdicts = BIT(VERDICT_MMAP_WRITE),
	  .why = "the file is mapped, and written from the mapping: every page is copied on its way" },
	{ .name = "c-direct", .verdicts = LOSSES, .runtimes = NATIVE, .from = REGULAR, .to = SOCKETS, .also = is_direct,
	  .why = "the file is open with O_DIRECT, and read past the page cache into memory of the program's own",
	  .mend = "sendfile(2) takes such a descriptor too", .patients = "c-direct file-tcp file-unix" },
	{ .name = "c-stdio-reading", .verdicts = LOSSES, .runtimes = NATIVE, .from = REGULAR, .to = TCP | UNIX | PIPE | REGULAR,
	  .reading = STDIO,
	  .why = "stdio carries the bytes into its buffer, and from there into the program's",
	  .mend = "fflush what stdio holds, then sendfile(2) between the two descriptors" C_MEND_LEAT,
	  .patients = "c-stdio file-tcp file-unix file-pipe file-file file-other|"
		      "c-leat file-tcp file-unix file-pipe file-file file-other" },
	{ .name = "c-stdio-writing", .verdicts = LOSSES, .runtimes = NATIVE, .from = REGULAR, .to = TCP | UNIX | PIPE | REGULAR,
	  .writing = STDIO,
	  .why = "stdio carries the bytes from the program's buffer into its own",
	  .mend = "fflush what stdio holds, then sendfile(2) between the two descriptors" C_MEND_LEAT,
	  .patients = "c-stdio file-tcp file-unix file-pipe file-file file-other|"
		      "c-leat file-tcp file-unix file-pipe file-file file-other" },
	{ .name = "c-file-to-socket", .verdicts = LOSSES, .runtimes = NATIVE, .from = REGULAR, .to = SOCKETS,
	  .why = "@ reads the file into memory and writes that to the socket",
	  .mend = "sendfile(2) from the file to the socket" C_MEND_LEAT,
	  .patients = "c-loop file-tcp file-unix|c-leat file-tcp file-unix" },
	{ .name = "c-file-to-file", .verdicts = LOSSES, .runtimes = NATIVE, .from = REGULAR, .to = REGULAR,
	  .also = not_two_filesystems,
	  .why = "@ reads the file into memory and writes that to the other",
	  .mend = "copy_file_range(2) between the two files" C_MEND_LEAT, .patients = "c-loop file-file|c-leat file-file" },
	{ .name = "c-file-to-other", .verdicts = LOSSES, .runtimes = NATIVE, .from = REGULAR, .to = REGULAR,
	  .also = two_filesystems,
	  .why = "@ reads the file into memory and writes that to one of another file system, which copy_file_range(2) refuses (EXDEV)",
	  .mend = "sendfile(2) from the file to the other" C_MEND_LEAT, .patients = "c-loop file-other|c-leat file-other" },
	{ .name = "c-from-pipe", .verdicts = LOSSES, .runtimes = NATIVE, .from = PIPE, .to = PIPE | SOCKETS | REGULAR,
	  .why = "@ reads the pipe into memory and writes that on",
	  .mend = "splice(2) straight from the pipe" C_MEND_LEAT,
	  .patients = "c-loop pipe-pipe pipe-tcp pipe-unix pipe-file|c-leat pipe-pipe pipe-tcp pipe-unix pipe-file" },
	{ .name = "c-to-pipe", .verdicts = LOSSES, .runtimes = NATIVE, .from = REGULAR | SOCKETS, .to = PIPE,
	  .why = "@ reads into memory and writes that to the pipe",
	  .mend = "splice(2) straight into the pipe" C_MEND_LEAT,
	  .patients = "c-loop file-pipe tcp-pipe unix-pipe|c-leat file-pipe tcp-pipe unix-pipe" },
	{ .name = "c-through-pipe", .verdicts = LOSSES, .runtimes = NATIVE, .from = SOCKETS, .to = SOCKETS | REGULAR,
	  .why = "@ reads the socket into memory and writes that on",
	  .mend = "splice(2) into a pipe of its own, and out of it" C_MEND_LEAT,
	  .patients = "c-loop tcp-tcp tcp-unix tcp-file unix-tcp unix-unix unix-file|c-leat tcp-tcp tcp-unix tcp-file unix-tcp "
		 "unix-unix unix-file" },
	{ .name = "any", .verdicts = LOSSES,
	  .why = "the bytes are read into memory and written from it, and nothing asks the kernel to move them" },
};

const struct advice *advice_rows(unsigned *ret_count)
{
	*ret_count = sizeof rows / sizeof rows[0];
	return rows;
}
