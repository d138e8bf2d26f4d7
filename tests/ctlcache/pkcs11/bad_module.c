/* A PKCS#11 module that behaves badly in one place and is SoftHSM everywhere else.
 *
 * BEHAVIOUR   a call of one of the functions below
 * FUNCTION    which function of the module behaves so, by its place in CK_FUNCTION_LIST (C_Sign is 43)
 * AT_LOAD     instead: when its function list is asked for
 * REAL        path of the module that does everything else
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct functions { unsigned char version[sizeof(void *)]; void *function[68]; };
typedef unsigned long (*get_list)(struct functions **);
static struct functions copy;

static unsigned long crash(void) { raise(SIGSEGV); return 0; }
static unsigned long leave(void) { _exit(3); }
static unsigned long hang(void) { for (;;) pause(); }
static unsigned long chatter(void) { puts("{\"error\": \"I am talking\"}"); fflush(stdout); return 0; }

/* C_Sign: one bit of the signature is wrong. */
static unsigned long (*real_sign)(unsigned long, void *, unsigned long, unsigned char *, unsigned long *);
static unsigned long lie(unsigned long session, void *data, unsigned long size, unsigned char *to, unsigned long *room)
{
    unsigned long result = real_sign(session, data, size, to, room);
    if (result == 0 && to) to[0] ^= 1;
    return result;
}

unsigned long C_GetFunctionList(struct functions **list)
{
    struct functions *original;
#ifdef AT_LOAD
    BEHAVIOUR();
#endif
    get_list real = (get_list)dlsym(dlopen(REAL, RTLD_NOW), "C_GetFunctionList");
    unsigned long result = real(&original);
    memcpy(&copy, original, sizeof copy);
#ifdef FUNCTION
    real_sign = copy.function[43];
    copy.function[FUNCTION] = BEHAVIOUR;
#endif
    *list = &copy;
    return result;
}
