/* A disk for tests, put before the C library with LD_PRELOAD. It fails when it is told to, and it knows what a power
 * failure would leave.
 *
 *   FAULTY_DISK_FOLDER   the folder that is on it, by its real path
 *   FAULTY_DISK_PLATTER  a folder outside of that one: what would be there after a power failure
 *   FAULTY_DISK_CONTROL  a file of one `struct control`, written by the test while the program runs
 *
 * The real files are what a system has in memory. An fsync of a file copies what was written to it since the last one
 * to PLATTER/<inode>; an fsync of the folder copies the names to PLATTER/names, a line "<inode> <name>" each. So the
 * power fails when the process is killed and the test puts the platter in the place of the folder. Nothing has to be
 * undone, and a kill in the middle of an fsync leaves a part of it, as it would.
 *
 * It is as strict as POSIX allows: a name that was made, changed or removed is so after an fsync of the folder and not
 * before. After an fsync that failed, what was written stays readable and counts as written, as on Linux: no later
 * fsync brings it to the platter.
 *
 * "-shm" files are left out: they are shared memory with a name, and gone with the power.
 */

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum fault {
    NONE = 0,
    FULL = 1,         /* nothing grows: ENOSPC where something is written, extended or made */
    WRITE_FAILS = 2,  /* half of it is written, then EIO */
    SYNC_FAILS = 3,   /* EIO */
};

/* Keep equal to `Disk::orders` in disk.rs. */
struct control {
    uint32_t fault;
    uint32_t pass;    /* so many calls go well first */
    uint32_t times;   /* then so many fail; 0: all of them */
    uint32_t least;   /* smaller writes go well, in bytes */
    char suffix[48];  /* of the files that it is about; empty: all */
};

struct file {
    dev_t device;
    ino_t inode;
    char name[NAME_MAX + 1];
    /* Open until the end: closing any descriptor of a file would free the locks that SQLite holds on it. And while it
     * is open nothing else gets its inode. */
    int memory;
    int platter;      /* -1: shared memory */
    off_t low, high;  /* what was written since the last fsync lies between; none when equal */
};

#define FILES_MAX 1024

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct control *control;
static const char *folder, *platter;
static struct stat folder_stat;
static struct file files[FILES_MAX];
static int files_count;

/* The system's own calls: what is defined below has taken their names. */
static int sys_open(const char *path, int flags, mode_t mode) {
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}
static ssize_t sys_write(int fd, const void *bytes, size_t n) { return syscall(SYS_write, fd, bytes, n); }
static ssize_t sys_pwrite(int fd, const void *bytes, size_t n, off_t at) {
    return syscall(SYS_pwrite64, fd, bytes, n, at);
}
static int sys_ftruncate(int fd, off_t length) { return (int)syscall(SYS_ftruncate, fd, length); }

static void die(const char *what) {
    dprintf(2, "faulty_disk: %s: %s\n", what, strerror(errno));
    _exit(99);
}

static int ends_with(const char *text, const char *end) {
    size_t length = strlen(text), least = strlen(end);
    return length >= least && strcmp(text + length - least, end) == 0;
}

/* Whether this call is to fail; `n` is what it writes, ANY_SIZE if that does not matter. */
#define ANY_SIZE SIZE_MAX
static int fails(enum fault fault, const char *name, size_t n) {
    if (control->fault != fault || n < control->least || !ends_with(name, control->suffix)) return 0;
    if (control->pass > 0) {
        control->pass--;
        return 0;
    }
    if (control->times > 0 && --control->times == 0) control->fault = NONE;
    return 1;
}

static int platter_open(ino_t inode, int flags) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%llu", platter, (unsigned long long)inode);
    int fd = sys_open(path, O_RDWR | O_CREAT | O_CLOEXEC | flags, 0600);
    if (fd < 0) die(path);
    return fd;
}

static void mark(struct file *file, off_t low, off_t high) {
    if (high <= low) return;
    int clean = file->low == file->high;
    if (clean || low < file->low) file->low = low;
    if (clean || high > file->high) file->high = high;
}

