/*
 * The agent inside a sandbox. It is started with one socket, fd 3, and does what the other end asks: start
 * programs, and carry their bytes. File work, searching and the network bridge are programs too ("built-ins"): a
 * forked child does them, so a FIFO, a slow pattern or a huge tree can never hold up the agent itself, and one
 * signal ends any of them.
 *
 * Frame: u32be length (of all that follows, at most 1 MiB), u8 type, u32be id, payload. A string is u32be length
 * and bytes, without NUL. Whatever breaks this ends the agent, and with it everything that it started.
 *
 *   to the agent:   1 ping | 2 exec | 3 stdin bytes (none: end) | 4 credit u32 | 5 signal u8 scope, u8 number
 *                   | 6 resize u16 rows, u16 columns
 *   from the agent: 0x81 pong | 0x82 started u32 pid | 0x83 output u8 stream, bytes | 0x84 exit u8 kind, u32 value
 *                   | 0x85 stdin credit u32 | 0x86 not started u32 errno
 *
 * Memory is bounded by credit both ways: output is read from a pipe only as far as the other end has asked for it,
 * and at most 64 KiB of stdin wait here. One thread, one poll loop, nothing allocated while idle.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <poll.h>
#include <regex.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LINK = 3, MAX_FRAME = 1 << 20, MAX_EXECS = 64, MAX_STRINGS = 4096, STDIN_WINDOW = 65536, PIECE = 32768 };
enum { QUEUE_PAUSE = 262144, PTY_DRAIN = 262144 };
/* Exit codes of built-ins: errno, or one of these. */
enum { NOT_REGULAR = 200, TRUNCATED = 201, BAD_PATTERN = 202 };

/* ---- a growing byte queue, freed when empty ---- */
struct bytes { unsigned char *at; size_t start, end, room; };

static void quit(void);

static void push(struct bytes *b, const void *data, size_t n) {
  if (b->end + n > b->room) {
    if (b->start) memmove(b->at, b->at + b->start, b->end - b->start), b->end -= b->start, b->start = 0;
    if (b->end + n > b->room) {
      size_t room = b->end + n + 1024;
      unsigned char *at = realloc(b->at, room);
      if (!at) quit();
      b->at = at, b->room = room;
    }
  }
  memcpy(b->at + b->end, data, n);
  b->end += n;
}

static void taken(struct bytes *b, size_t n) {
  b->start += n;
  if (b->start == b->end) free(b->at), memset(b, 0, sizeof *b);
}

static size_t held(const struct bytes *b) { return b->end - b->start; }

/* ---- what was started ---- */
struct exec {
  uint32_t id, credit;
  pid_t pid; /* also its session and process group */
  int in, out[2], pty, ended, status, in_closed;
  long drain[2]; /* after the end: bytes of each pipe that still belong to it */
  struct bytes stdin_queue;
};

static struct exec *execs[MAX_EXECS];
static struct bytes answers;

static void kill_descendants(void);

static void quit(void) {
  close(LINK);
  kill_descendants();
  _exit(0);
}

static void put32(unsigned char *at, uint32_t v) { v = htonl(v), memcpy(at, &v, 4); }
static uint32_t get32(const unsigned char *at) { uint32_t v; memcpy(&v, at, 4); return ntohl(v); }

static void answer(uint8_t type, uint32_t id, const void *payload, size_t n) {
  unsigned char head[9];
  put32(head, (uint32_t)(5 + n)), head[4] = type, put32(head + 5, id);
  push(&answers, head, 9), push(&answers, payload, n);
}

static void answer32(uint8_t type, uint32_t id, uint32_t value) {
  unsigned char v[4];
  put32(v, value), answer(type, id, v, 4);
}

/* Numbered folders of /proc, one after the other; 0 at the end. */
static pid_t next_process(DIR *proc) {
  for (struct dirent *e; (e = readdir(proc));)
    if (e->d_name[0] >= '1' && e->d_name[0] <= '9') return (pid_t)atoi(e->d_name);
  return 0;
}

struct process { int ppid, sid; char state, name[64]; unsigned long ticks; long pages; };

static int look_at(pid_t pid, struct process *p) {
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  if (n <= 0) return -1;
  text[n] = 0;
  char *open_at = strchr(text, '('), *close_at = strrchr(text, ')'); /* a name may hold any of both */
  if (!open_at || !close_at || close_at < open_at) return -1;
  snprintf(p->name, sizeof p->name, "%.*s", (int)(close_at - open_at - 1), open_at + 1);
  unsigned long user, system;
  int got = sscanf(close_at + 2, "%c %d %*d %d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %*d %*d %*u %*u %ld",
                   &p->state, &p->ppid, &p->sid, &user, &system, &p->pages);
  p->ticks = user + system;
  return got == 6 ? 0 : -1;
}

