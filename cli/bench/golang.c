/* SPDX-License-Identifier: MIT */
/* The Go programs: one text, built while other passes run, when go is there. It never asks the network. */
#include "../net.h"
#include "bench.h"
#include "child.h"
#include "golang.h"
#include "shapes.h"
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char program[] =
	"package main\n"
	"\n"
	"import (\n"
	"\t\"io\"\n"
	"\t\"net\"\n"
	"\t\"os\"\n"
	"\t\"strconv\"\n"
	")\n"
	"\n"
	"// The do-nothing reader: it hides what it reads from.\n"
	"type justReader struct{ r io.Reader }\n"
	"\n"
	"func (j justReader) Read(p []byte) (int, error) { return j.r.Read(p) }\n"
	"\n"
	"func check(err error) {\n"
	"\tif err != nil {\n"
	"\t\tos.Stderr.WriteString(err.Error() + \"\\n\")\n"
	"\t\tos.Exit(1)\n"
	"\t}\n"
	"}\n"
	"\n"
	"func serve(mode string, c net.Conn, file *os.File, skip, n int64, upstream string) {\n"
	"\tvar err error\n"
	"\tswitch mode {\n"
	"\tcase \"raw\":\n"
	"\t\t_, err = io.Copy(c, file)\n"
	"\tcase \"wrapped\":\n"
	"\t\t_, err = io.Copy(c, justReader{file})\n"
	"\tcase \"limit\":\n"
	"\t\t_, err = io.Copy(c, io.LimitReader(file, n))\n"
	"\tcase \"section\":\n"
	"\t\t_, err = io.Copy(c, io.NewSectionReader(file, skip, n))\n"
	"\tcase \"relay\":\n"
	"\t\tvar u net.Conn\n"
	"\t\tu, err = net.Dial(\"tcp\", upstream)\n"
	"\t\tcheck(err)\n"
	"\t\t_, err = io.Copy(c, u)\n"
	"\t\tu.Close()\n"
	"\t}\n"
	"\tc.Close()\n"
	"\tcheck(err)\n"
	"}\n"
	"\n"
	"// Descriptor 1: one byte for each transfer done. 3: the listener. 4: the file.\n"
	"func main() {\n"
	"\tskip, _ := strconv.ParseInt(os.Args[2], 10, 64)\n"
	"\tn, _ := strconv.ParseInt(os.Args[3], 10, 64)\n"
	"\tln, err := net.FileListener(os.NewFile(3, \"listener\"))\n"
	"\tcheck(err)\n"
	"\tfile, err := os.Open(\"/proc/self/fd/4\")\n"
	"\tcheck(err)\n"
	"\tdone := []byte{1}\n"
	"\tfor {\n"
	"\t\tc, err := ln.Accept()\n"
	"\t\tcheck(err)\n"
	"\t\t_, err = file.Seek(0, io.SeekStart)\n"
	"\t\tcheck(err)\n"
	"\t\tserve(os.Args[1], c, file, skip, n, os.Args[4])\n"
	"\t\tos.Stdout.Write(done)\n"
	"\t}\n"
	"}\n";

static int write_program(struct golang *go, const char *tmp_dir)
{
	char path[sizeof go->dir + 16];
	FILE *f;

	if (snprintf(go->dir, sizeof go->dir - 32, "%s/leat-bench-go.XXXXXX", tmp_dir) >= (int)sizeof go->dir - 32 ||
	    !mkdtemp(go->dir)) {
		go->dir[0] = 0;
		return -1;
	}
	snprintf(go->binary, sizeof go->binary, "%s/serve", go->dir);
	snprintf(path, sizeof path, "%s/main.go", go->dir);
	f = fopen(path, "we");
	if (!f)
		return -1;
	fputs(program, f);
	return fclose(f);
}

static void say_version(struct golang *go)
{
	char said[128];

	setenv("GOTOOLCHAIN", "local", 1);
	if (tool_says("go", "version", said, sizeof said, go->missing, sizeof go->missing))
		return;
	if (sscanf(said, "go version %63s", go->version) != 1)
		snprintf(go->missing, sizeof go->missing, "`go version` names no version");
}

