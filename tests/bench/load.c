/* The clients of the benchmarks: many TLS connections at once from one process.
 *
 *   load MODE HOST PORT CIPHERS SLOTS NETWORK EXCHANGES RATE ADDRESSES
 *
 *   MODE       once    each connection asks one question, reads the whole answer and closes; then the next one opens
 *              repeat  each connection asks again and again, one question at a time
 *              hold    each connection ends its handshake and says nothing more
 *              open    an open model: RATE connections a second begin at random moments (exponential distances) that do
 *                      not depend on the server; each asks one question. Times count from the planned moment
 *   HOST       an IPv4 address
 *   CIPHERS    OpenSSL's names, for TLS 1.2
 *   SLOTS      connections at once; in mode open a beginning without a free one is counted as dropped
 *   NETWORK    n: connections come from 127.n.0.1, 127.n.0.2 … in turn, so that no address runs out of ports
 *   ADDRESSES  how many of these there are, 1 to 250
 *   RATE       of mode open, connections a second; 0 in other modes
 *   EXCHANGES  file of questions and expected answers, each as a length (4 bytes, little endian) and its bytes; an
 *              empty question is not sent
 *
 * Lines on standard input: "mark" is answered by a line of JSON, totals since the start; "stop" ends the beginnings of mode
 * open. The end of standard input ends the process. Built at run time: cc -O2 load.c -lssl -lcrypto -lm (OpenSSL 3).
 */

#include "clients.h"

enum { EVENTS = 256, EVENTS_A_TURN = 16, OPENS_A_TURN = 64, PATIENCE_S = 20, PHONE_S = 5 };
/* EVENTS_A_TURN: in mode open, handled before the clock is looked at again: handshakes take time, and phones begin
   meanwhile */
enum { OPENING = 200 }; /* in mode hold: handshakes at once, fewer than a server's limit */
enum mode { ONCE, REPEAT, HOLD, OPEN };
enum state { CLOSED, CONNECTING, HANDSHAKE, ANSWER, HELD };
enum failure { REFUSED, TURNED_AWAY, TLS, ENDED, WRONG, TIMEOUT, LATE, FAILURES };
/* connect: refused by the kernel; turned_away: closed by the server before its first byte; timeout: before the handshake was
   done, late: after it. Whatever ends a phone of mode open after its patience is one of the last two */
static const char *const failure_names[FAILURES] = {"connect",      "turned_away", "handshake", "closed_early",
                                                    "wrong_answer", "timeout",     "late"};

struct slot {
    enum state state;
    int fd;
    SSL *ssl;
    const struct exchange *exchange;
    uint32_t received;
    int right;
    uint64_t since; /* ns: of the connection, in mode repeat of the question */
};

static enum mode mode;
static struct sockaddr_in server;
static struct slot *slots;
static int slot_count, network, addresses, poller;
static int active; /* slots that are not closed */
static uint64_t done, held, opened, failures[FAILURES];
/* µs: until the whole answer, until a phone was refused, between a planned moment and the beginning */
static uint64_t latencies[OCTAVES * STEPS], refusals[OCTAVES * STEPS], latenesses[OCTAVES * STEPS];
static int *free_slots, free_count;
static double rate;
static uint64_t planned, dropped; /* mode open: next beginning (ns; 0: none) */

/* -- one connection -------------------------------------------------------------------------------------------- */

static void close_slot(struct slot *slot) {
    if (slot->state == HELD) held--;
    active--;
    if (slot->ssl != NULL) SSL_free(slot->ssl);
    if (slot->fd >= 0) close(slot->fd);
    slot->ssl = NULL;
    slot->fd = -1;
    slot->state = CLOSED;
    free_slots[free_count++] = (int)(slot - slots);
    ERR_clear_error();
}

static int impatient(const struct slot *slot) {
    return now() - slot->since > (uint64_t)(mode == OPEN ? PHONE_S : PATIENCE_S) * 1000000000u;
}

static void fail(struct slot *slot, enum failure kind) {
    if (mode == OPEN && impatient(slot)) kind = slot->state == ANSWER ? LATE : TIMEOUT;
    if (kind == REFUSED || kind == TURNED_AWAY) count_time(refusals, now() - slot->since);
    failures[kind]++;
    close_slot(slot);
}

