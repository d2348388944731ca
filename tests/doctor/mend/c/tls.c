/* SPDX-License-Identifier: MIT */
/*
 * A server that sends a file by TLS: it reads the file, and OpenSSL encrypts and writes it. After: the kernel has the keys, and
 * SSL_sendfile lets it encrypt what it takes from the file. The client is a child, which stores what it gets in a mapping of
 * MEND_COPY, without a call that would be counted.
 */
#include "ends.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define NO_KTLS 77	/* skipped */

static int listen_here(struct sockaddr_in *at)
{
	socklen_t length = sizeof *at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	MUST(fd >= 0 && !bind(fd, (struct sockaddr *)at, sizeof *at) && !listen(fd, 1));
	MUST(!getsockname(fd, (struct sockaddr *)at, &length));
	return fd;
}

static void take(const struct sockaddr_in *at, size_t bytes)
{
	SSL *tls = SSL_new(SSL_CTX_new(TLS_client_method()));
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), copy = open(getenv("MEND_COPY"), O_RDWR | O_CREAT | O_TRUNC, 0600);
	size_t have = 0, n;
	char *to;

	MUST(copy >= 0 && !ftruncate(copy, (off_t)bytes));
	to = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, copy, 0);
	MUST(to != MAP_FAILED && fd >= 0 && !connect(fd, (const struct sockaddr *)at, sizeof *at));
	MUST(tls && SSL_set_fd(tls, fd) == 1 && SSL_connect(tls) == 1);
	while (have < bytes && SSL_read_ex(tls, to + have, bytes - have, &n) == 1)
		have += n;
	_exit(have != bytes);
}

/* With a certificate of its own, of a key that lives as long as this program. */
static SSL *server(int ktls)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();
	SSL *tls;

	MUST(context && key && certificate);
	MUST(X509_gmtime_adj(X509_getm_notBefore(certificate), 0) && X509_gmtime_adj(X509_getm_notAfter(certificate), 3600));
	MUST(X509_set_pubkey(certificate, key) && X509_sign(certificate, key, EVP_sha256()));
	MUST(SSL_CTX_use_certificate(context, certificate) == 1 && SSL_CTX_use_PrivateKey(context, key) == 1);
	if (ktls)
		SSL_CTX_set_options(context, SSL_OP_ENABLE_KTLS);
	tls = SSL_new(context);
	MUST(tls);
	return tls;
}

static void carry(SSL *tls, int file)
{
	static char buffer[1 << 16];
	ssize_t n;
	size_t written;

	while ((n = read(file, buffer, sizeof buffer)) > 0)
		MUST(SSL_write_ex(tls, buffer, (size_t)n, &written) == 1);
	MUST(n == 0);
}

static void send_by_kernel(SSL *tls, int file, size_t bytes)
{
	for (size_t at = 0; at < bytes;) {
		ossl_ssize_t n = SSL_sendfile(tls, file, (off_t)at, bytes - at, 0);

		MUST(n > 0);
		at += (size_t)n;
	}
}

int main(int argc, char **argv)
{
	int after = !strcmp(argv[1], "after"), file = open(getenv("MEND_FILE"), O_RDONLY | O_CLOEXEC), listener, fd, status;
	struct sockaddr_in at;
	struct stat st;
	pid_t child;
	SSL *tls;

	MUST(file >= 0 && !fstat(file, &st));
	listener = listen_here(&at);
	child = fork();
	if (!child)
		take(&at, (size_t)st.st_size);
	tls = server(after);
	fd = accept(listener, NULL, NULL);
	MUST(fd >= 0 && SSL_set_fd(tls, fd) == 1 && SSL_accept(tls) == 1);
	/* Of each connection it is asked: kernel, module, cipher and library have all to know it. */
	if (after && !BIO_get_ktls_send(SSL_get_wbio(tls))) {
		fprintf(stderr, "this connection got no TLS of the kernel's: the module tls, its cipher, or OpenSSL's part is missing\n");
		return NO_KTLS;
	}
	if (after)
		send_by_kernel(tls, file, (size_t)st.st_size);
	else
		carry(tls, file);
	SSL_shutdown(tls);
	MUST(waitpid(child, &status, 0) == child);
	return status != 0;
}
