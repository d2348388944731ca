/* SPDX-License-Identifier: MIT */
/*
 * The child that reads strangers' files: what it may, what becomes of the watch when a file is the end of it, and which files
 * it is given. It reads names as fragile.c does.
 */
#include "snapshot.h"

#include "../../doctor/symbol.h"
#include "../../doctor/symbol_child.h"
#include "../../doctor/symbol_source.h"
#include "../../doctor/symbol_wire.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#define NOBODY 65534
#define KEEPERS 4	/* that are begun anew */

static struct snapshot snapshot;

/* A value of /proc/PID/status. */
static const char *status_of(pid_t pid, const char *name)
{
	static char line[256];
	size_t length = strlen(name);
	char path[64], *value = NULL;
	FILE *file;

	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	while (file && !value && fgets(line, sizeof line, file))
		if (!strncmp(line, name, length) && line[length] == ':')
			value = line + length + 2;
	if (file)
		fclose(file);
	if (value)
		value[strcspn(value, "\n")] = 0;
	return value ? value : "";
}

/*
 * Our children of that name, by birth, as the kernel lists them: the numbers of processes begin anew after the last. The keeper
 * is the oldest, the youngest the child; between them may be some that are about to end.
 */
struct readers {
	pid_t keeper, child;
};

static struct readers readers(void)
{
	struct readers found = { 0 };
	char path[64];
	FILE *children;
	int pid;

	snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
	children = fopen(path, "re");
	CHECK(children != NULL);
	while (fscanf(children, "%d", &pid) == 1) {
		if (strcmp(status_of(pid, "Name"), "leat-symbols") || *status_of(pid, "State") == 'Z')
			continue;
		if (!found.keeper)
			found.keeper = pid;
		found.child = pid;
	}
	fclose(children);
	return found;
}

/* A program stopped in a call, with `function` on its stack. */
static void patient(const char *function)
{
	const char *directory = snapshot_directory();
	char program[256];
	const char *const argv[] = { program, NULL };

	if (!snapshot_has("gcc"))
		test_skip("gcc is not installed");
	snprintf(program, sizeof program, "%s/%s", directory, function);
	CHECK(snapshot_run("gcc -O2 -g -Dfetch_block=%s -o %s %s", function, program, snapshot_source("plain.c")));
	snapshot_start(&snapshot, argv);
	CHECK(snapshot_next(&snapshot, __NR_read, 4241));
}

static struct site *site_of(struct model *model, uint64_t id)
{
	uint32_t place = 0;

	while (place < model->site_count && (model->sites[place].id != id || model->sites[place].pid != snapshot.stack.pid))
		place++;
	if (place == model->site_count)
		CHECK_EQ(model_add_site(model), place);
	model->sites[place].id = id;
	model->sites[place].pid = snapshot.stack.pid;
	return &model->sites[place];
}

/* Its site, after it was asked for once more. */
static const struct site *taken(struct symbols *symbols, struct model *model, uint64_t id)
{
	struct site *site = site_of(model, id);

	snapshot.stack.site = id;
	CHECK_EQ(symbols_take_stack(symbols, site, &snapshot.stack, NULL), 0);
	CHECK_EQ(symbols_describe(symbols, model), 0);
	return site;
}

static void check_named(const struct site *site, const char *function)
{
	CHECK(snapshot_find(site, 0, function) != MODEL_NONE);
	CHECK(snapshot_find(site, 0, "main") != MODEL_NONE);
}

static void check_bare(const struct site *site)
{
	CHECK_EQ(site->frame_count, 0);
	CHECK(site->truncated);
}

/* ---- What it may ----------------------------------------------------------------------------------------------------------- */

/* Who reads strangers' files is the first to go when memory is short. */
static int oom_score_adj(pid_t pid)
{
	char path[64];
	int score = 0;
	FILE *file;

	snprintf(path, sizeof path, "/proc/%d/oom_score_adj", (int)pid);
	file = fopen(path, "re");
	CHECK(file && fscanf(file, "%d", &score) == 1);
	fclose(file);
	return score;
}

