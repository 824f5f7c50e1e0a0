/* Records what a process does to the files below one folder, in order and with the data, so that a power cut can be
 * played afterwards (power.py).
 *
 * A seccomp filter sends every system call that changes files to a handler in the process itself, whoever makes it:
 * libc, Rust's std or a raw `syscall` instruction. What the handler could not follow (io_uring, shared writable maps,
 * copy_file_range, sendfile, splice, fallocate) is refused by the filter, so that callers fall back to plain writes and
 * nothing gets past it. fsync is recorded and not done: it is the recording that counts.
 *
 * gcc -O1 -fPIC -shared recorder.c -o recorder.so; ctypes: start(root, marks, journal, events); after so many
 * events, unless 0, it is killed between two of them. Child processes inherit the
 * filter and need LD_PRELOAD=recorder.so, which gives them the handler; theirs records nothing. x86-64 Linux.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#define MAGIC 0x5a3e5ace /* in the sixth argument, which none of these calls uses: ours, let it pass */

static char root[PATH_MAX], marks[PATH_MAX];
static size_t root_length;
static int journal = -1;
static volatile int busy;
static long left; /* events until it kills itself; 0 = never */

static long call(long n, long a, long b, long c, long d, long e) {
    long out;
    register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = MAGIC;
    __asm__ volatile("syscall" : "=a"(out) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return out;
}

struct head { uint32_t op; uint32_t name, other, data; uint64_t inode; int64_t at; };

static void put(const void *data, size_t n) {
    const char *p = data;
    while (n > 0) {
        long done = call(SYS_write, journal, (long)p, n, 0, 0);
        if (done <= 0) _exit(97);
        p += done, n -= done;
    }
}

static void note(char op, const char *name, const char *other, uint64_t inode, int64_t at, const struct iovec *data,
                 int pieces, size_t length) {
    struct head head = {op, name ? strlen(name) : 0, other ? strlen(other) : 0, length, inode, at};
    put(&head, sizeof head);
    put(name, head.name);
    put(other, head.other);
    for (int i = 0; i < pieces && length > 0; i++) {
        size_t n = data[i].iov_len < length ? data[i].iov_len : length;
        put(data[i].iov_base, n);
        length -= n;
    }
    if (left > 0 && --left == 0) call(SYS_kill, call(SYS_getpid, 0, 0, 0, 0, 0), SIGKILL, 0, 0, 0);
}

static int path_of(int fd, char *out) {
    char link[40];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long n = call(SYS_readlink, (long)link, (long)out, PATH_MAX - 1, 0, 0);
    if (n < 0) return 0;
    out[n] = 0;
    return 1;
}

/* The absolute path of a name; whether it is below the root. */
static int resolve(int folder, const char *name, char *out) {
    if (name[0] == '/') {
        snprintf(out, PATH_MAX, "%s", name);
    } else {
        if (folder == AT_FDCWD) {
            if (call(SYS_getcwd, (long)out, PATH_MAX, 0, 0, 0) < 0) return 0;
        } else if (!path_of(folder, out)) {
            return 0;
        }
        size_t n = strlen(out);
        snprintf(out + n, PATH_MAX - n, "/%s", name);
    }
    size_t n = strlen(out);
    while (n > 1 && out[n - 1] == '/') out[--n] = 0;
    return !strncmp(out, root, root_length) && (out[root_length] == '/' || !out[root_length]);
}

static int below(int fd, char *out) {
    return path_of(fd, out) && !strncmp(out, root, root_length) && (out[root_length] == '/' || !out[root_length]);
}

static int look(const char *path, struct stat *info) {
    return call(SYS_newfstatat, AT_FDCWD, (long)path, (long)info, AT_SYMLINK_NOFOLLOW, 0) == 0;
}

static uint64_t inode_of(int fd, struct stat *info) {
    call(SYS_fstat, fd, (long)info, 0, 0, 0);
    return info->st_ino;
}

static long writing(long n, long a, long b, long c, long d, long e) {
    char path[PATH_MAX];
    struct stat info;
    struct iovec one = {(void *)b, c}, *pieces = &one;
    int count = 1, mark, fd = a;
    if (!path_of(fd, path)) return call(n, a, b, c, d, e);
    mark = !strcmp(path, marks);
    if (!mark && !below(fd, path)) return call(n, a, b, c, d, e);
    if (n == SYS_writev || n == SYS_pwritev) pieces = (struct iovec *)b, count = c;
    uint64_t inode = inode_of(fd, &info);
    int64_t at = d;
    if (n == SYS_write || n == SYS_writev)
        at = call(SYS_fcntl, fd, F_GETFL, 0, 0, 0) & O_APPEND ? info.st_size : call(SYS_lseek, fd, 0, SEEK_CUR, 0, 0);
    long out = call(n, a, b, c, d, e);
    if (out > 0) note(mark ? 'A' : 'W', 0, 0, inode, at, pieces, count, out);
    return out;
}

static long opening(long n, int folder, const char *name, long flags, long mode) {
    char path[PATH_MAX];
    struct stat before, after;
    if (!resolve(folder, name, path)) return call(SYS_openat, folder, (long)name, flags, mode, 0);
    int there = look(path, &before);
    long fd = call(SYS_openat, folder, (long)name, flags, mode, 0);
    if (fd >= 0 && !(flags & O_DIRECTORY)) {
        uint64_t inode = inode_of(fd, &after);
        if (!there) note('C', path, 0, inode, 0, 0, 0, 0);
        else if (flags & O_TRUNC) note('T', 0, 0, inode, 0, 0, 0, 0);
    }
    (void)n;
    return fd;
}

static long two_names(long n, int from, const char *a, int to, const char *b, long flags) {
    char old[PATH_MAX], new[PATH_MAX];
    struct stat info;
    int left = resolve(from, a, old), right = resolve(to, b, new), renames = n == SYS_renameat2;
    int there = (left || right) && look(old, &info);
    long out = call(n, from, (long)a, to, (long)b, flags);
    if (out == 0 && (left || right)) {
        char op = renames ? 'R' : 'L';
        note(left && right && there && !(renames && flags & RENAME_EXCHANGE) ? op : 'X', old, new, info.st_ino,
             S_ISDIR(info.st_mode), 0, 0, 0);
    }
    return out;
}

static long one_name(long n, char op, int folder, const char *name, long last) {
    char path[PATH_MAX];
    int ours = resolve(folder, name, path);
    long out = call(n, folder, (long)name, last, 0, 0);
    if (out == 0 && ours) note(op, path, 0, 0, 0, 0, 0, 0);
    return out;
}

static long sizing(long n, int fd, long size) {
    char path[PATH_MAX];
    struct stat info;
    long out = call(n, fd, size, 0, 0, 0);
    if (out == 0 && below(fd, path)) note('T', 0, 0, inode_of(fd, &info), size, 0, 0, 0);
    return out;
}

static long syncing(long n, int fd) {
    char path[PATH_MAX];
    struct stat info;
    if (!below(fd, path)) return call(n, fd, 0, 0, 0, 0);
    uint64_t inode = inode_of(fd, &info);
    note(S_ISDIR(info.st_mode) ? 'S' : 'F', path, 0, inode, 0, 0, 0, 0);
    return 0;
}

static long follow(long n, long a, long b, long c, long d, long e) {
    switch (n) {
    case SYS_write: case SYS_pwrite64: case SYS_writev: case SYS_pwritev: return writing(n, a, b, c, d, e);
    case SYS_open: return opening(n, AT_FDCWD, (char *)a, b, c);
    case SYS_creat: return opening(n, AT_FDCWD, (char *)a, O_CREAT | O_WRONLY | O_TRUNC, b);
    case SYS_openat: return opening(n, a, (char *)b, c, d);
    case SYS_rename: return two_names(SYS_renameat2, AT_FDCWD, (char *)a, AT_FDCWD, (char *)b, 0);
    case SYS_renameat: return two_names(SYS_renameat2, a, (char *)b, c, (char *)d, 0);
    case SYS_renameat2: return two_names(n, a, (char *)b, c, (char *)d, e);
    case SYS_link: return two_names(SYS_linkat, AT_FDCWD, (char *)a, AT_FDCWD, (char *)b, 0);
    case SYS_linkat: return two_names(n, a, (char *)b, c, (char *)d, e);
    case SYS_unlink: return one_name(SYS_unlinkat, 'U', AT_FDCWD, (char *)a, 0);
    case SYS_rmdir: return one_name(SYS_unlinkat, 'D', AT_FDCWD, (char *)a, AT_REMOVEDIR);
    case SYS_unlinkat: return one_name(n, c & AT_REMOVEDIR ? 'D' : 'U', a, (char *)b, c);
    case SYS_mkdir: return one_name(SYS_mkdirat, 'M', AT_FDCWD, (char *)a, b);
    case SYS_mkdirat: return one_name(n, 'M', a, (char *)b, c);
    case SYS_symlink: return one_name(SYS_symlinkat, 'X', AT_FDCWD, (char *)b, 0);
    case SYS_ftruncate: return sizing(n, a, b);
    case SYS_fsync: case SYS_fdatasync: return syncing(n, a);
    default: return -ENOSYS;
    }
}

static void caught(int number, siginfo_t *info, void *context) {
    (void)number;
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    long n = info->si_syscall, out;
    int keep = errno;
    if (journal < 0) {
        out = call(n, r[REG_RDI], r[REG_RSI], r[REG_RDX], r[REG_R10], r[REG_R8]);
    } else {
        while (__sync_lock_test_and_set(&busy, 1)) call(SYS_sched_yield, 0, 0, 0, 0, 0);
        out = follow(n, r[REG_RDI], r[REG_RSI], r[REG_RDX], r[REG_R10], r[REG_R8]);
        __sync_lock_release(&busy);
    }
    r[REG_RAX] = out;
    errno = keep;
}

static void listen_for_calls(void) {
    struct sigaction action = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigfillset(&action.sa_mask);
    sigaction(SIGSYS, &action, 0);
}

__attribute__((constructor)) static void begin(void) {
    if (getenv("LD_PRELOAD") && strstr(getenv("LD_PRELOAD"), "recorder.so")) listen_for_calls();
}

#define ARG(i) offsetof(struct seccomp_data, args[i])
#define LOAD(at) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at)
#define IF(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
#define GIVE(what) BPF_STMT(BPF_RET | BPF_K, what)
#define CATCH(n) IF(n, 0, 4), LOAD(ARG(5)), IF(MAGIC, 0, 1), GIVE(SECCOMP_RET_ALLOW), GIVE(SECCOMP_RET_TRAP)
#define CATCH_OPEN(n, flags)                                                                        \
    IF(n, 0, 6), LOAD(ARG(flags)), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_CREAT | O_TRUNC, 0, 2),   \
        LOAD(ARG(5)), IF(MAGIC, 0, 1), GIVE(SECCOMP_RET_ALLOW), GIVE(SECCOMP_RET_TRAP)
