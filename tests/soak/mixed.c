/* The clients of the soak: connections of many kinds, mixed by a seed, from one process.
 *
 *   mixed PORT NETWORK SEED QUICK SLOW PLAN
 *
 *   PORT       on 127.0.0.1
 *   NETWORK    n: connections come from 127.n.0.1 to 127.n.0.250 in turn, bursts from 127.n.1.1
 *   SEED       decides the kind of each connection, and its questions
 *   QUICK      connections at once of kinds that end by themselves
 *   SLOW       connections at once of kinds that wait for a deadline of the server
 *   PLAN       a file of lines:
 *                exchange POOL QUESTION ANSWER              both in hexadecimal, '-' for none
 *                context NAME LOWEST HIGHEST CIPHERS CERTIFICATE KEY
 *                                                           versions as OpenSSL's numbers; PEM files, '-' for none
 *                kind NAME WEIGHT BURST quick|slow STEP...  BURST: connections at once from one address, or 0
 *
 *   The steps of a connection, after TCP is connected:
 *     tls:CONTEXT          the whole handshake              hello:CONTEXT   its first flight alone
 *     ask:POOL,N           N questions, one after the other (0: two to five)
 *     together:POOL,N      N questions in one flight        slowly          64 bytes each 20 ms from now on
 *     write:POOL           a question, no answer awaited    part:POOL       the first half of one
 *     send:POOL            bytes beside TLS                 reply           waits for any bytes
 *     reply:MS             the same, for MS at most         wait:MS         waits
 *     gate:MS              waits; an end meanwhile means that the server refused the connection
 *     eof                  waits for the server's end       notify          the close notification
 *     half                 the end of our side of TCP       fin, rst        closes TCP, resets it
 *
 * "run N" on standard input opens N connections, and a line of JSON is the answer when all have ended; "mark" is answered
 * at once. Totals count from the start. The end of standard input ends the process.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
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
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, ADDRESSES = 250, PATIENCE_MS = 60000, STEPS = 12, NAME = 40, COMPLAINTS = 20 };
enum { PIECE = 64, PIECE_MS = 20, FEW = 2, SOME = 4 };
enum { POOLS = 64, CONTEXTS = 32, KINDS = 96, LATER = 60 }; /* LATER: percent of a run after which no slow kind starts */

enum op { TLS, HELLO, ASK, TOGETHER, WRITE, PART, SEND, REPLY, WAIT, GATE, ENDED, NOTIFY, HALF, FIN, RST, SLOWLY, OPS };
static const char *const op_names[OPS] = {"tls",  "hello", "ask",    "together", "write", "part", "send", "reply",
                                          "wait", "gate",  "eof",    "notify",   "half",  "fin",  "rst",  "slowly"};

struct text { size_t size; unsigned char *bytes; };
struct exchange { struct text question, answer; };
struct pool { char name[NAME]; struct exchange *exchanges; size_t count; uint64_t asked, answered; };
struct context { char name[NAME]; SSL_CTX *tls; };
struct step { enum op op; int what, number; };
struct kind {
    char name[NAME];
    int weight, burst, slow, steps;
    struct step script[STEPS];
    uint64_t started, done, refused, failed;
};
struct slot {
    int used, fd, step, entered, connected, ended, dripping, left, on;
    struct kind *kind;
    SSL *ssl;
    BIO *in, *out;
    uint64_t random, number, since, wake, next_piece; /* ms; wake 0: at no time */
    size_t raw, received;                             /* bytes that came; of the awaited answer */
    struct text expected, waiting;                    /* bytes that have to come; that have to be sent */
};

static struct sockaddr_in server;
static struct pool pools[POOLS];
static struct context contexts[CONTEXTS];
static struct kind kinds[KINDS];
static struct slot *slots;
static int pool_count, context_count, kind_count, network, poller, slot_count, limit[2], active[2], bursting, complaints;
static uint64_t seed, opened, run_start, run_end, finished;
static struct kind *burst_kind;
static int burst_left, running;

