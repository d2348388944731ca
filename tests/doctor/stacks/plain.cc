// SPDX-License-Identifier: MIT
// Methods, templates and a lambda, for symbol.c.
#include <unistd.h>

namespace store
{
static char buffer[8192];
static volatile int source = -1, after;

template <typename Inner> struct Counting {
	Inner inner;
	__attribute__((noinline)) long take(size_t length)
	{
		long n = inner.take(length);	// MARK wrapper
		after += 1;
		return n;
	}
};

struct File {
	__attribute__((always_inline)) inline long take(size_t length)
	{
		return read(source, buffer, length);	// MARK inner
	}
};

__attribute__((noinline)) static void copy(Counting<File> &from)
{
	from.take(4241);	// MARK loop
	after += 1;
}
}

int main()
{
	store::Counting<store::File> from;

	store::copy(from);	// MARK main
	return store::after == 0;
}
