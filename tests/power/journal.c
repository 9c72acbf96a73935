/* For tests/power.rs: loaded into `lockkeeper serve` by LD_PRELOAD, writes down in what order the
 * server changed and synced the files below POWER_CUT_DISK, with all that it wrote. From this
 * journal, POWER_CUT_JOURNAL, the test makes what a power cut could have left of them.
 *
 * A change and its record are made under one mutex, so the order in the journal is the order of the
 * changes. A sync has two records: what stands before the first of them is durable once the second
 * is there; what is written while it runs is not. sync_file_range promises nothing and has no
 * record. Syncs do not reach the real disk: they take a moment, as those of a disk would.
 *
 * SIGKILL may come between a change and its record. After SIGUSR2 the process ends as suddenly, but
 * before its next change, so that the journal tells all that another server will find.
 *
 * A call that would change a file unseen ends the process, so that the journal never lacks one. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* The same in tests/power/journal.rs. */
enum kind { WRITE = 1, RESIZE, SYNC_BEGINS, SYNC_ENDS, MAKE_FILE, MAKE_FOLDER, REMOVE, RENAME };

struct head {
    uint64_t kind, inode, number, other, length;
};

#define SYNC_NANOSECONDS 400000L

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static char disk[PATH_MAX];
static size_t disk_length;
static int journal = -1;
static volatile sig_atomic_t is_dying;

static void die_soon(int signal)
{
    is_dying = signal;
}

__attribute__((constructor)) static void begin(void)
{
    const char *root = getenv("POWER_CUT_DISK"), *path = getenv("POWER_CUT_JOURNAL");
    if (!root || !path || !realpath(root, disk)) abort();
    disk_length = strlen(disk);
    journal = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (journal < 0 || signal(SIGUSR2, die_soon) == SIG_ERR) abort();
}

static void begin_change(void)
{
    pthread_mutex_lock(&order);
    if (is_dying) _exit(1);
}

static void end_change(void)
{
    pthread_mutex_unlock(&order);
}

#define REAL(name) ((__typeof__(&name))real_call(#name))

static void *real_call(const char *name)
{
    void *call = dlsym(RTLD_NEXT, name);
    if (!call) abort();
    return call;
}

static void unknown(const char *call)
{
    fprintf(stderr, "power cuts: the journal does not know %s\n", call);
    abort();
}

static void record(struct head head, const void *bytes)
{
    struct iovec parts[] = {{&head, sizeof head}, {(void *)bytes, head.length}};
    size_t whole = sizeof head + head.length;
    if (syscall(SYS_writev, journal, parts, 2) != (long)whole) {
        fprintf(stderr, "power cuts: the journal cannot be written\n");
        abort();
    }
}

static int is_below(const char *path)
{
    return strncmp(path, disk, disk_length) == 0
        && (path[disk_length] == '/' || path[disk_length] == 0);
}

static int path_of(int fd, char path[PATH_MAX])
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return 1;
}

/* The inode of an open file or folder below the disk, or 0. */
static uint64_t inode_of(int fd)
{
    struct stat found;
    char path[PATH_MAX];
    int before = errno;
    uint64_t inode = 0;
    if (fstat(fd, &found) == 0 && (S_ISREG(found.st_mode) || S_ISDIR(found.st_mode))
        && path_of(fd, path) && is_below(path))
        inode = found.st_ino;
    errno = before;
    return inode;
}

/* A name below the disk: its folder and the last part. */
struct place {
    uint64_t folder;
    char name[NAME_MAX + 1];
};

/* Whether `path` is a name below the disk; it need not exist. */
static int find_place(int at, const char *path, struct place *place)
{
    char whole[2 * PATH_MAX], folder[PATH_MAX];
    struct stat found;
    int before = errno, is_one = 0;
    if (path[0] == '/' || at == AT_FDCWD) {
        snprintf(whole, sizeof whole, "%s", path);
    } else {
        if (!path_of(at, folder)) return 0;
        snprintf(whole, sizeof whole, "%s/%s", folder, path);
    }
    size_t length = strlen(whole);
    while (length > 1 && whole[length - 1] == '/') whole[--length] = 0;
    char *last = strrchr(whole, '/');
    const char *parent = last == whole ? "/" : last ? whole : ".";
    const char *name = last ? last + 1 : whole;
    if (strlen(name) > NAME_MAX) return 0;
    strcpy(place->name, name);
    if (last && last != whole) *last = 0;
    if (realpath(parent, folder) && is_below(folder) && stat(folder, &found) == 0) {
        place->folder = found.st_ino;
        is_one = 1;
    }
    errno = before;
    return is_one;
}

static void record_made(enum kind kind, const struct place *place, const struct stat *made)
{
    struct head head = {kind, made->st_ino, place->folder, made->st_mode & 07777,
                        strlen(place->name)};
    record(head, place->name);
}

