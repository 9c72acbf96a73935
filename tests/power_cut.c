/* For tests/store_crash.rs: loaded into the child by LD_PRELOAD, keeps a copy of sled's log as the
 * disk is known to have it. What a killed process wrote survives in the page cache; what a power
 * cut leaves is this copy and any part of what was written since. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

static int is_log(int fd)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);
    if (len < 0) return 0;
    path[len] = 0;
    const char *end = "/meta/db";
    return (size_t)len > strlen(end) && strcmp(path + len - strlen(end), end) == 0;
}

static void remember(int fd)
{
    static char piece[1 << 20];
    const char *copy = getenv("POWER_CUT_COPY");
    char fresh[4096], source[64];
    if (!copy || !is_log(fd)) return;
    pthread_mutex_lock(&one_at_a_time);
    snprintf(fresh, sizeof fresh, "%s.fresh", copy);
    snprintf(source, sizeof source, "/proc/self/fd/%d", fd);
    int in = open(source, O_RDONLY);
    int out = open(fresh, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (in < 0 || out < 0) abort();
    ssize_t len;
    while ((len = read(in, piece, sizeof piece)) > 0)
        if (write(out, piece, len) != len) abort();
    close(in);
    close(out);
    if (len < 0 || rename(fresh, copy) != 0) abort();
    pthread_mutex_unlock(&one_at_a_time);
}

static int sync_by(const char *name, int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    int result = real(fd);
    if (result == 0) remember(fd);
    return result;
}

int fsync(int fd) { return sync_by("fsync", fd); }
int fdatasync(int fd) { return sync_by("fdatasync", fd); }