static void kill_where(int session, int parent) {
  DIR *proc = opendir("/proc");
  struct process p;
  for (pid_t pid; proc && (pid = next_process(proc));)
    if (pid != getpid() && look_at(pid, &p) == 0 && (session ? p.sid == session : p.ppid == parent)) kill(pid, SIGKILL);
  if (proc) closedir(proc);
}

/* As a subreaper it inherits every orphan: killing children until none is left reaches all. Two seconds bound a
 * fork bomb; in a sandbox the end of the PID namespace takes the rest. */
static void kill_descendants(void) {
  for (int round = 0; round < 400; round++) {
    for (int i = 0; i < MAX_EXECS; i++)
      if (execs[i] && !execs[i]->ended) kill(-execs[i]->pid, SIGKILL);
    kill_where(0, getpid());
    while (waitpid(-1, NULL, WNOHANG) > 0) {}
    if (waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD) return;
    usleep(5000);
  }
}

/* ---- built-ins: each runs in its own child, speaks over 0, 1 and 2, and ends with an exit code ---- */
static void put_all(const void *data, size_t n) {
  for (const char *at = data; n;) {
    ssize_t w = write(1, at, n);
    if (w < 0 && errno == EINTR) continue;
    if (w <= 0) _exit(EPIPE);
    at += w, n -= (size_t)w;
  }
}

static char kind_of(mode_t m) {
  return S_ISREG(m) ? 'f' : S_ISDIR(m) ? 'd' : S_ISLNK(m) ? 'l' : S_ISFIFO(m) ? 'p' : S_ISSOCK(m) ? 's' : S_ISCHR(m) ? 'c' : 'b';
}

static long long milliseconds(const struct stat *s) { return s->st_mtim.tv_sec * 1000LL + s->st_mtim.tv_nsec / 1000000; }

static void put_stat(const struct stat *s) {
  char line[96];
  int n = snprintf(line, sizeof line, "%c %o %lld %lld\n", kind_of(s->st_mode), s->st_mode & 07777, (long long)s->st_size, milliseconds(s));
  put_all(line, (size_t)n);
}

/* A FIFO would wait for a writer, a device may do anything: open without waiting, look, and only then read. */
static int open_regular(int at, const char *path, int flags, struct stat *s) {
  int fd = openat(at, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | flags);
  if (fd < 0) _exit(errno == ENXIO ? NOT_REGULAR : errno);
  if (fstat(fd, s)) _exit(errno);
  if (!S_ISREG(s->st_mode)) _exit(NOT_REGULAR);
  return fd;
}

static int do_stat(char **a) {
  struct stat s;
  if (lstat(a[1], &s)) return errno;
  put_stat(&s);
  return 0;
}

static int do_read(char **a) {
  struct stat s;
  int fd = open_regular(AT_FDCWD, a[1], 0, &s);
  long long at = atoll(a[2]), left = atoll(a[3]);
  put_stat(&s);
  char piece[PIECE];
  while (left > 0) {
    ssize_t n = pread(fd, piece, left < PIECE ? (size_t)left : PIECE, at);
    if (n < 0) return errno;
    if (n == 0) break;
    put_all(piece, (size_t)n), at += n, left -= n;
  }
  return 0;
}

static char staged[PATH_MAX];
static void drop_staged(int signal) { (void)signal, unlink(staged), _exit(EINTR); }
static int failed_write(int code) { unlink(staged); return code; }

