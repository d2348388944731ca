// SPDX-License-Identifier: MIT
// A user of the installed library in C++17: a wrapper and a source of its own, from memory and by callback.
#include <leat.h>

#include <cstdint>
#include <cstring>
#include <iostream>
#include <string>

namespace {

struct Watcher {
	leat_wrapper wrapper;	// first, so that the library's pointer is ours
	std::uint64_t bytes;
};

void moved(leat_wrapper *wrapper, std::uint64_t bytes, leat_route)
{
	reinterpret_cast<Watcher *>(wrapper)->bytes += bytes;
}

std::int64_t read_string(void *arg, void *buffer, std::size_t bytes, pollfd *)
{
	auto &left = *static_cast<std::string *>(arg);
	const auto taken = left.copy(static_cast<char *>(buffer), bytes);
	left.erase(0, taken);
	return static_cast<std::int64_t>(taken);
}

bool copies(leat_source &source, const std::string &expected)
{
	std::string got(expected.size() + 1, '?');
	leat_sink sink;
	leat_report report;
	leat_to_memory(&sink, &got[0], got.size());
	const auto bytes = leat_copy(&sink, &source, nullptr, &report);
	leat_close(&source);
	leat_close_sink(&sink);
	char line[200];
	std::cout << leat_explain(&report, line, sizeof line) << '\n';
	return bytes == static_cast<std::int64_t>(expected.size()) && got.compare(0, expected.size(), expected) == 0;
}

} // namespace

int main()
{
	const std::string text = "carried by the channel, not in buckets";

	leat_wrapper_ops watch{};
	watch.name = "watcher";
	watch.need = LEAT_NEED_COUNTS;
	watch.moved = moved;
	Watcher watcher{};
	leat_source source;
	leat_from_memory(&source, text.data(), text.size());
	leat_wrap(&source, leat_wrapper_init(&watcher.wrapper, &watch));
	if (!copies(source, text) || watcher.bytes != text.size())
		return 1;

	leat_source_ops ops{};
	ops.name = "string";
	ops.read = read_string;
	std::string left = text;
	leat_from_callback(&source, &ops, &left);
	return copies(source, text) ? 0 : 1;
}
