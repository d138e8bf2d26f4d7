/* Phones that know several nodes, in the benchmark storm: each tries its nodes in turn until one has answered.
 *
 *   storm PORTS CIPHERS PHONES NETWORK EXCHANGES RATE PATIENCE PAUSE PASSES CERTIFICATE
 *
 *   PORTS        of the nodes on 127.0.0.1, with commas between them, at most 5. Phone n has node n modulo their number
 *                first, and the others behind it in a random order
 *   CIPHERS      OpenSSL's names, for TLS 1.2
 *   PHONES       their number; they begin at random moments (exponential distances), RATE of them a second
 *   NETWORK      n: phones have the addresses 127.n.0.1, 127.n.0.2 …, each its own
 *   EXCHANGES    file of questions and expected answers, see load.c
 *   PATIENCE     seconds for each step with a node: connection, handshake, answer
 *   PAUSE        seconds: a phone that has tried all its nodes in vain begins again after half to one and a half of it
 *   PASSES       times that a phone goes through its nodes before it gives up
 *   CERTIFICATE  file: the X.509 DER that a node has to show, byte for byte, as in the phone's ITL
 *
 * An answer other than the expected one is wrong, and the phone asks nobody else. Lines on standard input: "mark" is answered
 * by a line of JSON, totals since the start. Its end ends the process. Built at run time, as load.c.
 */

#include "clients.h"

enum { EVENTS = 256, EVENTS_A_TURN = 16, OPENS_A_TURN = 64, ADDRESSES = 250, NODES = 5, ATTEMPTS = 50 };

enum state { WAITING, CONNECTING, HANDSHAKE, ANSWER, ENDED };
enum failure { REFUSED, TURNED_AWAY, TLS, UNTRUSTED, CLOSED, NO_CONNECTION, NO_HANDSHAKE, NO_ANSWER, FAILURES };
/* connect: refused by the kernel; turned_away: closed by the node before its first byte; closed_early: after the handshake;
   the last three: time-outs of the steps */
static const char *const failure_names[FAILURES] = {"connect",         "turned_away",       "handshake",
                                                    "untrusted",       "closed_early",      "connect_timeout",
                                                    "handshake_timeout", "answer_timeout"};

struct phone {
    enum state state;
    int fd;
    SSL *ssl;
    const struct exchange *exchange;
    uint32_t received;
    int right;
    uint8_t order[NODES], turn, pass, attempts;
    uint64_t begun; /* ns: the planned moment */
    uint64_t since; /* ns: of the step; of a phone that waits: when it goes on */
};

static struct sockaddr_in nodes[NODES];
static int node_count, network, poller, passes;
static struct phone *phones;
static int phone_count, begun, active, first; /* first: those before it have ended */
static double rate, patience, pause_s;
static uint64_t started, planned, last_answer; /* planned: next beginning; ns */
static uint64_t wrong, failures[NODES][FAILURES];
/* µs: until the answer, by attempts; until a phone gave up; between a planned moment and the beginning */
static uint64_t answers[ATTEMPTS + 1][OCTAVES * STEPS], gave_up[OCTAVES * STEPS], latenesses[OCTAVES * STEPS];
static unsigned char *expected;
static int expected_size;

/* -- one phone --------------------------------------------------------------------------------------------------- */

static void hang_up(struct phone *phone) {
    if (phone->ssl != NULL) SSL_free(phone->ssl);
    if (phone->fd >= 0) close(phone->fd);
    phone->ssl = NULL;
    phone->fd = -1;
    ERR_clear_error();
}

static void end(struct phone *phone) {
    hang_up(phone);
    phone->state = ENDED;
    active--;
}

static void try_node(struct phone *phone);

static void fail(struct phone *phone, enum failure kind) {
    int late = now() - phone->since > (uint64_t)(patience * 1e9);
    if (late) kind = phone->state == CONNECTING ? NO_CONNECTION : phone->state == HANDSHAKE ? NO_HANDSHAKE : NO_ANSWER;
    failures[phone->order[phone->turn]][kind]++;
    hang_up(phone);
    if (++phone->turn < node_count) {
        try_node(phone);
        return;
    }
    phone->turn = 0;
    if (++phone->pass == passes) {
        count_time(gave_up, now() - phone->begun);
        end(phone);
        return;
    }
    phone->state = WAITING;
    phone->since = now() + (uint64_t)((0.5 + drand48()) * pause_s * 1e9);
}