/* Whole or not at all: beside the target, then renamed onto it. A link is followed first, so it stays a link. */
static int do_write(char **a) {
  static char target[PATH_MAX];
  if (strlen(a[1]) >= PATH_MAX - 32) return ENAMETOOLONG;
  strcpy(target, a[1]);
  for (char *slash = target + 1; *target && (slash = strchr(slash, '/')); *slash++ = '/')
    if ((*slash = 0, mkdir(target, 0777)) && errno != EEXIST) return errno;
  char *real = realpath(a[1], NULL);
  if (real) {
    if (strlen(real) >= PATH_MAX - 32) return ENAMETOOLONG;
    strcpy(target, real);
  }
  struct stat s;
  mode_t mode = 0666;
  if (stat(target, &s) == 0) {
    if (!S_ISREG(s.st_mode)) return NOT_REGULAR;
    mode = s.st_mode & 0777;
  } else if (errno != ENOENT) return errno;
  else { mode_t mask = umask(0); umask(mask), mode &= ~mask; }
  if (a[2][0] != '-') mode = (mode_t)strtol(a[2], NULL, 8) & 0777;
  char *base = strrchr(target, '/');
  snprintf(staged, sizeof staged, "%.*s.staged-XXXXXX", base ? (int)(base - target + 1) : 0, target);
  sigset_t term;
  sigemptyset(&term), sigaddset(&term, SIGTERM), sigprocmask(SIG_BLOCK, &term, NULL);
  int fd = mkostemp(staged, O_CLOEXEC);
  if (fd < 0) return errno;
  signal(SIGTERM, drop_staged), sigprocmask(SIG_UNBLOCK, &term, NULL);
  char piece[PIECE];
  long long left = atoll(a[3]), most = llabs(left), total = 0; /* exactly so many bytes; if negative, at most */
  for (ssize_t n; (n = read(0, piece, PIECE));) {
    if (n < 0) return failed_write(errno);
    if ((total += n) > most) return failed_write(EFBIG);
    for (ssize_t done = 0, w; done < n; done += w)
      if ((w = write(fd, piece + done, (size_t)(n - done))) < 0) return failed_write(errno);
  }
  if (left >= 0 && total != left) return failed_write(EINTR); /* the sender went away in the middle */
  if (fchmod(fd, mode) || close(fd) || rename(staged, target)) return failed_write(errno);
  return 0;
}

static int matches(const char *pattern, const char *path) {
  if (strncmp(pattern, "**", 2) == 0 && (pattern[2] == '/' || !pattern[2])) {
    if (!pattern[2]) return 1;
    for (const char *rest = path; rest; rest = strchr(rest, '/') ? strchr(rest, '/') + 1 : NULL)
      if (matches(pattern + 3, rest)) return 1;
    return 0;
  }
  const char *pattern_end = strchrnul(pattern, '/'), *path_end = strchrnul(path, '/');
  char one[NAME_MAX + 1], name[NAME_MAX + 1];
  if (pattern_end - pattern > NAME_MAX || path_end - path > NAME_MAX) return 0;
  snprintf(one, sizeof one, "%.*s", (int)(pattern_end - pattern), pattern);
  snprintf(name, sizeof name, "%.*s", (int)(path_end - path), path);
  if (fnmatch(one, name, 0)) return 0;
  if (!*pattern_end || !*path_end) return *pattern_end == *path_end;
  return matches(pattern_end + 1, path_end + 1);
}

struct walk {
  const char *root, *pattern;
  char path[PATH_MAX];
  long seen, found;
  int capped;
  void (*visit)(struct walk *, int folder, const char *name, const struct stat *);
};

