/* Parts that the clients of the benchmarks share: clock, histograms, questions and expected answers, TLS. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { OCTAVES = 40, STEPS = 32 }; /* the histogram: 32 steps to each doubling, so 3 % wide */

struct text { uint32_t size; const unsigned char *bytes; };
struct exchange { struct text question, answer; };

static SSL_CTX *context;
static struct exchange *exchanges;
static uint32_t exchange_count, exchange_next;

static void die(const char *what) {
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
    exit(1);
}

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static long long cpu_us(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000ll + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

static int waits(SSL *ssl, int result) {
    int error = SSL_get_error(ssl, result);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

/* An epoll set that watches standard input, without a slot (data.ptr is NULL); a server that is gone ends no client. */
static int open_poller(void) {
    struct epoll_event input = {.events = EPOLLIN, .data.ptr = NULL};
    int set = epoll_create1(EPOLL_CLOEXEC);
    signal(SIGPIPE, SIG_IGN);
    fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    if (epoll_ctl(set, EPOLL_CTL_ADD, STDIN_FILENO, &input) < 0) die("epoll_ctl");
    return set;
}

/* -- latencies ------------------------------------------------------------------------------------------------- */

static int bucket(uint64_t us) {
    if (us < STEPS) return (int)us;
    int octave = 63 - __builtin_clzll(us) - 5; /* 2^5 = STEPS */
    int index = (octave + 1) * STEPS + (int)((us >> octave) & (STEPS - 1));
    return index < OCTAVES * STEPS ? index : OCTAVES * STEPS - 1;
}

static void count_time(uint64_t *histogram, uint64_t ns) { histogram[bucket(ns / 1000)]++; }

static uint64_t bucket_start(int index) {
    int octave = index / STEPS - 1;
    return octave < 0 ? (uint64_t)index : (uint64_t)(STEPS + index % STEPS) << octave;
}

static void report_times(const char *name, const uint64_t *histogram) {
    const char *comma = "";
    printf(", \"%s\": {", name);
    for (int i = 0; i < OCTAVES * STEPS; i++) {
        if (histogram[i] == 0) continue;
        printf("%s\"%llu\": %llu", comma, (unsigned long long)bucket_start(i), (unsigned long long)histogram[i]);
        comma = ", ";
    }
    printf("}");
}

/* -- questions and TLS ----------------------------------------------------------------------------------------- */

static struct text take_text(const unsigned char **at, const unsigned char *end) {
    struct text text;
    if (end - *at < 4) die("exchanges: too short");
    memcpy(&text.size, *at, 4);
    *at += 4;
    if ((size_t)(end - *at) < text.size) die("exchanges: too short");
    text.bytes = *at;
    *at += text.size;
    return text;
}

static void read_exchanges(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) die(path);
    size_t size = (size_t)ftell(file);
    unsigned char *bytes = malloc(size);
    rewind(file);
    if (bytes == NULL || fread(bytes, 1, size, file) != size) die(path);
    fclose(file);
    for (const unsigned char *at = bytes; at < bytes + size; exchange_count++) {
        exchanges = realloc(exchanges, (exchange_count + 1) * sizeof *exchanges);
        if (exchanges == NULL) die(path);
        exchanges[exchange_count].question = take_text(&at, bytes + size);
        exchanges[exchange_count].answer = take_text(&at, bytes + size);
    }
    if (exchange_count == 0) die("exchanges: none");
}

static void make_context(const char *ciphers) {
    context = SSL_CTX_new(TLS_client_method());
    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set1_groups_list(context, "P-256") != 1 || SSL_CTX_set_cipher_list(context, ciphers) != 1) {
        ERR_print_errors_fp(stderr);
        exit(1);
    }
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(context, 1);
}