static void open_slot(struct slot *slot, uint64_t since) {
    struct sockaddr_in source = {.sin_family = AF_INET};
    source.sin_addr.s_addr = htonl((127u << 24) | ((uint32_t)network << 16) | (uint32_t)(1 + opened++ % addresses));
    int one = 1;
    active++;
    slot->since = since;
    slot->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (slot->fd < 0) die("socket (are there enough descriptors? ulimit -n)");
    setsockopt(slot->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(slot->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (bind(slot->fd, (struct sockaddr *)&source, sizeof source) < 0) die("bind");
    if (connect(slot->fd, (struct sockaddr *)&server, sizeof server) < 0 && errno != EINPROGRESS) {
        if (errno != ECONNREFUSED) die("connect (are there enough ports?)"); /* not the server's doing */
        fail(slot, REFUSED);
        return;
    }
    slot->state = CONNECTING;
    slot->ssl = SSL_new(context);
    if (slot->ssl == NULL || SSL_set_fd(slot->ssl, slot->fd) != 1) die("SSL_new");
    SSL_set_connect_state(slot->ssl);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = slot};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, slot->fd, &event) < 0) die("epoll_ctl");
}

static void ask(struct slot *slot) {
    slot->exchange = &exchanges[exchange_next++ % exchange_count];
    slot->received = 0;
    slot->right = 1;
    slot->state = ANSWER;
    if (mode == REPEAT) slot->since = now();
    const struct text *question = &slot->exchange->question;
    /* a question is far smaller than an empty socket buffer: it is written whole or not at all */
    if (question->size > 0 && SSL_write(slot->ssl, question->bytes, (int)question->size) <= 0) fail(slot, ENDED);
}

static void answered(struct slot *slot) {
    if (!slot->right) {
        fail(slot, WRONG);
        return;
    }
    if (mode == OPEN && impatient(slot)) {
        fail(slot, LATE);
        return;
    }
    done++;
    count_time(latencies, now() - slot->since);
    if (mode == REPEAT) {
        ask(slot);
    } else {
        SSL_shutdown(slot->ssl);
        close_slot(slot);
    }
}

/* Reads the available bytes; returns 1 if an answer was completed and another one is awaited. */
static int read_answer(struct slot *slot) {
    unsigned char buffer[16384];
    const struct text *answer = &slot->exchange->answer;
    int size = SSL_read(slot->ssl, buffer, sizeof buffer);
    if (size <= 0) {
        if (!waits(slot->ssl, size)) fail(slot, ENDED);
        return 0;
    }
    uint32_t left = answer->size - slot->received;
    slot->right &= (uint32_t)size <= left && memcmp(buffer, answer->bytes + slot->received, (size_t)size) == 0;
    slot->received += (uint32_t)size;
    if (slot->received < answer->size && slot->right) return 1;
    answered(slot);
    return slot->state == ANSWER;
}

static void advance(struct slot *slot) {
    if (slot->state == CONNECTING) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(slot->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0) {
            fail(slot, REFUSED);
            return;
        }
        slot->state = HANDSHAKE;
    }
    if (slot->state == HANDSHAKE) {
        int result = SSL_do_handshake(slot->ssl);
        if (result != 1) {
            if (!waits(slot->ssl, result)) fail(slot, BIO_number_read(SSL_get_rbio(slot->ssl)) == 0 ? TURNED_AWAY : TLS);
            return;
        }
        if (mode == HOLD) {
            slot->state = HELD;
            held++;
            done++;
            count_time(latencies, now() - slot->since);
        } else {
            ask(slot);
        }
    }
    if (slot->state == HELD) {
        char byte;
        int result = SSL_read(slot->ssl, &byte, 1);
        if (result > 0 || !waits(slot->ssl, result)) fail(slot, ENDED);
        return;
    }
    while (slot->state == ANSWER && read_answer(slot)) {}
}

/* -- the process ----------------------------------------------------------------------------------------------- */

