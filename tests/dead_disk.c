/* For tests/dead_disk.rs: loaded into the server by LD_PRELOAD, makes every write below the folder
 * DEAD_DISK fail, as on a disk that is full, broken or mounted read-only, for as long as the file
 * DEAD_DISK_ERROR exists. That file holds the number of the error. Reading goes on. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* The error that writing gives now; 0: the disk is well. */
static int dead(void)
{
    int (*real_open)(const char *, int, ...) = dlsym(RTLD_NEXT, "open64");
    const char *name = getenv("DEAD_DISK_ERROR");
    char text[16] = {0};
    int saved = errno, fd = name ? real_open(name, O_RDONLY) : -1;
    errno = saved;
    if (fd < 0) return 0;
    ssize_t len = read(fd, text, sizeof text - 1);
    close(fd);
    return len > 0 ? atoi(text) : 0;
}

static int is_below(const char *path)
{
    const char *folder = getenv("DEAD_DISK");
    return folder && path && strncmp(path, folder, strlen(folder)) == 0;
}

static int is_ours(int fd)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);
    if (len < 0) return 0;
    path[len] = 0;
    return is_below(path);
}

#define UNLESS_DEAD(ours)                \
    do {                                 \
        int error = (ours) ? dead() : 0; \
        if (error) {                     \
            errno = error;               \
            return -1;                   \
        }                                \
    } while (0)

ssize_t write(int fd, const void *bytes, size_t len)
{
    ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
    UNLESS_DEAD(is_ours(fd));
    return real(fd, bytes, len);
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t at)
{
    ssize_t (*real)(int, const void *, size_t, off64_t) = dlsym(RTLD_NEXT, "pwrite64");
    UNLESS_DEAD(is_ours(fd));
    return real(fd, bytes, len, at);
}

int fsync(int fd)
{
    int (*real)(int) = dlsym(RTLD_NEXT, "fsync");
    UNLESS_DEAD(is_ours(fd));
    return real(fd);
}

int fdatasync(int fd)
{
    int (*real)(int) = dlsym(RTLD_NEXT, "fdatasync");
    UNLESS_DEAD(is_ours(fd));
    return real(fd);
}

int unlink(const char *path)
{
    int (*real)(const char *) = dlsym(RTLD_NEXT, "unlink");
    UNLESS_DEAD(is_below(path));
    return real(path);
}

int open64(const char *path, int flags, ...)
{
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open64");
    va_list more;
    va_start(more, flags);
    int mode = va_arg(more, int);
    va_end(more);
    UNLESS_DEAD((flags & (O_WRONLY | O_RDWR | O_CREAT)) && is_below(path));
    return real(path, flags, mode);
}