static void die(const char *what) {
    fprintf(stderr, "mixed: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000u + (uint64_t)time.tv_nsec / 1000000u;
}

/* The next number of a generator (splitmix64): a seed gives the same numbers everywhere. */
static uint64_t draw(uint64_t *state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* -- one connection -------------------------------------------------------------------------------------------- */

static void release(struct slot *slot) {
    if (slot->ssl != NULL) SSL_free(slot->ssl);
    if (slot->fd >= 0) close(slot->fd);
    free(slot->expected.bytes);
    free(slot->waiting.bytes);
    if (slot->kind->burst)
        bursting--;
    else
        active[slot->kind->slow]--;
    memset(slot, 0, sizeof *slot);
    slot->fd = -1;
    finished++;
    ERR_clear_error();
}

static void fail(struct slot *slot, const char *reason) {
    slot->kind->failed++;
    if (complaints++ < COMPLAINTS) {
        unsigned long error = ERR_peek_error();
        fprintf(stderr, "mixed: connection %llu, %s, step %d after %llu ms: %s%s%s\n",
                (unsigned long long)slot->number, slot->kind->name, slot->step, (unsigned long long)(now() - slot->since),
                reason, error ? ": " : "", error ? ERR_reason_error_string(error) : "");
    }
    release(slot);
}

static void append(struct text *text, const void *bytes, size_t size) {
    if (size == 0) return;
    text->bytes = realloc(text->bytes, text->size + size);
    if (text->bytes == NULL) die("memory");
    memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
}

/* Sends what waits, as much as the socket takes; slowly, a piece at a time. */
static void flush(struct slot *slot) {
    char buffer[16384];
    int size;
    while (slot->ssl != NULL && (size = BIO_read(slot->out, buffer, sizeof buffer)) > 0)
        append(&slot->waiting, buffer, (size_t)size);
    while (slot->waiting.size > 0) {
        size_t most = slot->waiting.size;
        if (slot->dripping && now() < slot->next_piece) return;
        if (slot->dripping && most > PIECE) most = PIECE;
        ssize_t sent = send(slot->fd, slot->waiting.bytes, most, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN) slot->waiting.size = 0; /* the server has ended the connection; reading says how */
            return;
        }
        slot->waiting.size -= (size_t)sent;
        memmove(slot->waiting.bytes, slot->waiting.bytes + sent, slot->waiting.size);
        slot->next_piece = now() + PIECE_MS;
    }
}

/* Takes what has come. */
static void feed(struct slot *slot) {
    char buffer[16384];
    while (!slot->ended) {
        ssize_t size = recv(slot->fd, buffer, sizeof buffer, 0);
        if (size < 0 && errno == EAGAIN) return;
        if (size <= 0) {
            slot->ended = 1;
            return;
        }
        slot->raw += (size_t)size;
        if (slot->ssl != NULL) BIO_write(slot->in, buffer, (int)size);
    }
}

static void start_tls(struct slot *slot, int context) {
    slot->ssl = SSL_new(contexts[context].tls);
    slot->in = BIO_new(BIO_s_mem());
    slot->out = BIO_new(BIO_s_mem());
    if (slot->ssl == NULL || slot->in == NULL || slot->out == NULL) die("SSL_new");
    SSL_set_bio(slot->ssl, slot->in, slot->out);
    SSL_set_connect_state(slot->ssl);
}

/* Continues the handshake; 1 when it is done, 0 if more bytes are needed, -1 if it failed. */
static int shake(struct slot *slot) {
    int result = SSL_do_handshake(slot->ssl);
    int wants = result == 1 ? 0 : SSL_get_error(slot->ssl, result);
    flush(slot);
    if (result == 1) return 1;
    return wants == SSL_ERROR_WANT_READ && !slot->ended ? 0 : -1;
}

static struct exchange *pick(struct slot *slot, struct pool *pool) {
    return &pool->exchanges[draw(&slot->random) % pool->count];
}

static void put(struct slot *slot, const unsigned char *bytes, size_t size) {
    if (SSL_write(slot->ssl, bytes, (int)size) <= 0) slot->ended = 1;
    flush(slot);
}

/* Writes questions in one flight and awaits their answers. */
static void ask(struct slot *slot, struct pool *pool, int number) {
    struct text questions = {0};
    slot->expected.size = slot->received = 0;
    for (int i = 0; i < number; i++) {
        struct exchange *exchange = pick(slot, pool);
        append(&questions, exchange->question.bytes, exchange->question.size);
        append(&slot->expected, exchange->answer.bytes, exchange->answer.size);
    }
    slot->on = number;
    pool->asked += (uint64_t)number;
    put(slot, questions.bytes, questions.size);
    free(questions.bytes);
}

/* Reads answers; 1 when all have come, 0 if more bytes are needed, -1 if they are wrong. */
static int read_answers(struct slot *slot) {
    char buffer[16384];
    int size;
    while (slot->received < slot->expected.size && (size = SSL_read(slot->ssl, buffer, sizeof buffer)) > 0) {
        if (slot->received + (size_t)size > slot->expected.size) return -1;
        if (memcmp(buffer, slot->expected.bytes + slot->received, (size_t)size) != 0) return -1;
        slot->received += (size_t)size;
    }
    return slot->received == slot->expected.size;
}

/* -- steps: 1 when done, 0 to wait; a connection that failed is released ---------------------------------------- */

static int asked(struct slot *slot, const struct step *step) {
    struct pool *pool = &pools[step->what];
    if (!slot->entered) {
        int number = step->number ? step->number : FEW + (int)(draw(&slot->random) % SOME);
        slot->left = step->op == ASK ? number : 1;
        ask(slot, pool, step->op == ASK ? 1 : number);
    }
    for (;;) {
        int result = read_answers(slot);
        if (result < 0 || (result == 0 && slot->ended)) {
            fail(slot, result < 0 ? "wrong answer" : "closed before the answer");
            return 0;
        }
        if (result == 0) return 0;
        pool->answered += (uint64_t)slot->on;
        if (--slot->left == 0) return 1;
        ask(slot, pool, 1);
    }
}

static int handshaken(struct slot *slot, const struct step *step) {
    if (!slot->entered) start_tls(slot, step->what);
    int result = shake(slot);
    if (result < 0) fail(slot, "handshake");
    return result == 1;
}

static int timed(struct slot *slot, const struct step *step) {
    if (!slot->entered && step->number) slot->wake = now() + (uint64_t)step->number;
    int late = slot->wake != 0 && now() >= slot->wake;
    if (late) slot->wake = 0;
    switch (step->op) {
    case REPLY: return late || slot->raw > 0 || slot->ended;
    case WAIT: return late;
    case ENDED: return slot->ended;
    default: break;
    }
    if (slot->ended && slot->raw == 0) { /* at the gate */
        slot->kind->refused++;
        release(slot);
        return 0;
    }
    return late;
}

static void reset(struct slot *slot) {
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(slot->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

static int take(struct slot *slot, const struct step *step) {
    struct exchange *exchange;
    switch (step->op) {
    case TLS: return handshaken(slot, step);
    case HELLO:
        start_tls(slot, step->what);
        shake(slot);
        return 1;
    case ASK:
    case TOGETHER: return asked(slot, step);
    case WRITE:
    case PART:
        exchange = pick(slot, &pools[step->what]);
        if (step->op == WRITE) pools[step->what].asked++;
        put(slot, exchange->question.bytes, exchange->question.size / (step->op == PART ? 2 : 1));
        return 1;
    case SEND:
        exchange = pick(slot, &pools[step->what]);
        append(&slot->waiting, exchange->question.bytes, exchange->question.size);
        flush(slot);
        return 1;
    case NOTIFY:
        SSL_shutdown(slot->ssl);
        flush(slot);
        return 1;
    case HALF: shutdown(slot->fd, SHUT_WR); return 1;
    case SLOWLY: slot->dripping = 1; return 1;
    case RST: reset(slot); /* fall through */
    case FIN:
        slot->step = slot->kind->steps;
        return 0;
    default: return timed(slot, step);
    }
}

static void advance(struct slot *slot) {
    if (!slot->connected) {
        int error = 0;
        socklen_t size = sizeof error;
        struct sockaddr_in peer;
        socklen_t peer_size = sizeof peer;
        getsockopt(slot->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0) {
            fail(slot, strerror(error));
            return;
        }
        if (getpeername(slot->fd, (struct sockaddr *)&peer, &peer_size) < 0) return; /* not yet */
        slot->connected = 1;
    }
    feed(slot);
    flush(slot);
    while (slot->used && slot->step < slot->kind->steps) {
        int done = take(slot, &slot->kind->script[slot->step]);
        if (!slot->used) return;
        if (slot->step == slot->kind->steps) break;
        slot->entered = !done;
        if (!done) return;
        slot->step++;
    }
    slot->kind->done++;
    release(slot);
}

/* -- many of them ---------------------------------------------------------------------------------------------- */

static struct kind *kind_of(uint64_t number, uint64_t *random) {
    int slow_too = (number - run_start) * 100 < (run_end - run_start) * LATER;
    int all = 0;
    *random = seed + number * 0xd1342543de82ef95u;
    for (int i = 0; i < kind_count; i++) all += slow_too || !kinds[i].slow ? kinds[i].weight : 0;
    int at = (int)(draw(random) % (uint64_t)all);
    for (int i = 0; i < kind_count; i++) {
        if (!slow_too && kinds[i].slow) continue;
        at -= kinds[i].weight;
        if (at < 0) return &kinds[i];
    }
    return &kinds[0];
}

static void open_slot(struct slot *slot, struct kind *kind, uint64_t random) {
    uint32_t host = kind->burst ? 1u << 8 | 1u : (uint32_t)(1 + opened % ADDRESSES);
    struct sockaddr_in source = {.sin_family = AF_INET};
    int one = 1;
    source.sin_addr.s_addr = htonl((127u << 24) | ((uint32_t)network << 16) | host);
    *slot = (struct slot){.used = 1, .kind = kind, .random = random, .number = opened, .since = now()};
    kind->started++;
    opened++;
    if (kind->burst)
        bursting++;
    else
        active[kind->slow]++;
    slot->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (slot->fd < 0) die("socket (are there enough descriptors? ulimit -n)");
    setsockopt(slot->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(slot->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (bind(slot->fd, (struct sockaddr *)&source, sizeof source) < 0) die("bind");
    if (connect(slot->fd, (struct sockaddr *)&server, sizeof server) < 0 && errno != EINPROGRESS) {
        fail(slot, strerror(errno));
        return;
    }
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = slot};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, slot->fd, &event) < 0) die("epoll_ctl");
}

static struct slot *free_slot(void) {
    static int next;
    for (int i = 0; i < slot_count; i++) {
        struct slot *slot = &slots[next++ % slot_count];
        if (next >= slot_count) next = 0;
        if (!slot->used) return slot;
    }
    return NULL;
}

static void open_some(void) {
    while (opened < run_end) {
        uint64_t random;
        struct kind *kind = kind_of(opened, &random);
        if (burst_left > 0) kind = burst_kind;
        if (!kind->burst && active[kind->slow] >= limit[kind->slow]) return;
        struct slot *slot = free_slot();
        if (slot == NULL) return;
        if (kind->burst) {
            if (burst_left == 0) burst_left = kind->burst;
            burst_left--;
            burst_kind = kind;
        }
        open_slot(slot, kind, random);
    }
}

static void look_at_clocks(void) {
    uint64_t time = now();
    for (int i = 0; i < slot_count; i++) {
        struct slot *slot = &slots[i];
        if (!slot->used) continue;
        if (time - slot->since > PATIENCE_MS)
            fail(slot, "not done in a minute");
        else if ((slot->wake != 0 && time >= slot->wake) || (slot->dripping && slot->waiting.size > 0))
            advance(slot);
    }
}

/* -- the process ----------------------------------------------------------------------------------------------- */

static void report(void) {
    printf("{\"finished\": %llu, \"kinds\": {", (unsigned long long)finished);
    for (int i = 0; i < kind_count; i++)
        printf("%s\"%s\": [%llu, %llu, %llu, %llu]", i ? ", " : "", kinds[i].name, (unsigned long long)kinds[i].started,
               (unsigned long long)kinds[i].done, (unsigned long long)kinds[i].refused,
               (unsigned long long)kinds[i].failed);
    printf("}, \"pools\": {");
    for (int i = 0; i < pool_count; i++)
        printf("%s\"%s\": [%llu, %llu]", i ? ", " : "", pools[i].name, (unsigned long long)pools[i].asked,
               (unsigned long long)pools[i].answered);
    printf("}}\n");
    fflush(stdout);
}

static void command(const char *line) {
    if (strncmp(line, "run ", 4) == 0) {
        run_start = opened;
        run_end = opened + strtoull(line + 4, NULL, 10);
        running = 1;
    } else {
        report();
    }
}

static void commands(void) {
    char buffer[256];
    ssize_t size = read(STDIN_FILENO, buffer, sizeof buffer - 1);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0) exit(0);
    buffer[size] = 0;
    for (char *line = strtok(buffer, "\n"); line != NULL; line = strtok(NULL, "\n")) command(line);
}

/* -- the plan -------------------------------------------------------------------------------------------------- */

static char *word(void) {
    char *found = strtok(NULL, " \n");
    if (found == NULL) die("plan: a word is missing");
    return found;
}

static void name_it(char *target, const char *name) {
    if (strlen(name) >= NAME) die(name);
    strcpy(target, name);
}

static struct text unhex(const char *digits) {
    struct text text = {0};
    if (strcmp(digits, "-") == 0) return text;
    text.size = strlen(digits) / 2;
    text.bytes = malloc(text.size);
    if (text.bytes == NULL) die("memory");
    for (size_t i = 0; i < text.size; i++) sscanf(digits + 2 * i, "%2hhx", &text.bytes[i]);
    return text;
}

static int pool_named(const char *name) {
    for (int i = 0; i < pool_count; i++)
        if (strcmp(pools[i].name, name) == 0) return i;
    if (pool_count == POOLS) die("plan: too many pools");
    name_it(pools[pool_count].name, name);
    return pool_count++;
}

static int context_named(const char *name) {
    for (int i = 0; i < context_count; i++)
        if (strcmp(contexts[i].name, name) == 0) return i;
    die(name);
    return 0;
}

static void take_exchange(void) {
    struct pool *pool = &pools[pool_named(word())];
    pool->exchanges = realloc(pool->exchanges, (pool->count + 1) * sizeof *pool->exchanges);
    if (pool->exchanges == NULL) die("memory");
    struct exchange *exchange = &pool->exchanges[pool->count++];
    exchange->question = unhex(word());
    exchange->answer = unhex(word());
}

static void take_context(void) {
    if (context_count == CONTEXTS) die("plan: too many contexts");
    struct context *context = &contexts[context_count++];
    name_it(context->name, word());
    long lowest = strtol(word(), NULL, 0), highest = strtol(word(), NULL, 0);
    const char *ciphers = word(), *certificate = word(), *key = word();
    SSL_CTX *tls = context->tls = SSL_CTX_new(TLS_client_method());
    int good = tls != NULL && SSL_CTX_set_min_proto_version(tls, (int)lowest) == 1 &&
               SSL_CTX_set_max_proto_version(tls, (int)highest) == 1 && SSL_CTX_set_cipher_list(tls, ciphers) == 1;
    if (good && strcmp(certificate, "-") != 0)
        good = SSL_CTX_use_certificate_chain_file(tls, certificate) == 1 &&
               SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) == 1;
    if (!good) {
        fprintf(stderr, "mixed: context %s\n", context->name);
        ERR_print_errors_fp(stderr);
        exit(1);
    }
    SSL_CTX_set_options(tls, SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
}

static struct step step_of(char *text) {
    struct step step = {.op = OPS};
    char *what = strchr(text, ':'), *number = strchr(text, ',');
    if (what != NULL) *what++ = 0;
    if (number != NULL) *number++ = 0;
    for (int op = 0; op < OPS; op++)
        if (strcmp(op_names[op], text) == 0) step.op = (enum op)op;
    if (step.op == OPS) die(text);
    if (number != NULL) step.number = atoi(number);
    if (step.op == REPLY || step.op == WAIT || step.op == GATE)
        step.number = what ? atoi(what) : 0;
    else if (what != NULL)
        step.what = step.op == TLS || step.op == HELLO ? context_named(what) : pool_named(what);
    return step;
}

static void take_kind(void) {
    if (kind_count == KINDS) die("plan: too many kinds");
    struct kind *kind = &kinds[kind_count++];
    name_it(kind->name, word());
    kind->weight = atoi(word());
    kind->burst = atoi(word());
    kind->slow = strcmp(word(), "slow") == 0;
    for (char *text; (text = strtok(NULL, " \n")) != NULL; kind->steps++) {
        if (kind->steps == STEPS) die("plan: too many steps");
        kind->script[kind->steps] = step_of(text);
    }
}

static void read_plan(const char *path) {
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t size = 0;
    if (file == NULL) die(path);
    while (getline(&line, &size, file) > 0) {
        const char *what = strtok(line, " \n");
        if (what == NULL) continue;
        if (strcmp(what, "exchange") == 0)
            take_exchange();
        else if (strcmp(what, "context") == 0)
            take_context();
        else if (strcmp(what, "kind") == 0)
            take_kind();
        else
            die(what);
    }
    free(line);
    fclose(file);
}

static void prepare(char **arguments) {
    server.sin_family = AF_INET;
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server.sin_port = htons((uint16_t)atoi(arguments[1]));
    network = atoi(arguments[2]);
    seed = strtoull(arguments[3], NULL, 10);
    limit[0] = atoi(arguments[4]);
    limit[1] = atoi(arguments[5]);
    read_plan(arguments[6]);
    slot_count = limit[0] + limit[1];
    for (int i = 0; i < kind_count; i++) slot_count += 2 * kinds[i].burst;
    slots = calloc((size_t)slot_count, sizeof *slots);
    if (slots == NULL || kind_count == 0) die("slots");
    for (int i = 0; i < slot_count; i++) slots[i].fd = -1;
}

int main(int count, char **arguments) {
    signal(SIGPIPE, SIG_IGN);
    if (count != 7) die("usage: mixed PORT NETWORK SEED QUICK SLOW PLAN");
    prepare(arguments);
    poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event input = {.events = EPOLLIN, .data.ptr = NULL}, events[EVENTS];
    fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    if (epoll_ctl(poller, EPOLL_CTL_ADD, STDIN_FILENO, &input) < 0) die("epoll_ctl");
    for (uint64_t looked = 0;;) {
        open_some();
        int ready = epoll_wait(poller, events, EVENTS, running ? 5 : -1);
        for (int i = 0; i < ready; i++) {
            struct slot *slot = events[i].data.ptr;
            if (slot == NULL)
                commands();
            else if (slot->used)
                advance(slot);
        }
        if (now() - looked >= 5) {
            look_at_clocks();
            looked = now();
        }
        if (running && finished == run_end) {
            running = 0;
            report();
        }
    }
}