static void has_no_rights(void)
{
	static const char *const sets[] = { "CapInh", "CapPrm", "CapEff", "CapAmb" };
	struct symbols *symbols;
	struct model model = { 0 };
	char path[64], target[256];
	struct readers both;
	ssize_t n;

	CHECK_EQ(symbols_open(&symbols), 0);
	patient("may_not_much");
	check_named(taken(symbols, &model, 1), "may_not_much");
	both = readers();
	CHECK(both.keeper && both.child != both.keeper);
	for (unsigned i = 0; i < 2; i++) {
		pid_t pid = i ? both.child : both.keeper;

		for (unsigned k = 0; k < sizeof sets / sizeof *sets; k++)
			CHECK_STR(status_of(pid, sets[k]), "0000000000000000");
		CHECK_STR(status_of(pid, "NoNewPrivs"), "1");
		if (geteuid())
			continue;
		CHECK_STR(status_of(pid, "Uid"), "65534\t65534\t65534\t65534");
		CHECK_STR(status_of(pid, "Gid"), "65534\t65534\t65534\t65534");
		CHECK(!*status_of(pid, "Groups") || *status_of(pid, "Groups") == ' ');
	}
	CHECK_STR(status_of(both.child, "Seccomp"), "2");
	CHECK_EQ(oom_score_adj(both.child), 1000);
	for (unsigned fd = 0; fd < 3 && !geteuid(); fd++) {
		snprintf(path, sizeof path, "/proc/%d/fd/%u", (int)both.child, fd);
		n = readlink(path, target, sizeof target - 1);
		CHECK(n > 0);
		target[n] = 0;
		CHECK_STR(target, "/dev/null");
	}
	model_free(&model);
	symbols_close(symbols);
	snapshot_end(&snapshot);
	CHECK_EQ(readers().keeper, 0);
}

/* ---- Files that are the end of it ------------------------------------------------------------------------------------------ */

static void a_file_ends_it(const char *function)
{
	struct symbols *symbols;
	struct model model = { 0 };
	pid_t before;

	CHECK_EQ(symbols_open(&symbols), 0);
	patient(function);
	check_bare(taken(symbols, &model, 1));
	CHECK_EQ(model.coverage.unnamed, 1);
	patient("of_another");
	check_named(taken(symbols, &model, 2), "of_another");
	before = readers().child;
	patient(function);	/* the same file in another process: it is tried, and the watch goes on */
	check_bare(taken(symbols, &model, 3));
	check_bare(taken(symbols, &model, 4));
	CHECK_EQ(model.coverage.unnamed, 3);
	patient("of_another");
	check_named(taken(symbols, &model, 5), "of_another");
	CHECK(readers().child != before);
	CHECK_EQ(model.coverage.unnamed, 3);
	model_free(&model);
	symbols_close(symbols);
	snapshot_end(&snapshot);
}

static void a_crash(void)
{
	a_file_ends_it("crash_the_reader");
}

static void a_hang(void)
{
	a_file_ends_it("hang_the_reader");
}

/* Who has its number by now has nothing to do with its stack. */
static void taken_over(void)
{
	struct symbols *symbols;
	struct model model = { 0 };

	CHECK_EQ(symbols_open(&symbols), 0);
	patient("newcomer");
	snapshot.stack.start_ticks = 1;
	check_bare(taken(symbols, &model, 1));
	CHECK_EQ(model.coverage.ended, 1);
	snapshot.stack.start_ticks = 0;
	check_named(taken(symbols, &model, 2), "newcomer");
	CHECK_EQ(model.coverage.ended, 1);
	model_free(&model);
	symbols_close(symbols);
	snapshot_end(&snapshot);
}

/* Of who has ended nothing is known, and that is said. */
static void too_late(void)
{
	struct symbols *symbols;
	struct model model = { 0 };

	CHECK_EQ(symbols_open(&symbols), 0);
	patient("is_gone");
	snapshot_end(&snapshot);
	check_bare(taken(symbols, &model, 1));
	CHECK_EQ(model.coverage.ended, 1);
	CHECK_EQ(model.coverage.unnamed, 0);
	model_free(&model);
	symbols_close(symbols);
}

static void count(void *context, int ms)
{
	++*(unsigned *)context;
	usleep((unsigned)ms * 1000);
}

