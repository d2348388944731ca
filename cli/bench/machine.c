/* SPDX-License-Identifier: MIT */
/* What is measured on, and which of its CPUs and TCP options are used. */
#include "bench.h"
#include "machine.h"
#include "noise.h"
#include "settings.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static void read_cpu_name(char *name, size_t size)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char line[256];

	snprintf(name, size, "unknown CPU");
	while (f && fgets(line, sizeof line, f)) {
		char *colon = strchr(line, ':');

		if (!colon || strncmp(line, "model name", 10))
			continue;
		colon[strcspn(colon, "\n")] = 0;
		snprintf(name, size, "%s", colon + 1 + strspn(colon + 1, " "));
		break;
	}
	if (f)
		fclose(f);
}

/* Whether the two CPUs are threads of one core: then one would slow the other. */
static int siblings(int a, int other)
{
	char path[96], text[128] = "";
	FILE *f;

	snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", a);
	f = fopen(path, "re");
	if (f && !fgets(text, sizeof text, f))
		text[0] = 0;
	if (f)
		fclose(f);
	for (char *at = text; *at >= '0' && *at <= '9'; at += *at == ',') {
		int from = 0, to, used = 0;

		if (sscanf(at, "%d%n", &from, &used) != 1)
			break;
		at += used;
		to = from;
		if (*at == '-' && sscanf(at, "-%d%n", &to, &used) == 1)
			at += used;
		if (other >= from && other <= to)
			return 1;
	}
	return 0;
}

static void choose_cpus(struct bench *b)
{
	cpu_set_t set;

	b->cpu_server = b->cpu_receiver = -1;
	if (sched_getaffinity(0, sizeof set, &set))
		return;
	for (int cpu = 0; cpu < CPU_SETSIZE && b->cpu_server < 0; cpu++)
		if (CPU_ISSET(cpu, &set))
			b->cpu_server = cpu;
	for (int pass = 0; pass < 2; pass++)
		for (int cpu = b->cpu_server + 1; cpu < CPU_SETSIZE && b->cpu_receiver < 0; cpu++)
			if (CPU_ISSET(cpu, &set) && (pass || !siblings(b->cpu_server, cpu)))
				b->cpu_receiver = cpu;
	if (b->cpu_receiver >= 0)
		return;
	b->cpu_receiver = b->cpu_server;
	if (b->settings.receiver == RECEIVER_WIRE) {
		b->settings.receiver = RECEIVER_ORDINARY;
		bench_note(b, "there is only one CPU: server and receiver share it, the receiver is the ordinary one (a spinning "
			      "one would take the server's time), and the figures say less");
	} else {
		bench_note(b, "there is only one CPU: server and receiver share it, and the figures say less");
	}
}

/* A timestamp in each segment takes 12 bytes of what TCP_MAXSEG asks for. */
static int timestamps_bytes(void)
{
	FILE *f = fopen("/proc/sys/net/ipv4/tcp_timestamps", "re");
	int on = 1;

	if (f) {
		if (fscanf(f, "%d", &on) != 1)
			on = 1;
		fclose(f);
	}
	return on ? 12 : 0;
}

void machine_set_mss(struct bench *b)
{
	b->net.mss = b->settings.mss ? (int)b->settings.mss + timestamps_bytes() : 0;
}

/* reno, on the test sockets only: bbr and fq pace by timers, whose cost on loopback drowns what is measured. */
static void choose_net(struct bench *b)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	machine_set_mss(b);
	b->net.congestion = "reno";
	if (fd >= 0 && setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4)) {
		b->net.congestion = NULL;
		bench_note(b, "the sockets may not use reno: with a congestion control that paces, as bbr, figures are less sharp");
	}
	if (fd >= 0)
		close(fd);
}

void machine_find(struct bench *b)
{
	struct utsname u;
	time_t now = time(NULL);
	struct tm tm;

	read_cpu_name(b->machine.cpu, sizeof b->machine.cpu);
	if (uname(&u) == 0)
		snprintf(b->machine.kernel, sizeof b->machine.kernel, "%.40s %.40s", u.release, u.machine);
	b->machine.cpus = sysconf(_SC_NPROCESSORS_ONLN);
	b->machine.memory_bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	if (gmtime_r(&now, &tm))
		strftime(b->machine.when, sizeof b->machine.when, "%Y-%m-%dT%H:%M:%SZ", &tm);
	choose_cpus(b);
	noise_init(&b->noise, b->cpu_server, b->cpu_receiver);
	choose_net(b);
}
