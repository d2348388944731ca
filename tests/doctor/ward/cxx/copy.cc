// SPDX-License-Identifier: MIT
// Bounces of C++: streams, a template's loop, and readers behind virtual functions.
#include "../c/ward.h"

#include <fstream>
#include <memory>
#include <string>
#include <vector>

namespace
{

constexpr std::size_t piece = 65536;

class reader {
public:
	virtual ~reader() = default;
	virtual ssize_t fetch(char *to, std::size_t room) = 0;
};

class plain : public reader {
public:
	explicit plain(int fd) : fd_(fd) {}
	ssize_t fetch(char *to, std::size_t room) override { return ::read(fd_, to, room); }

private:
	int fd_;
};

class counted : public reader {
public:
	explicit counted(std::unique_ptr<reader> inner) : inner_(std::move(inner)) {}
	ssize_t fetch(char *to, std::size_t room) override
	{
		ssize_t n = inner_->fetch(to, room);

		count += static_cast<std::uint64_t>(n);
		return n;
	}
	std::uint64_t count = 0;

private:
	std::unique_ptr<reader> inner_;
};

template <typename from, typename to> void pump(from &source, to &&sink)
{
	std::vector<char> buffer(piece);
	ssize_t n;

	while ((n = source.fetch(buffer.data(), buffer.size())) > 0)	// CULPRIT: pump
		sink(buffer.data(), static_cast<std::size_t>(n));
}

std::uint64_t copy_pump(ward *ends)
{
	counted source(std::make_unique<plain>(ends->from));

	pump(source, [ends](const char *bytes, std::size_t left) {
		while (left) {
			ssize_t n = ::write(ends->to, bytes, left);

			MUST(n > 0);
			bytes += n;
			left -= static_cast<std::size_t>(n);
		}
	});
	return source.count;
}

// The library has the loop; the program's is the line that asks for it.
std::uint64_t copy_streams(ward *ends)
{
	std::ifstream from("/proc/self/fd/" + std::to_string(ends->from), std::ios::binary);
	std::ofstream to("/proc/self/fd/" + std::to_string(ends->to), std::ios::binary);

	to << from.rdbuf();	// CULPRIT: streams
	to.close();		// CULPRIT: streams/close
	return ends->bytes;
}

// A wrapper that is a stream of its own, around another: the loop is the library's, the reader the program's.
class watched : public std::streambuf {
public:
	explicit watched(int fd) : fd_(fd), buffer_(piece) {}

protected:
	int_type underflow() override
	{
		ssize_t n = ::read(fd_, buffer_.data(), buffer_.size());	// CULPRIT: streambuf; CULPRIT: both

		if (n <= 0)
			return traits_type::eof();
		setg(buffer_.data(), buffer_.data(), buffer_.data() + n);
		return traits_type::to_int_type(*gptr());
	}

	std::streamsize xsgetn(char *to, std::streamsize room) override { return ::read(fd_, to, static_cast<std::size_t>(room)); }

private:
	int fd_;
	std::vector<char> buffer_;
};

// One around that: the loop knows this one only.
class metered : public std::streambuf {
public:
	explicit metered(std::streambuf &inner) : inner_(inner), buffer_(piece) {}

protected:
	int_type underflow() override
	{
		std::streamsize n = inner_.sgetn(buffer_.data(), static_cast<std::streamsize>(buffer_.size()));	// CULPRIT: two

		if (n <= 0)
			return traits_type::eof();
		setg(buffer_.data(), buffer_.data(), buffer_.data() + n);
		return traits_type::to_int_type(*gptr());
	}

private:
	std::streambuf &inner_;
	std::vector<char> buffer_;
};

// It counts behind the call: a wrapper that only jumps to write(2) has no frame, and none to be named by.
class written : public std::streambuf {
public:
	explicit written(int fd) : fd_(fd) {}
	std::uint64_t count = 0;

protected:
	std::streamsize xsputn(const char *bytes, std::streamsize left) override
	{
		ssize_t n = ::write(fd_, bytes, static_cast<std::size_t>(left));	// CULPRIT: write

		count += n > 0 ? static_cast<std::uint64_t>(n) : 0;
		return n;
	}

	int_type overflow(int_type c) override
	{
		char byte = traits_type::to_char_type(c);

		return xsputn(&byte, 1) == 1 ? c : traits_type::eof();
	}

private:
	int fd_;
};

std::uint64_t copy_streambuf(ward *ends)
{
	watched from(ends->from);
	std::ofstream to("/proc/self/fd/" + std::to_string(ends->to), std::ios::binary);

	to << &from;
	to.close();
	return ends->bytes;
}

std::uint64_t copy_write(ward *ends)
{
	std::ifstream from("/proc/self/fd/" + std::to_string(ends->from), std::ios::binary);
	written sink(ends->to);

	std::ostream(&sink) << from.rdbuf();
	return sink.count;
}

std::uint64_t copy_both(ward *ends)
{
	watched from(ends->from);
	written sink(ends->to);

	std::ostream(&sink) << &from;
	return sink.count;
}

std::uint64_t copy_two(ward *ends)
{
	watched from(ends->from);
	metered around(from);
	std::ofstream to("/proc/self/fd/" + std::to_string(ends->to), std::ios::binary);

	to << &around;
	to.close();
	return ends->bytes;
}

} // namespace

int main(int argc, char **argv)
{
	static const ward_mode modes[] = {
		{ "pump", copy_pump }, { "streams", copy_streams }, { "streambuf", copy_streambuf }, { "write", copy_write },
		{ "both", copy_both }, { "two", copy_two }, { nullptr, nullptr },
	};

	return ward_main(argc, argv, modes);
}
