/* SPDX-License-Identifier: MIT */
/* SHA-256 for leat_hash_init, by libcrypto, which is loaded when it is first asked for: starting with it linked costs 0.8 ms of
 * CPU, half of what copying a small file takes. The library links no crypto: whoever wants such a hash binds it like this. */
#ifndef CLI_SHA256_H
#define CLI_SHA256_H

#include <leat.h>

#define SHA256_BYTES 32
#define SHA256_TEXT_BYTES (2 * SHA256_BYTES + 1)

/* All zero before leat_hash_init(&hash, &sha256_ops, &sha256). It may serve one transfer after the other. */
struct sha256 {
	void *context;				/* libcrypto's */
	unsigned char digest[SHA256_BYTES];	/* once the transfer is done */
};

extern const struct leat_hash_ops sha256_ops;
/* Loads libcrypto now, on behalf of who counts calls later. 0, or -ELIBACC, which init gives as well. Any thread. */
int sha256_load(void);
/* The digest in hexadecimal. */
const char *sha256_text(const struct sha256 *sha256, char text[SHA256_TEXT_BYTES]);
/* Gives back what libcrypto holds, also after a transfer that failed. The digest stays. */
void sha256_release(struct sha256 *sha256);

#endif