static int open_below(int at, const char *path, int flags, mode_t mode)
{
    struct place place;
    struct stat found;
    if (!(flags & (O_CREAT | O_TRUNC)) || !find_place(at, path, &place))
        return syscall(SYS_openat, at, path, flags, mode);
    if ((flags & O_TMPFILE) == O_TMPFILE) unknown("O_TMPFILE");
    begin_change();
    int is_new = fstatat(at, path, &found, 0) != 0;
    int fd = syscall(SYS_openat, at, path, flags, mode);
    if (fd >= 0 && is_new && fstat(fd, &found) == 0) {
        record_made(MAKE_FILE, &place, &found);
    } else if (fd >= 0 && flags & O_TRUNC && S_ISREG(found.st_mode)) {
        record((struct head){RESIZE, found.st_ino, 0, 0, 0}, "");
    }
    end_change();
    return fd;
}

#define MODE(flags, mode)                                                                          \
    mode_t mode = 0;                                                                               \
    if (flags & (O_CREAT | O_TMPFILE)) {                                                           \
        va_list more;                                                                              \
        va_start(more, flags);                                                                     \
        mode = va_arg(more, mode_t);                                                               \
        va_end(more);                                                                              \
    }

int open(const char *path, int flags, ...)
{
    MODE(flags, mode)
    return open_below(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    MODE(flags, mode)
    return open_below(AT_FDCWD, path, flags | O_LARGEFILE, mode);
}

int openat(int at, const char *path, int flags, ...)
{
    MODE(flags, mode)
    return open_below(at, path, flags, mode);
}

int openat64(int at, const char *path, int flags, ...)
{
    MODE(flags, mode)
    return open_below(at, path, flags | O_LARGEFILE, mode);
}

int creat(const char *path, mode_t mode)
{
    return open_below(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

int creat64(const char *path, mode_t mode)
{
    return creat(path, mode);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at)
{
    uint64_t inode = inode_of(fd);
    if (!inode) return REAL(pwrite)(fd, bytes, length, at);
    if (fcntl(fd, F_GETFL) & O_APPEND) unknown("pwrite with O_APPEND");
    begin_change();
    ssize_t done = REAL(pwrite)(fd, bytes, length, at);
    if (done > 0) record((struct head){WRITE, inode, at, 0, done}, bytes);
    end_change();
    return done;
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at)
{
    return pwrite(fd, bytes, length, at);
}

ssize_t write(int fd, const void *bytes, size_t length)
{
    uint64_t inode = inode_of(fd);
    if (!inode) return REAL(write)(fd, bytes, length);
    begin_change();
    ssize_t done = REAL(write)(fd, bytes, length);
    off_t end = lseek(fd, 0, SEEK_CUR);
    if (done > 0) record((struct head){WRITE, inode, end - done, 0, done}, bytes);
    end_change();
    return done;
}

/* Pieces are written one by one, as the caller must expect anyhow. */
ssize_t writev(int fd, const struct iovec *pieces, int count)
{
    if (!inode_of(fd)) return REAL(writev)(fd, pieces, count);
    for (int piece = 0; piece < count; piece++)
        if (pieces[piece].iov_len) return write(fd, pieces[piece].iov_base, pieces[piece].iov_len);
    return 0;
}

ssize_t pwritev(int fd, const struct iovec *pieces, int count, off_t at)
{
    if (inode_of(fd)) unknown("pwritev");
    return REAL(pwritev)(fd, pieces, count, at);
}

ssize_t pwritev64(int fd, const struct iovec *pieces, int count, off64_t at)
{
    return pwritev(fd, pieces, count, at);
}

ssize_t pwritev2(int fd, const struct iovec *pieces, int count, off_t at, int flags)
{
    if (inode_of(fd)) unknown("pwritev2");
    return REAL(pwritev2)(fd, pieces, count, at, flags);
}

ssize_t pwritev64v2(int fd, const struct iovec *pieces, int count, off64_t at, int flags)
{
    return pwritev2(fd, pieces, count, at, flags);
}

int ftruncate(int fd, off_t size)
{
    uint64_t inode = inode_of(fd);
    if (!inode) return REAL(ftruncate)(fd, size);
    begin_change();
    int result = REAL(ftruncate)(fd, size);
    if (result == 0) record((struct head){RESIZE, inode, size, 0, 0}, "");
    end_change();
    return result;
}

int ftruncate64(int fd, off64_t size)
{
    return ftruncate(fd, size);
}

int truncate(const char *path, off_t size)
{
    struct place place;
    if (find_place(AT_FDCWD, path, &place)) unknown("truncate");
    return REAL(truncate)(path, size);
}

int truncate64(const char *path, off64_t size)
{
    return truncate(path, size);
}

int fallocate(int fd, int mode, off_t at, off_t length)
{
    if (inode_of(fd)) unknown("fallocate");
    return REAL(fallocate)(fd, mode, at, length);
}

int fallocate64(int fd, int mode, off64_t at, off64_t length)
{
    return fallocate(fd, mode, at, length);
}

int posix_fallocate(int fd, off_t at, off_t length)
{
    if (inode_of(fd)) unknown("posix_fallocate");
    return REAL(posix_fallocate)(fd, at, length);
}

int posix_fallocate64(int fd, off64_t at, off64_t length)
{
    return posix_fallocate(fd, at, length);
}

ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t length,
                        unsigned flags)
{
    if (inode_of(to)) unknown("copy_file_range");
    return REAL(copy_file_range)(from, from_at, to, to_at, length, flags);
}

ssize_t sendfile(int to, int from, off_t *at, size_t length)
{
    if (inode_of(to)) unknown("sendfile");
    return REAL(sendfile)(to, from, at, length);
}

ssize_t sendfile64(int to, int from, off64_t *at, size_t length)
{
    return sendfile(to, from, at, length);
}

void *mmap64(void *address, size_t length, int protection, int flags, int fd, off64_t at)
{
    if (fd >= 0 && flags & MAP_SHARED && protection & PROT_WRITE && inode_of(fd))
        unknown("a shared mapping");
    return (void *)syscall(SYS_mmap, address, length, protection, flags, fd, at);
}

int mkdirat(int at, const char *path, mode_t mode)
{
    struct place place;
    struct stat made;
    if (!find_place(at, path, &place)) return syscall(SYS_mkdirat, at, path, mode);
    begin_change();
    int result = syscall(SYS_mkdirat, at, path, mode);
    if (result == 0 && fstatat(at, path, &made, 0) == 0) record_made(MAKE_FOLDER, &place, &made);
    end_change();
    return result;
}

int mkdir(const char *path, mode_t mode)
{
    return mkdirat(AT_FDCWD, path, mode);
}

int unlinkat(int at, const char *path, int flags)
{
    struct place place;
    if (!find_place(at, path, &place)) return syscall(SYS_unlinkat, at, path, flags);
    begin_change();
    int result = syscall(SYS_unlinkat, at, path, flags);
    if (result == 0)
        record((struct head){REMOVE, 0, place.folder, 0, strlen(place.name)}, place.name);
    end_change();
    return result;
}

int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

int rmdir(const char *path)
{
    return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

int renameat(int from_at, const char *from, int to_at, const char *to)
{
    struct place old, new;
    struct stat moved;
    char names[2 * NAME_MAX + 2];
    int from_here = find_place(from_at, from, &old), to_here = find_place(to_at, to, &new);
    if (!from_here && !to_here) return syscall(SYS_renameat2, from_at, from, to_at, to, 0);
    if (!from_here || !to_here) unknown("a rename from or to outside");
    begin_change();
    int result = syscall(SYS_renameat2, from_at, from, to_at, to, 0);
    if (result == 0 && fstatat(to_at, to, &moved, AT_SYMLINK_NOFOLLOW) == 0) {
        int length = snprintf(names, sizeof names, "%s/%s", old.name, new.name);
        record((struct head){RENAME, moved.st_ino, old.folder, new.folder, length}, names);
    }
    end_change();
    return result;
}

int rename(const char *from, const char *to)
{
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags)
{
    if (flags & ~1u) unknown("renameat2 with flags");
    return renameat(from_at, from, to_at, to);
}

int linkat(int from_at, const char *from, int to_at, const char *to, int flags)
{
    struct place place;
    if (find_place(to_at, to, &place)) unknown("link");
    return syscall(SYS_linkat, from_at, from, to_at, to, flags);
}

int link(const char *from, const char *to)
{
    return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int symlinkat(const char *target, int at, const char *path)
{
    struct place place;
    if (find_place(at, path, &place)) unknown("symlink");
    return syscall(SYS_symlinkat, target, at, path);
}

int symlink(const char *target, const char *path)
{
    return symlinkat(target, AT_FDCWD, path);
}

static int sync_of(int fd, long call)
{
    static uint64_t tickets;
    const struct timespec moment = {0, SYNC_NANOSECONDS};
    uint64_t inode = inode_of(fd);
    if (!inode) return syscall(call, fd);
    begin_change();
    uint64_t ticket = ++tickets;
    record((struct head){SYNC_BEGINS, inode, ticket, 0, 0}, "");
    end_change();
    nanosleep(&moment, NULL);
    begin_change();
    record((struct head){SYNC_ENDS, inode, ticket, 0, 0}, "");
    end_change();
    return 0;
}

int fsync(int fd)
{
    return sync_of(fd, SYS_fsync);
}

int fdatasync(int fd)
{
    return sync_of(fd, SYS_fdatasync);
}