static void try_node(struct phone *phone) {
    struct sockaddr_in source = {.sin_family = AF_INET}, *node = &nodes[phone->order[phone->turn]];
    uint32_t number = (uint32_t)(phone - phones);
    source.sin_addr.s_addr =
        htonl((127u << 24) | ((uint32_t)network << 16) | (number / ADDRESSES << 8) | (1 + number % ADDRESSES));
    int one = 1;
    phone->state = CONNECTING;
    phone->since = now();
    phone->attempts++;
    phone->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (phone->fd < 0) die("socket (are there enough descriptors? ulimit -n)");
    setsockopt(phone->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(phone->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (bind(phone->fd, (struct sockaddr *)&source, sizeof source) < 0) die("bind");
    if (connect(phone->fd, (struct sockaddr *)node, sizeof *node) < 0 && errno != EINPROGRESS) {
        if (errno != ECONNREFUSED) die("connect");
        fail(phone, REFUSED);
        return;
    }
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = phone};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, phone->fd, &event) < 0) die("epoll_ctl");
}

static int trusted(SSL *ssl) {
    X509 *shown = SSL_get0_peer_certificate(ssl);
    unsigned char *der = NULL;
    int size = shown == NULL ? -1 : i2d_X509(shown, &der);
    int same = size == expected_size && memcmp(der, expected, (size_t)size) == 0;
    OPENSSL_free(der);
    return same;
}

static void ask(struct phone *phone) {
    if (!trusted(phone->ssl)) {
        fail(phone, UNTRUSTED);
        return;
    }
    phone->exchange = &exchanges[exchange_next++ % exchange_count];
    phone->received = 0;
    phone->right = 1;
    phone->state = ANSWER;
    phone->since = now();
    const struct text *question = &phone->exchange->question;
    /* a question is far smaller than an empty socket buffer: it is written whole or not at all */
    if (SSL_write(phone->ssl, question->bytes, (int)question->size) <= 0) fail(phone, CLOSED);
}

static void read_answer(struct phone *phone) {
    unsigned char buffer[16384];
    const struct text *answer = &phone->exchange->answer;
    while (phone->right && phone->received < answer->size) {
        int size = SSL_read(phone->ssl, buffer, sizeof buffer);
        if (size <= 0) {
            if (!waits(phone->ssl, size)) fail(phone, CLOSED);
            return;
        }
        uint32_t left = answer->size - phone->received;
        phone->right = (uint32_t)size <= left && memcmp(buffer, answer->bytes + phone->received, (size_t)size) == 0;
        phone->received += (uint32_t)size;
    }
    if (phone->right) {
        last_answer = now();
        count_time(answers[phone->attempts], last_answer - phone->begun);
    } else {
        wrong++;
    }
    SSL_shutdown(phone->ssl);
    end(phone);
}

static void advance(struct phone *phone) {
    if (phone->state == CONNECTING) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(phone->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0) {
            fail(phone, error == ECONNREFUSED ? REFUSED : TURNED_AWAY);
            return;
        }
        phone->ssl = SSL_new(context);
        if (phone->ssl == NULL || SSL_set_fd(phone->ssl, phone->fd) != 1) die("SSL_new");
        SSL_set_connect_state(phone->ssl);
        phone->state = HANDSHAKE;
        phone->since = now();
    }
    if (phone->state == HANDSHAKE) {
        int result = SSL_do_handshake(phone->ssl);
        if (result != 1) {
            int first = BIO_number_read(SSL_get_rbio(phone->ssl)) == 0;
            if (!waits(phone->ssl, result)) fail(phone, first ? TURNED_AWAY : TLS);
            return;
        }
        ask(phone);
    }
    if (phone->state == ANSWER) read_answer(phone);
}

/* -- all phones -------------------------------------------------------------------------------------------------- */

static void begin(struct phone *phone) {
    for (int i = 0; i < node_count; i++) phone->order[i] = (uint8_t)((begun + i) % node_count);
    for (int i = node_count - 1; i > 1; i--) { /* all but the first are shuffled */
        int j = 1 + (int)(drand48() * i);
        uint8_t other = phone->order[j];
        phone->order[j] = phone->order[i];
        phone->order[i] = other;
    }
    phone->begun = planned;
    begun++;
    active++;
    try_node(phone);
}