/* Brings what was written since the last time to the platter. */
static void keep(struct file *file) {
    static char bytes[1 << 16];
    struct stat now;
    if (fstat(file->memory, &now) != 0) die(file->name);
    off_t end = file->high < now.st_size ? file->high : now.st_size;
    for (off_t at = file->low; at < end;) {
        size_t left = (size_t)(end - at);
        ssize_t n = pread(file->memory, bytes, left < sizeof bytes ? left : sizeof bytes, at);
        if (n <= 0 || sys_pwrite(file->platter, bytes, (size_t)n, at) != n) die(file->name);
        at += n;
    }
    if (sys_ftruncate(file->platter, now.st_size) != 0) die(file->name);
    file->low = file->high = 0;
}

/* Brings the names to the platter, all or none. */
static void keep_names(void) {
    char new_path[PATH_MAX], path[PATH_MAX];
    snprintf(path, sizeof path, "%s/names", platter);
    snprintf(new_path, sizeof new_path, "%s/names.new", platter);
    FILE *names = fopen(new_path, "w");
    DIR *entries = opendir(folder);
    if (!names || !entries) die(new_path);
    struct dirent *entry;
    while ((entry = readdir(entries)))
        if (entry->d_name[0] != '.' && !ends_with(entry->d_name, "-shm"))
            fprintf(names, "%llu %s\n", (unsigned long long)entry->d_ino, entry->d_name);
    closedir(entries);
    if (fclose(names) != 0 || rename(new_path, path) != 0) die(path);
}

static struct file *find(const struct stat *of) {
    for (int nth = 0; nth < files_count; nth++)
        if (files[nth].inode == of->st_ino && files[nth].device == of->st_dev) return &files[nth];
    return NULL;
}

/* The file of a descriptor, if it is on this disk. */
static struct file *file_of(int fd) {
    struct stat of;
    return fstat(fd, &of) == 0 && S_ISREG(of.st_mode) ? find(&of) : NULL;
}

/* Takes a file of the folder in, if it is not known yet. */
static struct file *take_in(const char *name, const struct stat *of, int is_new) {
    struct file *file = find(of);
    if (file) return file;
    if (files_count == FILES_MAX) die("too many files");
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = &files[files_count++];
    *file = (struct file){.device = of->st_dev, .inode = of->st_ino, .platter = -1};
    snprintf(file->name, sizeof file->name, "%s", name);
    file->memory = sys_open(path, O_RDONLY | O_CLOEXEC, 0);
    if (file->memory < 0) die(path);
    if (!ends_with(name, "-shm")) file->platter = platter_open(of->st_ino, is_new ? O_TRUNC : 0);
    return file;
}

/* What is there when the program starts is on the platter, unless the platter is older than that. */
__attribute__((constructor)) static void begin(void) {
    char path[PATH_MAX];
    const char *control_path = getenv("FAULTY_DISK_CONTROL");
    folder = getenv("FAULTY_DISK_FOLDER");
    platter = getenv("FAULTY_DISK_PLATTER");
    if (!folder || !platter || !control_path) return;
    int fd = sys_open(control_path, O_RDWR | O_CLOEXEC, 0);
    void *mapped = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd < 0 || mapped == MAP_FAILED) die(control_path);
    if (stat(folder, &folder_stat) != 0) die(folder);
    snprintf(path, sizeof path, "%s/names", platter);
    int is_first = access(path, F_OK) != 0;
    DIR *entries = opendir(folder);
    if (!entries) die(folder);
    struct dirent *entry;
    while ((entry = readdir(entries))) {
        struct stat of;
        if (fstatat(dirfd(entries), entry->d_name, &of, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(of.st_mode)) continue;
        struct file *file = take_in(entry->d_name, &of, is_first);
        if (!is_first || file->platter < 0) continue;
        mark(file, 0, of.st_size);
        keep(file);
    }
    closedir(entries);
    if (is_first) keep_names();
    control = mapped;
}