/* Links are not followed: no way around in circles. Depth and number of entries are bounded. */
static void walk_folder(struct walk *w, int folder, int depth) {
  DIR *d = fdopendir(folder);
  if (!d) { close(folder); return; }
  size_t length = strlen(w->path);
  for (struct dirent *e; (e = readdir(d)) && !(w->capped & 2);) {
    if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
    struct stat s;
    if (++w->seen > 1000000) { w->capped = 3; break; }
    if (length + strlen(e->d_name) + 2 > PATH_MAX || fstatat(folder, e->d_name, &s, AT_SYMLINK_NOFOLLOW)) continue;
    sprintf(w->path + length, "%s%s", length ? "/" : "", e->d_name);
    if (!S_ISDIR(s.st_mode)) w->visit(w, folder, e->d_name, &s);
    else if (!strcmp(e->d_name, ".git") || !strcmp(e->d_name, "node_modules")) { /* large, and nobody means them: only as a root */ }
    else if (depth >= 64) w->capped |= 1;
    else {
      int below = openat(folder, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      if (below >= 0) walk_folder(w, below, depth + 1);
    }
    w->path[length] = 0;
  }
  closedir(d);
}

enum { GLOB_CAP = 200 };
static struct { long long when; char *path; } newest[GLOB_CAP];
static int newest_count;

/* Patterns, one a line. */
static int matches_one(const char *patterns, const char *path) {
  char one[PATH_MAX];
  for (const char *end; *patterns; patterns = *end ? end + 1 : end) {
    end = strchrnul(patterns, '\n');
    if ((size_t)snprintf(one, sizeof one, "%.*s", (int)(end - patterns), patterns) < sizeof one && matches(one, path)) return 1;
  }
  return 0;
}

static void keep_newest(struct walk *w, int folder, const char *name, const struct stat *s) {
  (void)folder, (void)name;
  if (!matches_one(w->pattern, w->path)) return;
  w->found++;
  long long when = s->st_mtim.tv_sec * 1000000000LL + s->st_mtim.tv_nsec;
  int at = newest_count;
  while (at && newest[at - 1].when < when) at--;
  if (at == GLOB_CAP) return;
  if (newest_count == GLOB_CAP) free(newest[--newest_count].path);
  memmove(newest + at + 1, newest + at, (size_t)(newest_count - at) * sizeof *newest);
  newest[at].when = when, newest[at].path = strdup(w->path), newest_count++;
}

static int do_glob(char **a) {
  struct walk w = {.root = a[2], .pattern = a[1], .visit = keep_newest};
  int folder = open(w.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return errno;
  walk_folder(&w, folder, 0);
  for (int i = 0; i < newest_count; i++) {
    if (strcmp(w.root, "/")) put_all(w.root, strlen(w.root));
    if (w.root[strlen(w.root) - 1] != '/' || !w.root[1]) put_all("/", 1);
    put_all(newest[i].path, strlen(newest[i].path) + 1);
  }
  return w.capped || w.found > GLOB_CAP ? TRUNCATED : 0;
}

static regex_t expression;
static const char *fixed;
static long grep_left;

static void grep_file(struct walk *w, int folder, const char *name, const struct stat *s) {
  if (!S_ISREG(s->st_mode) || s->st_size > (64 << 20)) return;
  int fd = openat(folder, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
  FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
  if (!f) { if (fd >= 0) close(fd); return; }
  static char line[PIECE];
  long number = 1;
  for (int first = 1; fgets(line, sizeof line, f); first = 0) {
    size_t n = strlen(line);
    if (first && (n < 1 || memchr(line, 0, n))) break;
    int whole = n && line[n - 1] == '\n';
    if (!whole && n < sizeof line - 1 && !feof(f)) break; /* a NUL: binary */
    if (whole) line[n - 1] = 0;
    if (fixed ? strstr(line, fixed) != NULL : regexec(&expression, line, 0, NULL, 0) == 0) {
      char out[PATH_MAX * 2 + 2100];
      int m = snprintf(out, sizeof out, "%s%s%s:%ld:%.2000s\n", w->root, *w->path && w->root[strlen(w->root) - 1] != '/' ? "/" : "", w->path, number, line);
      if ((grep_left -= m) < 0) { w->capped = 3; break; }
      put_all(out, (size_t)m);
    }
    number += whole;
  }
  fclose(f);
}

static int do_grep(char **a) {
  struct walk w = {.root = a[3], .visit = grep_file};
  grep_left = atol(a[4]);
  if (a[1][0] == 'F') fixed = a[2];
  else if (regcomp(&expression, a[2], REG_EXTENDED | REG_NOSUB | (a[1][0] == 'i' ? REG_ICASE : 0))) return BAD_PATTERN;
  struct stat s;
  if (stat(w.root, &s)) return errno;
  if (S_ISDIR(s.st_mode)) {
    int folder = open(w.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return errno;
    walk_folder(&w, folder, 0);
  } else {
    char *real = realpath(w.root, NULL);
    if (!S_ISREG(s.st_mode) || !real) return NOT_REGULAR;
    grep_file(&w, AT_FDCWD, real, &s);
  }
  return w.capped ? TRUNCATED : 0;
}

static int do_ps(char **a) {
  (void)a;
  DIR *proc = opendir("/proc");
  if (!proc) return errno;
  int count = 0;
  struct process p;
  for (pid_t pid; (pid = next_process(proc));) {
    if (pid == getpid() || look_at(pid, &p)) continue;
    if (++count > 2000) return TRUNCATED;
    char path[64], command[513] = "", line[800];
    snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, command, sizeof command - 1);
    if (fd >= 0) close(fd);
    for (ssize_t i = 0; i + 1 < n; i++) if (!command[i]) command[i] = ' ';
    int m = snprintf(line, sizeof line, "%d %d %c %ld %lu %s", pid, p.ppid, p.state, p.pages * (sysconf(_SC_PAGESIZE) / 1024),
                     p.ticks * 1000 / (unsigned long)sysconf(_SC_CLK_TCK), *command ? command : p.name);
    put_all(line, (size_t)m + 1);
  }
  return 0;
}

static int do_kill(char **a) {
  pid_t pid = atoi(a[1]);
  if (pid <= 1 || pid == getppid()) return EPERM; /* not the init, nor the agent: that is the owner's to do */
  return kill(pid, atoi(a[2])) ? errno : 0;
}

/* ---- the bridge: a listener on loopback; each connection goes to one unix socket ---- */
struct side { int fd, read_ended, write_ended; struct bytes queue; }; /* queue: waits to be written to fd */
struct pair { struct side side[2]; };
enum { MAX_PAIRS = 64, SIDE_QUEUE = 65536 };

static int move_bytes(struct pair *p, int from) {
  struct side *a = &p->side[from], *b = &p->side[!from];
  char piece[16384];
  ssize_t n = a->read_ended || held(&b->queue) >= SIDE_QUEUE ? -2 : recv(a->fd, piece, sizeof piece, MSG_DONTWAIT);
  if (n == -1 && errno != EAGAIN && errno != EINTR) return -1;
  if (n == 0) a->read_ended = 1;
  if (n > 0) push(&b->queue, piece, (size_t)n);
  if (held(&b->queue)) {
    ssize_t w = send(b->fd, b->queue.at + b->queue.start, held(&b->queue), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (w == -1 && errno != EAGAIN && errno != EINTR) return -1;
    if (w > 0) taken(&b->queue, (size_t)w);
  }
  if (a->read_ended && !held(&b->queue) && !b->write_ended) b->write_ended = 1, shutdown(b->fd, SHUT_WR);
  return 0;
}

static void end_pair(struct pair **p) {
  for (int i = 0; i < 2; i++) close((*p)->side[i].fd), free((*p)->side[i].queue.at);
  free(*p), *p = NULL;
}

static int do_bridge(char **a) {
  struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(a[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct sockaddr_un there = {.sun_family = AF_UNIX};
  socklen_t size = sizeof here;
  int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (strlen(a[2]) >= sizeof there.sun_path) return ENAMETOOLONG;
  strcpy(there.sun_path, a[2]);
  if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on)) return errno;
  if (bind(listener, (void *)&here, size) || listen(listener, 64) || getsockname(listener, (void *)&here, &size)) return errno;
  char line[32];
  put_all(line, (size_t)snprintf(line, sizeof line, "ready %d\n", ntohs(here.sin_port)));
  static struct pair *pairs[MAX_PAIRS];
  for (;;) {
    struct pollfd set[1 + 2 * MAX_PAIRS];
    int free_at = -1;
    for (int i = 0; i < MAX_PAIRS; i++) {
      if (!pairs[i]) free_at = i;
      for (int s = 0; s < 2; s++) {
        struct pollfd *f = &set[1 + 2 * i + s];
        *f = (struct pollfd){.fd = -1};
        if (!pairs[i]) continue;
        struct side *me = &pairs[i]->side[s], *other = &pairs[i]->side[!s];
        f->events = (short)((!me->read_ended && held(&other->queue) < SIDE_QUEUE ? POLLIN : 0) | (held(&me->queue) ? POLLOUT : 0));
        f->fd = f->events ? me->fd : -1;
      }
    }
    set[0] = (struct pollfd){.fd = free_at < 0 ? -1 : listener, .events = POLLIN};
    if (poll(set, 1 + 2 * MAX_PAIRS, -1) < 0 && errno != EINTR) return errno;
    for (int i = 0; i < MAX_PAIRS; i++) {
      if (!pairs[i] || !(set[1 + 2 * i].revents | set[2 + 2 * i].revents)) continue;
      int broken = move_bytes(pairs[i], 0) | move_bytes(pairs[i], 1);
      if (broken || (pairs[i]->side[0].write_ended && pairs[i]->side[1].write_ended)) end_pair(&pairs[i]);
    }
    if (!(set[0].revents & POLLIN)) continue;
    int from = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (from < 0) continue;
    int to = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct pair *made = to < 0 || connect(to, (void *)&there, sizeof there) ? NULL : calloc(1, sizeof *made);
    if (made) made->side[0].fd = from, made->side[1].fd = to, pairs[free_at] = made;
    else { close(from); if (to >= 0) close(to); }
  }
}

static const struct { const char *name; int arguments; int (*run)(char **); } builtins[] = {
  {"stat", 1, do_stat}, {"read", 3, do_read}, {"write", 3, do_write}, {"glob", 2, do_glob}, {"grep", 4, do_grep},
  {"ps", 0, do_ps}, {"kill", 2, do_kill}, {"bridge", 2, do_bridge},
};

/* ---- starting ---- */
struct ask { uint8_t flags; uint32_t credit; uint16_t rows, columns; char *cwd, **argv, **env; };
enum { PTY = 1, STDIN_PIPE = 2, BUILTIN = 4, JOINED = 8 };

static void child(const struct ask *ask, int fds[3], int report) {
  setsid();
  if (ask->flags & PTY) ioctl(fds[0], TIOCSCTTY, 0);
  for (int i = 0; i < 3; i++) dup2(fds[i], i);
  sigset_t none;
  sigemptyset(&none), sigprocmask(SIG_SETMASK, &none, NULL), signal(SIGPIPE, SIG_DFL);
  prctl(PR_SET_PDEATHSIG, SIGKILL); /* an agent that is killed takes its children along */
  if (chdir(ask->cwd)) goto failed;
  if (ask->flags & BUILTIN) {
    syscall(SYS_close_range, 3, ~0U, 0);
    for (size_t i = 0; i < sizeof builtins / sizeof *builtins; i++) {
      int count = 0;
      while (ask->argv[count]) count++;
      if (!strcmp(ask->argv[0], builtins[i].name) && count == builtins[i].arguments + 1) _exit(builtins[i].run(ask->argv));
    }
    _exit(ENOSYS);
  }
  environ = ask->env;
  execvp(ask->argv[0], ask->argv);
failed:;
  int why = errno;
  if (write(report, &why, sizeof why) < 0) _exit(126);
  _exit(127);
}

/* fds: the child's three; kept: ours (in, out, err). What cannot be had leaves nothing open. */
static int make_pipes(const struct ask *ask, int fds[3], int kept[3]) {
  for (int i = 0; i < 3; i++) fds[i] = kept[i] = -1;
  if (ask->flags & PTY) {
    int lock = 0, master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0) return -1;
    kept[1] = master;
    if (ioctl(master, TIOCSPTLCK, &lock)) return -1;
    struct winsize size = {.ws_row = ask->rows, .ws_col = ask->columns};
    if ((fds[0] = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0 || ioctl(master, TIOCSWINSZ, &size)) return -1;
    fds[1] = fds[2] = fds[0];
    return (kept[0] = fcntl(master, F_DUPFD_CLOEXEC, 3)) < 0 ? -1 : 0;
  }
  int p[2];
  if (ask->flags & STDIN_PIPE) {
    if (pipe2(p, O_CLOEXEC)) return -1;
    fds[0] = p[0], kept[0] = p[1];
  } else if ((fds[0] = open("/dev/null", O_RDONLY | O_CLOEXEC)) < 0) return -1;
  if (pipe2(p, O_CLOEXEC)) return -1;
  fds[1] = p[1], kept[1] = p[0];
  if (ask->flags & JOINED) { fds[2] = fds[1]; return 0; }
  if (pipe2(p, O_CLOEXEC)) return -1;
  fds[2] = p[1], kept[2] = p[0];
  return 0;
}

static void close_all(int fds[3]) {
  for (int i = 0; i < 3; i++)
    if (fds[i] >= 0 && (!i || fds[i] != fds[i - 1]) && !(i == 2 && fds[2] == fds[0])) close(fds[i]);
}

static int start(const struct ask *ask, struct exec *e) {
  int fds[3], kept[3], report[2];
  if (make_pipes(ask, fds, kept) || pipe2(report, O_CLOEXEC)) {
    int why = errno;
    close_all(fds), close_all(kept);
    return why;
  }
  pid_t pid = fork();
  if (pid == 0) child(ask, fds, report[1]);
  int why = pid < 0 ? errno : 0;
  close_all(fds), close(report[1]);
  if (pid > 0 && read(report[0], &why, sizeof why) == (ssize_t)sizeof why) waitpid(pid, NULL, 0);
  close(report[0]);
  if (why) { close_all(kept); return why; }
  for (int i = 0; i < 3; i++) if (kept[i] >= 0) fcntl(kept[i], F_SETFL, O_NONBLOCK | (i ? O_RDONLY : O_WRONLY) );
  e->pid = pid, e->in = kept[0], e->out[0] = kept[1], e->out[1] = kept[2], e->pty = ask->flags & PTY, e->credit = ask->credit;
  return 0;
}

/* ---- requests ---- */
struct reader { const unsigned char *at; size_t left; };

static const unsigned char *take(struct reader *r, size_t n) {
  if (r->left < n) quit();
  const unsigned char *at = r->at;
  r->at += n, r->left -= n;
  return at;
}
static uint32_t take32(struct reader *r) { return get32(take(r, 4)); }
static uint16_t take16(struct reader *r) { const unsigned char *v = take(r, 2); return (uint16_t)(v[0] << 8 | v[1]); }
static char *take_string(struct reader *r) {
  uint32_t n = take32(r);
  const unsigned char *at = take(r, n);
  if (memchr(at, 0, n)) quit();
  char *text = strndup((const char *)at, n);
  if (!text) quit();
  return text;
}
static char **take_strings(struct reader *r) {
  uint32_t n = take32(r);
  if (n > MAX_STRINGS) quit();
  char **list = calloc(n + 1, sizeof *list);
  if (!list) quit();
  for (uint32_t i = 0; i < n; i++) list[i] = take_string(r);
  return list;
}
static void free_strings(char **list) {
  for (char **s = list; *s; s++) free(*s);
  free(list);
}

static struct exec **find(uint32_t id) {
  for (int i = 0; i < MAX_EXECS; i++)
    if (execs[i] && execs[i]->id == id) return &execs[i];
  return NULL;
}

static void begin(uint32_t id, struct reader *r) {
  struct ask ask;
  ask.flags = *take(r, 1), ask.credit = take32(r), ask.rows = take16(r), ask.columns = take16(r);
  ask.cwd = take_string(r), ask.argv = take_strings(r), ask.env = take_strings(r);
  if (r->left || !ask.argv[0] || find(id)) quit();
  int slot = 0, why = EAGAIN;
  while (slot < MAX_EXECS && execs[slot]) slot++;
  struct exec *e = slot < MAX_EXECS ? calloc(1, sizeof *e) : NULL;
  if (e && (why = start(&ask, e)) == 0) {
    e->id = id, execs[slot] = e;
    answer32(0x82, id, (uint32_t)e->pid);
  } else {
    free(e);
    answer32(0x86, id, (uint32_t)why);
  }
  free(ask.cwd), free_strings(ask.argv), free_strings(ask.env);
}

/* A frame about something that has just ended is no violation: it crossed the exit on its way. */
static void handle(uint8_t type, uint32_t id, const unsigned char *payload, size_t n) {
  struct reader r = {payload, n};
  struct exec **found = find(id), *e = found ? *found : NULL;
  if (type == 1) answer(0x81, id, "", 0);
  else if (type == 2) begin(id, &r);
  else if (type == 3) {
    if (!e || e->in_closed || e->in < 0) return;
    if (held(&e->stdin_queue) + n > STDIN_WINDOW) quit();
    if (n) push(&e->stdin_queue, payload, n);
    else e->in_closed = 1;
  } else if (type == 4) {
    uint32_t more = take32(&r);
    if (e && e->credit + (uint64_t)more > UINT32_MAX) quit();
    if (e) e->credit += more;
  } else if (type == 5) {
    uint8_t scope = *take(&r, 1), number = *take(&r, 1);
    if (number > 64) quit();
    if (!e) return;
    if (!e->ended) kill(scope == 0 ? e->pid : -e->pid, number);
    if (scope == 2) kill_where(e->pid, 0);
  } else if (type == 6) {
    struct winsize size = {.ws_row = take16(&r), .ws_col = take16(&r)};
    if (e && e->pty && e->out[0] >= 0) ioctl(e->out[0], TIOCSWINSZ, &size);
  } else quit();
}

/* ---- the loop ---- */
static struct { unsigned char head[9]; size_t have; unsigned char *payload; } incoming;

static void receive(void) {
  for (int turns = 0; turns < 32; turns++) {
    size_t need = 9;
    unsigned char *to = incoming.head + incoming.have;
    if (incoming.have >= 9) {
      need = 4 + (size_t)get32(incoming.head);
      to = incoming.payload + incoming.have - 9;
    }
    if (need > incoming.have) {
      ssize_t n = recv(LINK, to, need - incoming.have, MSG_DONTWAIT);
      if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) quit();
      if (n < 0) return;
      incoming.have += (size_t)n;
    }
    if (incoming.have < 9) continue;
    uint32_t length = get32(incoming.head);
    if (length < 5 || length > MAX_FRAME) quit();
    if (!incoming.payload && !(incoming.payload = malloc(length))) quit();
    if (incoming.have < 4 + (size_t)length) continue;
    handle(incoming.head[4], get32(incoming.head + 5), incoming.payload, length - 5);
    free(incoming.payload), memset(&incoming, 0, sizeof incoming);
  }
}

static void pump_out(struct exec *e, int which) {
  static unsigned char piece[PIECE + 1];
  size_t most = e->credit < PIECE ? e->credit : PIECE;
  if (e->ended && e->drain[which] < (long)most) most = e->drain[which] > 0 ? (size_t)e->drain[which] : 0;
  ssize_t n = most ? read(e->out[which], piece + 1, most) : e->ended ? 0 : -2;
  if (n == -2 || (n == -1 && (errno == EINTR || (errno == EAGAIN && !e->ended)))) return;
  if (n <= 0) { close(e->out[which]), e->out[which] = -1; return; }
  piece[0] = (unsigned char)(which + 1);
  e->credit -= (uint32_t)n, e->drain[which] -= n;
  answer(0x83, e->id, piece, (size_t)n + 1);
}

static void pump_in(struct exec *e) {
  if (held(&e->stdin_queue)) {
    ssize_t n = write(e->in, e->stdin_queue.at + e->stdin_queue.start, held(&e->stdin_queue));
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n < 0) n = (ssize_t)held(&e->stdin_queue); /* nobody reads any more: what is left goes nowhere */
    taken(&e->stdin_queue, (size_t)n);
    answer32(0x85, e->id, (uint32_t)n);
  }
  if (!held(&e->stdin_queue) && e->in_closed && e->in >= 0) {
    if (e->pty && write(e->in, "\4", 1) < 0 && errno == EAGAIN) return;
    close(e->in), e->in = -1;
  }
}

/* What a pipe holds at the end still belongs to the exec; what a daemon writes later does not, so none can hold the
 * call open (attack 27). */
static void note_end(pid_t pid, int status) {
  for (int i = 0; i < MAX_EXECS; i++) {
    struct exec *e = execs[i];
    if (!e || e->ended || e->pid != pid) continue;
    e->ended = 1, e->status = status;
    for (int k = 0; k < 2; k++) {
      int pending = 0;
      if (e->out[k] >= 0) e->drain[k] = e->pty ? PTY_DRAIN : ioctl(e->out[k], FIONREAD, &pending) ? 0 : pending;
    }
  }
}

static void finish(struct exec **at) {
  struct exec *e = *at;
  unsigned char end[5] = {(unsigned char)(WIFSIGNALED(e->status) ? 1 : 0)};
  put32(end + 1, (uint32_t)(WIFSIGNALED(e->status) ? WTERMSIG(e->status) : WEXITSTATUS(e->status)));
  answer(0x84, e->id, end, 5);
  if (e->in >= 0) close(e->in);
  free(e->stdin_queue.at), free(e), *at = NULL;
}

static void turn(int signals) {
  struct pollfd set[2 + 3 * MAX_EXECS];
  struct { struct exec *e; int which; } of[2 + 3 * MAX_EXECS];
  nfds_t n = 2;
  int flooded = held(&answers) > QUEUE_PAUSE; /* whoever does not read is not served further */
  set[0] = (struct pollfd){.fd = LINK, .events = (short)((flooded ? 0 : POLLIN) | (held(&answers) ? POLLOUT : 0))};
  set[1] = (struct pollfd){.fd = signals, .events = POLLIN};
  for (int i = 0; i < MAX_EXECS; i++) {
    struct exec *e = execs[i];
    if (!e) continue;
    for (int k = 0; k < 2; k++)
      if (e->out[k] >= 0 && e->credit && !flooded) set[n] = (struct pollfd){.fd = e->out[k], .events = POLLIN}, of[n].e = e, of[n++].which = k;
    if (e->in >= 0 && (held(&e->stdin_queue) || e->in_closed)) set[n] = (struct pollfd){.fd = e->in, .events = POLLOUT}, of[n].e = e, of[n++].which = 2;
  }
  if (poll(set, n, -1) < 0) { if (errno == EINTR) return; quit(); }
  if (set[0].revents & POLLOUT) {
    ssize_t w = send(LINK, answers.at + answers.start, held(&answers), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (w < 0 && errno != EAGAIN && errno != EINTR) quit();
    if (w > 0) taken(&answers, (size_t)w);
  }
  for (nfds_t i = 2; i < n; i++)
    if (set[i].revents) { if (of[i].which == 2) pump_in(of[i].e); else pump_out(of[i].e, of[i].which); }
  if (set[1].revents) {
    struct signalfd_siginfo info;
    while (read(signals, &info, sizeof info) > 0) {}
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) note_end(pid, status);
  }
  if (set[0].revents & (POLLIN | POLLHUP | POLLERR)) receive();
  for (int i = 0; i < MAX_EXECS; i++) {
    struct exec *e = execs[i];
    if (!e || !e->ended) continue;
    for (int k = 0; k < 2; k++) if (e->out[k] >= 0 && (e->drain[k] <= 0 || e->credit) && held(&answers) <= QUEUE_PAUSE) pump_out(e, k);
    if (e->out[0] < 0 && e->out[1] < 0) finish(&execs[i]);
  }
}

int main(void) {
  struct stat s;
  if (fstat(LINK, &s) || !S_ISSOCK(s.st_mode)) return 64;
  fcntl(LINK, F_SETFD, FD_CLOEXEC);
  syscall(SYS_close_range, 4, ~0U, 0);
  prctl(PR_SET_DUMPABLE, 0); /* nobody of the same user reads this memory or takes the socket */
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  sigemptyset(&set), sigaddset(&set, SIGCHLD), sigprocmask(SIG_BLOCK, &set, NULL);
  int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals < 0) return 65;
  for (;;) turn(signals);
}
