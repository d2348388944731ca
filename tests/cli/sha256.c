/* SPDX-License-Identifier: MIT */
/* The SHA-256 of the program, as a hash wrapper around a source and by its three functions: the vectors of FIPS 180. */
#include "../../cli/sha256.h"
#include "check.h"

#include <leat.h>

static const struct {
	const char *name, *text;
	size_t repeat;
	const char *digest;
} vectors[] = {
	{ "empty", "", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
	{ "abc", "abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
	{ "two blocks", "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
	  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	{ "a million times a", "a", 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0" },
};
#define VECTORS (sizeof vectors / sizeof vectors[0])

static char *bytes_of(size_t i, size_t *ret_length)
{
	size_t length = strlen(vectors[i].text);
	char *bytes = malloc(length * vectors[i].repeat + 1);

	CHECK(bytes);
	for (size_t n = 0; n < vectors[i].repeat; n++)
		memcpy(bytes + n * length, vectors[i].text, length);
	*ret_length = length * vectors[i].repeat;
	return bytes;
}

/* In pieces of 1, 2, 3, ... bytes, on one state that begins anew for each vector. */
static void init_update_finish(void)
{
	struct sha256 sha256 = { 0 };
	char text[SHA256_TEXT_BYTES];

	for (size_t i = 0; i < VECTORS; i++) {
		size_t length, at = 0, piece = 1;
		char *bytes = bytes_of(i, &length);

		test_note(vectors[i].name);
		CHECK_EQ(sha256_ops.init(&sha256), 0);
		for (; at < length; at += piece++)
			CHECK_EQ(sha256_ops.update(&sha256, bytes + at, piece < length - at ? piece : length - at), 0);
		CHECK_EQ(sha256_ops.finish(&sha256), 0);
		CHECK_STR(sha256_text(&sha256, text), vectors[i].digest);
		free(bytes);
	}
	sha256_release(&sha256);
	CHECK_STR(sha256_text(&sha256, text), vectors[VECTORS - 1].digest);
}

static void around_a_source(void)
{
	struct sha256 sha256 = { 0 };
	char text[SHA256_TEXT_BYTES];

	for (size_t i = 0; i < VECTORS; i++) {
		struct leat_source source;
		struct leat_sink sink;
		struct leat_hash hash;
		size_t length;
		char *bytes = bytes_of(i, &length);

		test_note(vectors[i].name);
		leat_from_memory(&source, bytes, length);
		leat_wrap(&source, leat_hash_init(&hash, &sha256_ops, &sha256));
		leat_to_nothing(&sink);
		CHECK_EQ(leat_copy(&sink, &source, NULL, NULL), length);
		CHECK_STR(sha256_text(&sha256, text), vectors[i].digest);
		leat_close(&source);
		leat_close_sink(&sink);
		free(bytes);
	}
	sha256_release(&sha256);
}

static const struct test tests[] = { TEST(init_update_finish), TEST(around_a_source) };
TEST_MAIN(tests)
