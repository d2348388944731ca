/* SPDX-License-Identifier: MIT */
#include "sha256.h"

#include <dlfcn.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>

static struct {
	__typeof__(OPENSSL_init_crypto) *init;
	__typeof__(EVP_MD_CTX_new) *make;
	__typeof__(EVP_MD_CTX_free) *drop;
	__typeof__(EVP_sha256) *sha256;
	__typeof__(EVP_DigestInit_ex) *begin;
	__typeof__(EVP_DigestUpdate) *update;
	__typeof__(EVP_DigestFinal_ex) *finish;
} crypto;

static void load(void)
{
	void *library = dlopen(LIBCRYPTO, RTLD_NOW | RTLD_LOCAL);

	if (!library)
		return;
	*(void **)&crypto.init = dlsym(library, "OPENSSL_init_crypto");
	*(void **)&crypto.make = dlsym(library, "EVP_MD_CTX_new");
	*(void **)&crypto.drop = dlsym(library, "EVP_MD_CTX_free");
	*(void **)&crypto.sha256 = dlsym(library, "EVP_sha256");
	*(void **)&crypto.update = dlsym(library, "EVP_DigestUpdate");
	*(void **)&crypto.finish = dlsym(library, "EVP_DigestFinal_ex");
	/* The last one says that all are there. Without openssl.cnf: who counts the system calls of a server would find it
	 * among the files read. */
	if (crypto.init && crypto.make && crypto.drop && crypto.sha256 && crypto.update && crypto.finish &&
	    crypto.init(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) == 1)
		*(void **)&crypto.begin = dlsym(library, "EVP_DigestInit_ex");
}

int sha256_load(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load);
	return crypto.begin ? 0 : -ELIBACC;
}

static int begin(void *state)
{
	struct sha256 *s = state;
	int r = sha256_load();

	if (r < 0)
		return r;
	if (!s->context)
		s->context = crypto.make();
	if (!s->context)
		return -ENOMEM;
	return crypto.begin(s->context, crypto.sha256(), NULL) == 1 ? 0 : -EOPNOTSUPP;
}

static int update(void *state, const void *bytes, size_t length)
{
	struct sha256 *s = state;

	return crypto.update(s->context, bytes, length) == 1 ? 0 : -EIO;
}

static int finish(void *state)
{
	struct sha256 *s = state;
	unsigned length = sizeof s->digest;

	return crypto.finish(s->context, s->digest, &length) == 1 && length == sizeof s->digest ? 0 : -EIO;
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
	if (sha256->context)
		crypto.drop(sha256->context);
	sha256->context = NULL;
}