static void begin_planned(void) {
    uint64_t time = now();
    for (int turn = 0; begun < phone_count && planned <= time && turn < OPENS_A_TURN; turn++) {
        count_time(latenesses, time - planned);
        begin(&phones[begun]);
        planned += 1 + (uint64_t)(-log(1 - drand48()) / rate * 1e9);
    }
}

/* Phones whose pause or patience is over. */
static void look_at_clock(void) {
    uint64_t time = now(), longest = (uint64_t)(patience * 1e9);
    while (first < begun && phones[first].state == ENDED) first++;
    for (int i = first; i < begun; i++) {
        struct phone *phone = &phones[i];
        if (phone->state == ENDED || time < phone->since) continue;
        if (phone->state == WAITING) try_node(phone);
        else if (time - phone->since > longest) fail(phone, NO_ANSWER);
    }
}

static void report(void) {
    printf("{\"begun\": %d, \"active\": %d, \"wrong\": %llu, \"cpu_us\": %lld, \"last_answer_s\": %.3f, \"failures\": [",
           begun, active, (unsigned long long)wrong, cpu_us(),
           last_answer == 0 ? 0.0 : (double)(last_answer - started) / 1e9);
    for (int node = 0; node < node_count; node++) {
        printf("%s{", node ? ", " : "");
        for (int i = 0; i < FAILURES; i++)
            printf("%s\"%s\": %llu", i ? ", " : "", failure_names[i], (unsigned long long)failures[node][i]);
        printf("}");
    }
    printf("], \"answers\": {\"0\": {}");
    for (int i = 1; i <= node_count * passes; i++) {
        char name[12];
        snprintf(name, sizeof name, "%d", i);
        report_times(name, answers[i]);
    }
    printf("}");
    report_times("gave_up_us", gave_up);
    report_times("late_us", latenesses);
    printf("}\n");
    fflush(stdout);
}

static void commands(void) {
    char buffer[256];
    ssize_t size = read(STDIN_FILENO, buffer, sizeof buffer);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0) exit(0);
    for (ssize_t i = 0; i < size; i++)
        if (buffer[i] == '\n') report();
}

static void read_certificate(const char *path) {
    static unsigned char bytes[65536];
    FILE *file = fopen(path, "rb");
    if (file == NULL) die(path);
    expected = bytes;
    expected_size = (int)fread(bytes, 1, sizeof bytes, file);
    fclose(file);
}

static const char usage[] =
    "usage: storm PORTS CIPHERS PHONES NETWORK EXCHANGES RATE PATIENCE PAUSE PASSES CERTIFICATE";

static void prepare(char **arguments) {
    for (char *port = strtok(arguments[1], ","); port != NULL; port = strtok(NULL, ",")) {
        if (node_count == NODES) die(usage);
        nodes[node_count].sin_family = AF_INET;
        nodes[node_count].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        nodes[node_count++].sin_port = htons((uint16_t)atoi(port));
    }
    make_context(arguments[2]);
    phone_count = atoi(arguments[3]);
    network = atoi(arguments[4]);
    read_exchanges(arguments[5]);
    rate = atof(arguments[6]);
    patience = atof(arguments[7]);
    pause_s = atof(arguments[8]);
    passes = atoi(arguments[9]);
    read_certificate(arguments[10]);
    if (node_count < 1 || phone_count < 1 || phone_count > 256 * ADDRESSES || network < 1 || rate <= 0 || patience <= 0 ||
        pause_s <= 0 || passes < 1 || passes * node_count > ATTEMPTS)
        die(usage);
    phones = calloc((size_t)phone_count, sizeof *phones);
    if (phones == NULL) die("phones");
    for (int i = 0; i < phone_count; i++) phones[i].fd = -1;
    srand48(network);
}

int main(int count, char **arguments) {
    if (count != 11) die(usage);
    prepare(arguments);
    poller = open_poller();
    struct epoll_event events[EVENTS];
    uint64_t checked = started = planned = now();
    for (;;) {
        begin_planned();
        int ready = epoll_wait(poller, events, EVENTS, begun < phone_count ? 1 : 20);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr == NULL) commands();
            else advance(events[i].data.ptr);
            if (i % EVENTS_A_TURN == EVENTS_A_TURN - 1) begin_planned();
        }
        if (now() - checked > 50000000u) {
            look_at_clock();
            checked = now();
        }
    }
}
