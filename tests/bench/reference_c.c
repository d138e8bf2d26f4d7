/* The least that a query on an open connection costs: OpenSSL and epoll, one answer that is always the same.
 *
 *   reference_c PORT CERTIFICATE KEY EXCHANGES
 *
 * Listens on 127.0.0.1. EXCHANGES is the file that load.c reads; the first answer in it is given for each question's
 * worth of bytes, whatever they are. No decoding, no looking up, no log, no limits. Ends when it is killed.
 * Built at run time: cc -O2 reference_c.c -lssl -lcrypto (OpenSSL 3).
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, BACKLOG = 4096, READ_SIZE = 16384 };

struct phone {
    int fd;
    SSL *ssl;
    uint32_t received; /* bytes of the question that is not whole yet */
};

static SSL_CTX *context;
static int poller, listener;
static uint32_t question_size, answer_size;
static unsigned char *answer;

static void die(const char *what) {
    fprintf(stderr, "reference_c: %s: %s\n", what, strerror(errno));
    ERR_print_errors_fp(stderr);
    exit(1);
}

static void accept_phone(void) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    struct phone *phone = calloc(1, sizeof *phone);
    if (phone == NULL) die("calloc");
    phone->fd = fd;
    phone->ssl = SSL_new(context);
    if (phone->ssl == NULL || SSL_set_fd(phone->ssl, fd) != 1) die("SSL_new");
    SSL_set_accept_state(phone->ssl);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = phone};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) < 0) die("epoll_ctl");
}

/* 1 while the connection goes on. */
static int advance(struct phone *phone) {
    unsigned char buffer[READ_SIZE];
    int size = SSL_read(phone->ssl, buffer, sizeof buffer); /* the handshake too */
    if (size <= 0) {
        int error = SSL_get_error(phone->ssl, size);
        return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
    }
    phone->received += (uint32_t)size;
    for (; phone->received >= question_size; phone->received -= question_size)
        if (SSL_write(phone->ssl, answer, (int)answer_size) <= 0) return 0;
    return 1;
}

static void read_exchange(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL || fread(&question_size, 4, 1, file) != 1 || fseek(file, question_size, SEEK_CUR) != 0 ||
        fread(&answer_size, 4, 1, file) != 1)
        die(path);
    answer = malloc(answer_size);
    if (answer == NULL || question_size == 0 || fread(answer, 1, answer_size, file) != answer_size) die(path);
    fclose(file);
}

static void prepare(char **arguments) {
    context = SSL_CTX_new(TLS_server_method());
    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(context, "ALL:@SECLEVEL=1") != 1 ||
        SSL_CTX_use_certificate_file(context, arguments[2], SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, arguments[3], SSL_FILETYPE_PEM) != 1)
        die("TLS");
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(context, 1);
    read_exchange(arguments[4]);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(arguments[1]))};
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int one = 1;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (listener < 0 || bind(listener, (struct sockaddr *)&here, sizeof here) < 0 || listen(listener, BACKLOG) < 0)
        die("listen");
}

int main(int count, char **arguments) {
    signal(SIGPIPE, SIG_IGN);
    if (count != 5) die("usage: reference_c PORT CERTIFICATE KEY EXCHANGES");
    prepare(arguments);
    poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event waiting = {.events = EPOLLIN, .data.ptr = NULL}, events[EVENTS];
    if (epoll_ctl(poller, EPOLL_CTL_ADD, listener, &waiting) < 0) die("epoll_ctl");
    for (;;) {
        int ready = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            struct phone *phone = events[i].data.ptr;
            if (phone == NULL) {
                accept_phone();
            } else if (!advance(phone)) {
                SSL_free(phone->ssl);
                close(phone->fd);
                free(phone);
            }
            ERR_clear_error();
        }
    }
}
