/* SPDX-License-Identifier: MIT */
#include "sha256.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>

static int begin(void *state)
{
	struct sha256 *s = state;

	/* Without openssl.cnf: who counts the system calls of a server would find it among the files read. */
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	if (!s->context)
		s->context = EVP_MD_CTX_new();
	if (!s->context)
		return -ENOMEM;
	return EVP_DigestInit_ex(s->context, EVP_sha256(), NULL) == 1 ? 0 : -EOPNOTSUPP;
}

static int update(void *state, const void *bytes, size_t length)
{
	struct sha256 *s = state;

	return EVP_DigestUpdate(s->context, bytes, length) == 1 ? 0 : -EIO;
}

static int finish(void *state)
{
	struct sha256 *s = state;
	unsigned length = sizeof s->digest;

	return EVP_DigestFinal_ex(s->context, s->digest, &length) == 1 && length == sizeof s->digest ? 0 : -EIO;
}

const struct leat_hash_ops sha256_ops = { .name = "sha256", .init = begin, .update = update, .finish = finish };

const char *sha256_text(const struct sha256 *sha256, char text[SHA256_TEXT_BYTES])
{
	for (int i = 0; i < SHA256_BYTES; i++)
		snprintf(text + 2 * i, 3, "%02x", sha256->digest[i]);
	return text;
}

void sha256_release(struct sha256 *sha256)
{
	EVP_MD_CTX_free(sha256->context);
	sha256->context = NULL;
}