/* Whether this path names something in the folder; its last part is put to `name`. */
static int in_folder(const char *path, const char **name) {
    const char *slash = strrchr(path, '/');
    char parent[PATH_MAX];
    struct stat of;
    snprintf(parent, sizeof parent, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
    *name = slash ? slash + 1 : path;
    return stat(parent, &of) == 0 && of.st_ino == folder_stat.st_ino && of.st_dev == folder_stat.st_dev;
}

static int open_on_disk(const char *path, int flags, mode_t mode) {
    const char *name;
    struct stat before, of;
    if (!control || !in_folder(path, &name)) return sys_open(path, flags, mode);
    pthread_mutex_lock(&lock);
    int is_new = stat(path, &before) != 0;
    if (is_new && (flags & O_CREAT) && fails(FULL, name, ANY_SIZE)) {
        pthread_mutex_unlock(&lock);
        errno = ENOSPC;
        return -1;
    }
    int fd = sys_open(path, flags, mode), error = errno;
    if (fd >= 0 && fstat(fd, &of) == 0 && S_ISREG(of.st_mode)) {
        struct file *file = take_in(name, &of, is_new);
        if (!is_new && (flags & O_TRUNC)) mark(file, 0, before.st_size);
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return fd;
}

static ssize_t write_on_disk(int fd, const void *bytes, size_t n, off_t at, int moves) {
    pthread_mutex_lock(&lock);
    struct file *file = file_of(fd);
    if (!file) {
        /* A pipe or a socket may wait for its reader. */
        pthread_mutex_unlock(&lock);
        return moves ? sys_write(fd, bytes, n) : sys_pwrite(fd, bytes, n, at);
    }
    ssize_t written = -1;
    if (moves) {
        struct stat now;
        int appends = (fcntl(fd, F_GETFL) & O_APPEND) && fstat(fd, &now) == 0;
        at = appends ? now.st_size : lseek(fd, 0, SEEK_CUR);
    }
    if (fails(FULL, file->name, n)) {
        errno = ENOSPC;
    } else {
        int half = fails(WRITE_FAILS, file->name, n);
        size_t wanted = half ? n / 2 : n;
        written = moves ? sys_write(fd, bytes, wanted) : sys_pwrite(fd, bytes, wanted, at);
        if (written > 0) mark(file, at, at + written);
        if (half) {
            written = -1;
            errno = EIO;
        }
    }
    int error = errno;
    pthread_mutex_unlock(&lock);
    errno = error;
    return written;
}

static int truncate_on_disk(int fd, off_t length) {
    pthread_mutex_lock(&lock);
    struct file *file = file_of(fd);
    struct stat before;
    int done = -1;
    if (file && fstat(fd, &before) == 0 && length > before.st_size && fails(FULL, file->name, ANY_SIZE)) {
        errno = ENOSPC;
    } else {
        done = sys_ftruncate(fd, length);
        /* The length itself is always brought along. */
        if (file && done == 0 && length < before.st_size) mark(file, length, before.st_size);
    }
    int error = errno;
    pthread_mutex_unlock(&lock);
    errno = error;
    return done;
}

static int sync_on_disk(int fd, long call) {
    struct stat of;
    if (!control || fstat(fd, &of) != 0) return (int)syscall(call, fd);
    int is_folder = of.st_ino == folder_stat.st_ino && of.st_dev == folder_stat.st_dev;
    pthread_mutex_lock(&lock);
    struct file *file = find(&of);
    int failed = (file || is_folder) && fails(SYNC_FAILS, file ? file->name : "", ANY_SIZE);
    if (failed && file) file->low = file->high = 0;
    if (!failed && file && file->platter >= 0) keep(file);
    if (!failed && is_folder) keep_names();
    pthread_mutex_unlock(&lock);
    if (failed) errno = EIO;
    return failed ? -1 : file || is_folder ? 0 : (int)syscall(call, fd);
}

/* What the program calls. */
#define OPENS(name)                                                   \
    int name(const char *path, int flags, ...) {                      \
        va_list more;                                                 \
        va_start(more, flags);                                        \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; \
        va_end(more);                                                 \
        return open_on_disk(path, flags, mode);                       \
    }
OPENS(open)
OPENS(open64)

ssize_t write(int fd, const void *bytes, size_t n) {
    return control ? write_on_disk(fd, bytes, n, 0, 1) : sys_write(fd, bytes, n);
}
ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at) {
    return control ? write_on_disk(fd, bytes, n, at, 0) : sys_pwrite(fd, bytes, n, at);
}
ssize_t pwrite64(int fd, const void *bytes, size_t n, off_t at) { return pwrite(fd, bytes, n, at); }
int ftruncate(int fd, off_t length) { return control ? truncate_on_disk(fd, length) : sys_ftruncate(fd, length); }
int ftruncate64(int fd, off_t length) { return ftruncate(fd, length); }
int fsync(int fd) { return sync_on_disk(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_on_disk(fd, SYS_fdatasync); }