#define REFUSE(n, error) IF(n, 0, 1), GIVE(SECCOMP_RET_ERRNO | error)

int start(const char *folder, const char *acknowledged, const char *file, long events) {
    struct sock_filter filter[] = {
        LOAD(offsetof(struct seccomp_data, arch)), IF(AUDIT_ARCH_X86_64, 1, 0), GIVE(SECCOMP_RET_KILL_PROCESS),
        LOAD(offsetof(struct seccomp_data, nr)),
        CATCH(SYS_write), CATCH(SYS_pwrite64), CATCH(SYS_writev), CATCH(SYS_pwritev), CATCH(SYS_ftruncate),
        CATCH(SYS_rename), CATCH(SYS_renameat), CATCH(SYS_renameat2), CATCH(SYS_link), CATCH(SYS_linkat),
        CATCH(SYS_unlink), CATCH(SYS_unlinkat), CATCH(SYS_rmdir), CATCH(SYS_mkdir), CATCH(SYS_mkdirat),
        CATCH(SYS_symlink), CATCH(SYS_creat), CATCH(SYS_fsync), CATCH(SYS_fdatasync),
        REFUSE(SYS_copy_file_range, ENOSYS), REFUSE(SYS_sendfile, EINVAL), REFUSE(SYS_splice, EINVAL),
        REFUSE(SYS_io_uring_setup, ENOSYS), REFUSE(SYS_fallocate, EOPNOTSUPP), REFUSE(SYS_openat2, ENOSYS),
        REFUSE(SYS_pwritev2, ENOSYS), REFUSE(SYS_truncate, ENOSYS), REFUSE(SYS_symlinkat, ENOSYS),
        CATCH_OPEN(SYS_open, 1), CATCH_OPEN(SYS_openat, 2),
        IF(SYS_mmap, 0, 8), LOAD(ARG(2)), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_WRITE, 0, 6),
        LOAD(ARG(3)), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, MAP_ANONYMOUS, 4, 0),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, MAP_TYPE), IF(MAP_PRIVATE, 2, 0), IF(0, 1, 0),
        GIVE(SECCOMP_RET_ERRNO | EACCES),
        GIVE(SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    snprintf(root, sizeof root, "%s", folder);
    root_length = strlen(root);
    left = events;
    snprintf(marks, sizeof marks, "%s", acknowledged);
    int fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0) return -errno;
    journal = fcntl(fd, F_DUPFD_CLOEXEC, 900);
    if (journal < 0) return -errno;
    close(fd);
    listen_for_calls();
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return -errno;
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program)) return -errno;
    return 0;
}