static void report(void) {
    printf("{\"time_ns\": %llu, \"done\": %llu, \"held\": %llu, \"active\": %d, \"begun\": %llu, \"dropped\": %llu, "
           "\"cpu_us\": %lld, \"failures\": {",
           (unsigned long long)now(), (unsigned long long)done, (unsigned long long)held, active,
           (unsigned long long)(opened + dropped), (unsigned long long)dropped, cpu_us());
    for (int i = 0; i < FAILURES; i++)
        printf("%s\"%s\": %llu", i ? ", " : "", failure_names[i], (unsigned long long)failures[i]);
    printf("}");
    report_times("latency_us", latencies);
    report_times("refused_us", refusals);
    report_times("late_us", latenesses);
    printf("}\n");
    fflush(stdout);
}

static void commands(void) {
    char buffer[256];
    ssize_t size = read(STDIN_FILENO, buffer, sizeof buffer);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0) exit(0);
    for (ssize_t i = 1; i < size; i++) {
        if (buffer[i] != '\n') continue;
        if (buffer[i - 1] == 'p') planned = 0; /* stop */
        else report();
    }
}

static void open_closed_slots(void) {
    int left = slot_count - active;
    if (left > OPENS_A_TURN) left = OPENS_A_TURN;
    if (mode == HOLD && left > OPENING - (active - (int)held)) left = OPENING - (active - (int)held);
    for (; left > 0; left--) open_slot(&slots[free_slots[--free_count]], now());
}

/* Opens the connections whose planned moment has come. */
static void open_planned(void) {
    uint64_t time = now();
    for (int turn = 0; planned != 0 && planned <= time && turn < OPENS_A_TURN; turn++) {
        count_time(latenesses, time - planned);
        if (free_count == 0) dropped++;
        else open_slot(&slots[free_slots[--free_count]], planned);
        planned += 1 + (uint64_t)(-log(1 - drand48()) / rate * 1e9);
    }
}

static void end_late_slots(void) {
    for (int i = 0; i < slot_count; i++)
        if (slots[i].state != CLOSED && slots[i].state != HELD && impatient(&slots[i]))
            fail(&slots[i], slots[i].state == ANSWER ? LATE : TIMEOUT);
}

static const char usage[] = "usage: load MODE HOST PORT CIPHERS SLOTS NETWORK EXCHANGES RATE ADDRESSES";

static void prepare(char **arguments) {
    static const char *const modes[] = {"once", "repeat", "hold", "open"};
    while (mode <= OPEN && strcmp(arguments[1], modes[mode]) != 0) mode++;
    server.sin_family = AF_INET;
    server.sin_port = htons((uint16_t)atoi(arguments[3]));
    slot_count = atoi(arguments[5]);
    network = atoi(arguments[6]);
    if (mode > OPEN || inet_pton(AF_INET, arguments[2], &server.sin_addr) != 1 || slot_count < 1 || network < 1)
        die(usage);
    make_context(arguments[4]);
    if (mode == HOLD) SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    read_exchanges(arguments[7]);
    slots = calloc((size_t)slot_count, sizeof *slots);
    free_slots = calloc((size_t)slot_count, sizeof *free_slots);
    if (slots == NULL || free_slots == NULL) die("slots");
    for (int i = slot_count - 1; i >= 0; i--) {
        slots[i].fd = -1;
        free_slots[free_count++] = i;
    }
    if (mode == OPEN && (rate = atof(arguments[8])) <= 0) die(usage);
    addresses = atoi(arguments[9]);
    if (addresses < 1 || addresses > 250) die(usage);
    srand48(network);
}

int main(int count, char **arguments) {
    if (count != 10) die(usage);
    prepare(arguments);
    poller = open_poller();
    struct epoll_event events[EVENTS];
    uint64_t checked = now();
    if (mode == OPEN) planned = checked;
    for (;;) {
        if (mode == OPEN) open_planned();
        else open_closed_slots();
        int ready = epoll_wait(poller, events, EVENTS, 1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr == NULL)
                commands();
            else
                advance(events[i].data.ptr);
            if (mode == OPEN && i % EVENTS_A_TURN == EVENTS_A_TURN - 1) open_planned();
        }
        if (now() - checked > 100000000u) {
            end_late_slots();
            checked = now();
        }
    }
}