/* What a scraper waits for goes on. */
static void meanwhile(void)
{
	struct symbols *symbols;
	struct model model = { 0 };
	unsigned turns = 0;

	CHECK_EQ(symbols_open(&symbols), 0);
	symbols_meanwhile(symbols, count, &turns);
	patient("hang_the_reader");
	check_bare(taken(symbols, &model, 1));
	CHECK(turns > 1);
	patient("of_another");
	check_named(taken(symbols, &model, 2), "of_another");
	model_free(&model);
	symbols_close(symbols);
	snapshot_end(&snapshot);
}

static void end(pid_t pid)
{
	CHECK_CALL(kill(pid, SIGKILL));
	CHECK_CALL(waitid(P_PID, (id_t)pid, &(siginfo_t){ 0 }, WEXITED | WNOWAIT));
}

/* Somebody else's doing costs no name, until it has been done too often. */
static void killed(void)
{
	struct symbols *symbols;
	struct model model = { 0 };
	uint64_t id = 1;

	if (geteuid())
		test_skip("only root may kill it, and nobody");
	CHECK_EQ(symbols_open(&symbols), 0);
	patient("survives");
	for (; id <= 3; id++) {
		check_named(taken(symbols, &model, id), "survives");
		end(readers().child);
	}
	for (; id <= 3 + KEEPERS; id++) {
		end(readers().keeper);
		check_named(taken(symbols, &model, id), "survives");
		CHECK_STR(status_of(readers().keeper, "CapPrm"), "0000000000000000");
		CHECK_STR(status_of(readers().child, "Seccomp"), "2");
		end(readers().child);
	}
	CHECK_EQ(model.coverage.unnamed, 0);
	end(readers().keeper);
	check_bare(taken(symbols, &model, id));
	check_bare(taken(symbols, &model, id + 1));
	CHECK_EQ(model.coverage.unnamed, 2);
	model_free(&model);
	symbols_close(symbols);
	snapshot_end(&snapshot);
}

/* ---- What it is given ------------------------------------------------------------------------------------------------------ */

static void write_file(const char *path, const void *bytes, size_t count, mode_t mode)
{
	int fd = CHECK_CALL(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600));

	CHECK_EQ(write(fd, bytes, count), (ssize_t)count);
	CHECK_CALL(fchmod(fd, mode));
	close(fd);
}

static void check_given(const struct source *source, enum source_what what, const char *name, int error)
{
	int fd = source_file(source, what, name);

	test_note(name);
	CHECK_EQ(fd < 0 ? fd : 0, error);
	if (fd >= 0)
		close(fd);
	test_note("");
}

static void files(void)
{
	const char *directory = snapshot_directory();
	Elf64_Ehdr header = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB }, .e_type = ET_DYN };
	struct source source;
	char path[256];

	CHECK_EQ(source_open(&source, (uint32_t)getpid()), 0);
	check_given(&source, SOURCE_MAPS, NULL, 0);
	check_given(&source, SOURCE_STAT, NULL, 0);
	check_given(&source, SOURCE_EXE, NULL, 0);
	check_given(&source, SOURCE_ELF, "/proc/self/exe", -ELOOP);
	check_given(&source, SOURCE_ELF, "/etc/passwd", -EACCES);
	check_given(&source, SOURCE_ELF, "/dev/zero", -ENOEXEC);
	check_given(&source, SOURCE_MAPPED, "../mem", -EINVAL);
	check_given(&source, SOURCE_MAPPED, "1000-2000/../../mem", -EINVAL);
	check_given(&source, SOURCE_MAPPED, "-1000", -EINVAL);
	check_given(&source, SOURCE_DEBUG, "/etc/passwd", -EINVAL);
	check_given(&source, SOURCE_DEBUG, "/usr/lib/debug/../../../etc/passwd", -EINVAL);
	check_given(&source, SOURCE_DEBUG, "/usr/lib/debug/is-not-there", -ENOENT);
	check_given(&source, SOURCE_JAVA_RELEASE, "/etc/passwd", -EINVAL);
	check_given(&source, (enum source_what)SOURCES, "", -EINVAL);
	snprintf(path, sizeof path, "%s/library", directory);
	write_file(path, &header, sizeof header, 0600);
	check_given(&source, SOURCE_ELF, path, 0);
	header.e_type = ET_CORE;
	write_file(path, &header, sizeof header, 0644);
	check_given(&source, SOURCE_ELF, path, -EACCES);
	snprintf(path, sizeof path, "%s/release", directory);
	write_file(path, "JAVA", 4, 0644);
	check_given(&source, SOURCE_JAVA_RELEASE, path, 0);
	write_file(path, "JAVA", 4, 0600);
	check_given(&source, SOURCE_JAVA_RELEASE, path, -EACCES);
	snprintf(path, sizeof path, "/tmp/perf-%d.map", (int)getpid());
	write_file(path, "map\n", 4, 0600);
	check_given(&source, SOURCE_PERF_MAP, NULL, 0);
	if (!geteuid()) {
		CHECK_CALL(chown(path, NOBODY, NOBODY));
		check_given(&source, SOURCE_PERF_MAP, NULL, -EACCES);
	}
	unlink(path);
	source_close(&source);
}

