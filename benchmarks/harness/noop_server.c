/* A server of HTTP/1.1 that answers everything with an empty 200, for the generator of load to be
 * measured against: one thread, epoll, no parsing but for the end of a head, no bodies taken.
 *
 *   noop_server CPU
 *
 * Pinned to that processor unless CPU is -1. Listens on a free port of 127.0.0.1, prints it, and
 * serves until its standard input ends.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 256
#define READ_BYTES 65536
#define MOST_FDS 65536 /* a descriptor is an index into `matched` */

static const char ANSWER[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
static unsigned char matched[MOST_FDS]; /* how much of CR LF CR LF each connection has sent */

static void fail(const char *what) { perror(what); exit(1); }

static void watch(int epoll, int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) fail("epoll_ctl");
}

static int heads_in(int fd, const char *data, ssize_t size) {
    static const char END[] = "\r\n\r\n";
    int heads = 0, at = matched[fd];
    for (ssize_t i = 0; i < size; i++) {
        at = data[i] == END[at] ? at + 1 : data[i] == '\r';
        if (at == 4) { heads++; at = 0; }
    }
    matched[fd] = (unsigned char)at;
    return heads;
}

/* 0 where the connection is over: its client has gone, or takes no answers. */
static int serve(int fd) {
    static char data[READ_BYTES];
    ssize_t got = recv(fd, data, sizeof data, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 1;
    if (got <= 0) return 0;
    ssize_t size = sizeof ANSWER - 1;
    for (int heads = heads_in(fd, data, got); heads > 0; heads--)
        if (send(fd, ANSWER, (size_t)size, MSG_NOSIGNAL | MSG_DONTWAIT) != size) return 0;
    return 1;
}

static void take_connections(int epoll, int listener) {
    int fd, yes = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (fd >= MOST_FDS) { close(fd); continue; }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        matched[fd] = 0;
        watch(epoll, fd);
    }
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: noop_server CPU\n");
        return 2;
    }
    int cpu = atoi(argv[1]);
    cpu_set_t set;
    CPU_ZERO(&set);
    if (cpu >= 0) {
        CPU_SET(cpu, &set);
        if (sched_setaffinity(0, sizeof set, &set)) fail("pin");
    }
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);

    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, 4096)
        || getsockname(listener, (struct sockaddr *)&address, &length)) fail("listen");
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    watch(epoll, listener);
    watch(epoll, STDIN_FILENO);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);

    struct epoll_event events[EVENTS];
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == STDIN_FILENO) return 0; /* whoever started it has gone */
            if (fd == listener) take_connections(epoll, listener);
            else if (!serve(fd)) close(fd);
        }
    }
}