/* Never asks the network, and needs no module; its cache is the user's own where that can be written. */
static void exec_build(const struct golang *go)
{
	char cache[sizeof go->dir + 16];
	const char *home = getenv("HOME");

	setenv("GOTMPDIR", go->dir, 1);
	setenv("GOPROXY", "off", 1);
	setenv("GOFLAGS", "", 1);
	setenv("GO111MODULE", "off", 1);
	setenv("CGO_ENABLED", "0", 1);
	if (!getenv("GOCACHE") && !getenv("XDG_CACHE_HOME") && !(home && access(home, W_OK) == 0)) {
		snprintf(cache, sizeof cache, "%s/cache", go->dir);
		setenv("GOCACHE", cache, 1);
	}
	if (chdir(go->dir) == 0)
		execlp("go", "go", "build", "-o", "serve", "main.go", (char *)NULL);
}

void golang_begin(struct golang *go, const char *tmp_dir)
{
	say_version(go);
	if (!go->version[0])
		return;
	if (write_program(go, tmp_dir)) {
		snprintf(go->missing, sizeof go->missing, "the Go program could not be written: %s", strerror(errno));
		return;
	}
	go->log = memfd_create("leat-bench-go", MFD_CLOEXEC);
	go->builder = child_fork();
	if (go->builder < 0)
		snprintf(go->missing, sizeof go->missing, "`go build` could not be started: %s", strerror(-go->builder));
	if (go->builder)
		return;
	setpgid(0, 0);	/* the compilers it starts end with it */
	dup2(go->log, STDERR_FILENO);
	exec_build(go);
	_exit(1);
}

/* The first line of what the build said, or how it ended. */
static void say_failed(struct golang *go, int status)
{
	char said[100] = "", end[96] = "";
	ssize_t n = go->log < 0 ? 0 : pread(go->log, said, sizeof said - 1, 0);

	said[n > 0 ? n : 0] = 0;
	said[strcspn(said, "\n")] = 0;
	if (!*said && status)
		snprintf(go->missing, sizeof go->missing, "`go build` %s", tool_end(status, end, sizeof end));
	else
		snprintf(go->missing, sizeof go->missing, "`go build` failed%s%s", *said ? ": " : " to make a program", said);
}

void golang_finish(struct golang *go, int timeout_ms)
{
	int status = -1, waited_ms = 0;

	if (go->builder <= 0)
		return;
	while (waitpid(go->builder, &status, WNOHANG) == 0) {
		if (waited_ms >= timeout_ms) {
			kill(-go->builder, SIGKILL);
			kill(go->builder, SIGKILL);
			waitpid(go->builder, &status, 0);
			snprintf(go->missing, sizeof go->missing, "`go build` took longer than %d s", timeout_ms / 1000);
			go->builder = 0;
			return;
		}
		usleep(20000);
		waited_ms += 20;
	}
	go->builder = 0;
	go->usable = status == 0 && access(go->binary, X_OK) == 0;
	if (!go->usable)
		say_failed(go, status);
}

/* Puts descriptors where the program looks for them; taken high first, so that none is overwritten on the way. */
static int place(const int *from, int n)
{
	int high[5];

	for (int i = 0; i < n; i++) {
		high[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 64);
		if (high[i] < 0)
			return -errno;
	}
	for (int i = 0; i < n; i++)
		if (i != 2 && dup2(high[i], i) < 0)
			return -errno;
	return 0;
}

void golang_exec(const struct bench *b, const struct shape *shape, int orders, int answers, int listener)
{
	char skip[24], bytes[24], upstream[32];

	snprintf(skip, sizeof skip, "%u", shape->skip);
	snprintf(bytes, sizeof bytes, "%llu", (unsigned long long)(b->file.size - shape->skip - shape->cut));
	snprintf(upstream, sizeof upstream, "127.0.0.1:%u", (unsigned)(b->upstream >= 0 ? net_port(b->upstream) : 0));
	/* From here on the numbers of other descriptors may mean something else. */
	if (place((int[]){ orders, answers, STDERR_FILENO, listener, b->file.fd }, 5))
		return;
	execl(b->go.binary, b->go.binary, shape->go_mode, skip, bytes, upstream, (char *)NULL);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *place)
{
	(void)st, (void)flag, (void)place;
	return remove(path);
}

void golang_remove(struct golang *go)
{
	if (go->builder > 0) {
		kill(-go->builder, SIGKILL);
		kill(go->builder, SIGKILL);
		waitpid(go->builder, NULL, 0);
		go->builder = 0;
	}
	/* A compiler that was killed may still make its last file while the folder is emptied. */
	for (int tries = 0; go->dir[0] && tries < 100 && access(go->dir, F_OK) == 0; tries++) {
		if (tries)
			usleep(10000);
		nftw(go->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	}
	go->dir[0] = 0;
}