/* Who holds a lease on a file, as Samba does, is asked for it, and has 45 s: so long nobody is watched. */
static void a_lease(void)
{
	static const char path[] = "leased";
	Elf64_Ehdr header = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB }, .e_type = ET_DYN };
	struct source source;
	char whole[PATH_MAX], byte;
	int held[2];
	pid_t holder;

	write_file(path, &header, sizeof header, 0644);
	CHECK(realpath(path, whole));
	CHECK_CALL(pipe(held));
	holder = CHECK_CALL(fork());
	if (!holder) {
		int fd = open(path, O_RDWR);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGIO, SIG_IGN);
		byte = fcntl(fd, F_SETLEASE, F_WRLCK) ? 'n' : 'y';
		if (write(held[1], &byte, 1) == 1)
			pause();
		_exit(1);
	}
	CHECK_EQ(read(held[0], &byte, 1), 1);
	CHECK_EQ(source_open(&source, (uint32_t)getpid()), 0);
	if (byte == 'y')
		check_given(&source, SOURCE_ELF, whole, -EAGAIN);
	source_close(&source);
	close(held[0]);
	close(held[1]);
	CHECK_CALL(kill(holder, SIGKILL));
	CHECK_CALL(waitpid(holder, NULL, 0));
	CHECK_CALL(unlink(path));
	if (byte != 'y')
		test_skip("no lease is to be had here");
}

/* ---- More processes than are looked into at once ------------------------------------------------------------------------------ */

#define PROCESSES (WIRE_SLOTS + 12)

/* What they were is known of all of them when they have ended, and asked for no more. */
static void many(void)
{
	struct model model = { 0 };
	struct symbols *symbols;
	pid_t pids[PROCESSES];

	CHECK_EQ(symbols_open(&symbols), 0);
	for (unsigned i = 0; i < PROCESSES; i++) {
		pids[i] = CHECK_CALL(fork());
		if (!pids[i]) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		}
		CHECK_EQ(symbols_look(symbols, (uint32_t)pids[i]), 0);
	}
	for (unsigned i = 0; i < PROCESSES; i++) {
		uint32_t process = model_add_process(&model), site = model_add_site(&model);

		CHECK(process != MODEL_NONE && site != MODEL_NONE);
		model.processes[process].pid = model.sites[site].pid = (uint32_t)pids[i];
		model.processes[process].exited = true;
		CHECK_CALL(kill(pids[i], SIGKILL));
		CHECK_CALL(waitpid(pids[i], NULL, 0));
	}
	CHECK_EQ(symbols_describe(symbols, &model), 0);
	for (unsigned i = 0; i < PROCESSES; i++) {
		CHECK_EQ(model.processes[i].parent, getpid());
		CHECK(model.processes[i].executable);
		CHECK_EQ(model.processes[i].runtime, model.processes[PROCESSES - 1].runtime);
	}
	model_free(&model);
	symbols_close(symbols);
}

static const struct test tests[] = {
	TEST(has_no_rights), TEST(a_crash), TEST(a_hang), TEST(meanwhile), TEST(too_late), TEST(taken_over), TEST(killed),
	TEST(files), TEST(a_lease), TEST(many),
};

/* A keeper that is begun anew is this program. */
int main(int argc, char **argv)
{
	if (argc > 1 && symbol_keeper_is_asked_for(argc - 1, argv + 1))
		symbol_keeper_be();
	return check_main(tests, sizeof tests / sizeof *tests, argc, argv);
}
