/*
 * What the attack list does where a shell cannot: raw system calls, threads, locked memory. It runs inside a sandbox,
 * whose other programs are as hostile. `attack GROUP [ARGUMENT…]` prints a line for each try, `name: outcome`, where the
 * outcome is the errno's name, `allowed`, `signal N` or a number; and at the end `end: N`, so that a list cut short is
 * seen. Each bomb stops by itself far below what a host would notice.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_open_tree
#define SYS_open_tree 428
#define SYS_move_mount 429
#define SYS_fsopen 430
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#define SYS_clone3 435
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif
#ifndef SYS_io_uring_setup
#define SYS_io_uring_setup 425
#endif

enum { MiB = 1 << 20 };
static int tries;

static const char *name_of(int number) {
  static const struct { int number; const char *name; } known[] = {
      {EPERM, "EPERM"}, {EACCES, "EACCES"}, {EROFS, "EROFS"}, {ENOENT, "ENOENT"}, {ESRCH, "ESRCH"}, {ENOSYS, "ENOSYS"},
      {EINVAL, "EINVAL"}, {EAFNOSUPPORT, "EAFNOSUPPORT"}, {EAGAIN, "EAGAIN"}, {ENOMEM, "ENOMEM"}, {EBADF, "EBADF"},
      {EFAULT, "EFAULT"}, {ENETUNREACH, "ENETUNREACH"}, {ECONNREFUSED, "ECONNREFUSED"}, {ENOSPC, "ENOSPC"},
      {ENOTTY, "ENOTTY"}, {EIO, "EIO"}, {EPROTONOSUPPORT, "EPROTONOSUPPORT"}, {ESOCKTNOSUPPORT, "ESOCKTNOSUPPORT"},
      {ENODEV, "ENODEV"}, {ENXIO, "ENXIO"}, {EBUSY, "EBUSY"}, {EEXIST, "EEXIST"}, {EUSERS, "EUSERS"},
      {EOPNOTSUPP, "EOPNOTSUPP"}, {EMFILE, "EMFILE"}, {ENOTDIR, "ENOTDIR"}, {ETXTBSY, "ETXTBSY"},
      {ENOKEY, "ENOKEY"}, {EOVERFLOW, "EOVERFLOW"}, {EPIPE, "EPIPE"},
  };
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (known[i].number == number) return known[i].name;
  static char text[32];
  snprintf(text, sizeof text, "errno %d", number);
  return text;
}

static void say(const char *what, const char *outcome) { printf("%s: %s\n", what, outcome), fflush(stdout), tries++; }
static void told(const char *what, long got) { say(what, got < 0 ? name_of(errno) : "allowed"); }
#define TRY(what, call) (errno = 0, told(what, (long)(call)))

/* In a child, for what may be killed for it or would change this process. */
static void apart(const char *what, void (*act)(void)) {
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) { act(); _exit(0); }
  int status = 0;
  if (pid < 0 || waitpid(pid, &status, 0) < 0) { told(what, -1); return; }
  if (!WIFSIGNALED(status)) { errno = WEXITSTATUS(status); told(what, errno ? -1 : 0); return; }
  char text[32];
  snprintf(text, sizeof text, "signal %d", WTERMSIG(status));
  say(what, text);
}

static void mounts(void) {
  TRY("mount a tmpfs", syscall(SYS_mount, "x", "/tmp", "tmpfs", 0L, ""));
  TRY("remount the root writable", syscall(SYS_mount, "none", "/", "", 0x1020L, ""));
  TRY("bind the root", syscall(SYS_mount, "/", "/tmp", "", 0x1000L, ""));
  TRY("unmount /proc/sys", syscall(SYS_umount2, "/proc/sys", 2L));
  TRY("move_mount", syscall(SYS_move_mount, AT_FDCWD, "/tmp", AT_FDCWD, "/workspace", 0L));
  TRY("open_tree", syscall(SYS_open_tree, AT_FDCWD, "/", 1L));
  TRY("fsopen", syscall(SYS_fsopen, "tmpfs", 0L));
  TRY("mount_setattr", syscall(SYS_mount_setattr, AT_FDCWD, "/", 0L, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 32L));
  TRY("pivot_root", syscall(SYS_pivot_root, "/tmp", "/tmp"));
  TRY("chroot", syscall(SYS_chroot, "/tmp"));
}

static void unshare_user(void) { _exit(syscall(SYS_unshare, CLONE_NEWUSER) ? errno : 0); }
static void unshare_net(void) { _exit(syscall(SYS_unshare, CLONE_NEWNET) ? errno : 0); }
static void unshare_mount(void) { _exit(syscall(SYS_unshare, CLONE_NEWNS) ? errno : 0); }
static void clone_user(void) {
  long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0L, 0L, 0L, 0L);
  _exit(pid < 0 ? errno : 0);
}
static void clone3_user(void) {
  uint64_t args[11] = {CLONE_NEWUSER, [4] = SIGCHLD};
  long pid = syscall(SYS_clone3, args, sizeof args);
  _exit(pid < 0 ? errno : 0);
}
static void enter_own(void) {
  int fd = open("/proc/self/ns/user", O_RDONLY);
  _exit(syscall(SYS_setns, fd, 0L) ? errno : 0);
}
static void namespaces(void) {
  apart("unshare a user namespace", unshare_user);
  apart("unshare a network namespace", unshare_net);
  apart("unshare a mount namespace", unshare_mount);
  apart("clone into a user namespace", clone_user);
  apart("clone3 into a user namespace", clone3_user);
  apart("setns", enter_own);
}

static void all_capabilities(void) {
  uint32_t head[2] = {0x20080522, 0}, sets[6] = {~0u, ~0u, ~0u, ~0u, ~0u, ~0u};
  _exit(syscall(SYS_capset, head, sets) ? errno : 0);
}
static void become_root(void) { _exit(syscall(SYS_setuid, 0L) ? errno : 0); }
static void join_groups(void) { uint32_t group = 0; _exit(syscall(SYS_setgroups, 1L, &group) ? errno : 0); }
static void raise_ambient(void) { _exit(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 21, 0, 0) ? errno : 0); }
static void privilege(void) {
  apart("setuid 0", become_root);
  apart("setgroups", join_groups);
  apart("capset", all_capabilities);
  apart("raise an ambient capability", raise_ambient);
  TRY("clear no_new_privs", prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
  say("no_new_privs", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? "1" : "0");
}

static void devices(void) {
  TRY("make /dev/mem", mknod("/tmp/mem", S_IFCHR | 0600, 1 << 8 | 1));
  TRY("make a disk", mknod("/workspace/disk", S_IFBLK | 0600, 254 << 8));
  TRY("make kvm", mknod("/tmp/kvm", S_IFCHR | 0600, 10 << 8 | 232));
}

static void handles(void) {
  struct { uint32_t bytes; int type; unsigned char at[128]; } handle = {.bytes = 128};
  int mount_id;
  TRY("name_to_handle_at", syscall(SYS_name_to_handle_at, AT_FDCWD, "/usr", &handle, &mount_id, 0L));
  handle.bytes = 8, handle.type = 1, handle.at[0] = 2; /* the root's inode, as Shocker wrote it */
  int fd = open("/etc", O_RDONLY | O_DIRECTORY);
  TRY("open_by_handle_at", syscall(SYS_open_by_handle_at, fd, &handle, O_RDONLY));
}

#ifdef __x86_64__
static void by_int80(void) {
  long got;
  __asm__ volatile("int $0x80" : "=a"(got) : "a"(20L) : "memory", "r8", "r9", "r10", "r11");
  _exit(got > 0 ? 0 : (int)-got);
}
static void by_x32(void) { _exit(syscall(0x40000000L | SYS_getpid) < 0 ? errno : 0); }
#endif
static void foreign(void) {
#ifdef __x86_64__
  apart("int 0x80", by_int80);
  apart("x32", by_x32);
#endif
}

static void surface(void) {
  char params[256] = {0};
  TRY("io_uring_setup", syscall(SYS_io_uring_setup, 4L, params));
  TRY("userfaultfd", syscall(SYS_userfaultfd, 1L));
  TRY("bpf", syscall(SYS_bpf, 0L, params, 72L));
  memset(params, 0, sizeof params), params[4] = 112, params[0] = 1;
  TRY("perf_event_open", syscall(SYS_perf_event_open, params, 0L, -1L, -1L, 0L));
  TRY("init_module", syscall(SYS_init_module, params, 10L, ""));
  TRY("kexec_load", syscall(SYS_kexec_load, 0L, 0L, 0L, 0L));
  TRY("fanotify_init", syscall(SYS_fanotify_init, 0L, 0L));
  TRY("syslog", syscall(SYS_syslog, 3L, params, 10L));
}

static void sockets(void) {
  static const struct { const char *what; int family, type, protocol; } all[] = {
      {"raw IPv4", AF_INET, SOCK_RAW, 1}, {"raw IPv6", AF_INET6, SOCK_RAW, 58}, {"packet", 17, SOCK_RAW, 0x300},
      {"packet cooked", 17, SOCK_DGRAM, 0x300}, {"vsock", 40, SOCK_STREAM, 0}, {"netlink route", 16, SOCK_RAW, 0},
      {"netlink generic", 16, SOCK_RAW, 16}, {"netlink netfilter", 16, SOCK_RAW, 12}, {"alg", 38, SOCK_SEQPACKET, 0},
      {"bluetooth", 31, SOCK_RAW, 1}, {"key", 15, SOCK_RAW, 2}, {"xdp", 44, SOCK_RAW, 0}, {"tipc", 30, SOCK_SEQPACKET, 0},
      {"can", 29, SOCK_RAW, 1}, {"rds", 21, SOCK_SEQPACKET, 0}, {"nfc", 39, SOCK_RAW, 1}, {"x25", 9, SOCK_SEQPACKET, 0},
  };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    TRY(all[i].what, socket(all[i].family, all[i].type, all[i].protocol));
  int pair[2];
  TRY("netlink pair", socketpair(16, SOCK_RAW, 0, pair));
}

static void keys(char **a) {
  TRY("add_key", syscall(SYS_add_key, "user", "of the sandbox", "x", 1L, -3L));
  TRY("request_key", syscall(SYS_request_key, "user", a[0], NULL, -3L));
  TRY("search the session keyring", syscall(SYS_keyctl, 10L, -3L, "user", a[0], 0L));
  TRY("join another session keyring", syscall(SYS_keyctl, 1L, "of the sandbox"));
}

static void terminal(void) {
  char byte = '\n', linux_call[2] = {3, 0};
  TRY("TIOCSTI", ioctl(0, TIOCSTI, &byte));
  TRY("TIOCSTI with high bits", syscall(SYS_ioctl, 0L, 0x100005412L, &byte));
  TRY("TIOCLINUX", ioctl(0, 0x541c, linux_call));
  int discipline = 13;
  TRY("TIOCSETD", ioctl(0, 0x5423, &discipline));
}

static void processes(char **a) {
  for (; *a; a++) {
    long pid = atol(*a);
    char what[64], byte, path[64];
    struct { void *at; size_t n; } here = {&byte, 1}, there = {(void *)&tries, 1};
#define OF(call) (snprintf(what, sizeof what, "%s of %ld", call, pid), what)
    TRY(OF("ptrace"), syscall(SYS_ptrace, 16L, pid, 0L, 0L));
    TRY(OF("process_vm_readv"), syscall(SYS_process_vm_readv, pid, &here, 1L, &there, 1L, 0L));
    TRY(OF("process_vm_writev"), syscall(SYS_process_vm_writev, pid, &here, 1L, &there, 1L, 0L));
    int fd = (int)syscall(SYS_pidfd_open, pid, 0L);
    if (fd < 0) told(OF("pidfd_open"), -1);
    else TRY(OF("pidfd_getfd"), syscall(SYS_pidfd_getfd, fd, 3L, 0L));
    snprintf(path, sizeof path, "/proc/%ld/mem", pid);
    TRY(OF("memory"), open(path, O_RDWR));
  }
}

static void signals(char **a) {
  int pipe_of[2];
  if (pipe(pipe_of)) return;
  for (; *a; a++) {
    char what[64];
    long pid = atol(*a);
    TRY(OF("signal"), kill((pid_t)pid, 0));
    TRY(OF("signal to the group"), kill((pid_t)-pid, 0));
    TRY(OF("F_SETOWN"), fcntl(pipe_of[0], F_SETOWN, (int)pid));
    TRY(OF("pidfd_open"), syscall(SYS_pidfd_open, pid, 0L));
  }
#undef OF
}

static void clocks(void) {
  struct timespec now;
  struct timeval noon = {.tv_sec = 1000000000};
  clock_gettime(CLOCK_REALTIME, &now);
  struct timex change = {.modes = ADJ_TICK, .tick = 10000};
  TRY("clock_settime", syscall(SYS_clock_settime, 0L, &now));
  TRY("settimeofday", syscall(SYS_settimeofday, &noon, NULL));
  TRY("adjtimex", adjtimex(&change));
  TRY("sethostname", syscall(SYS_sethostname, "taken", 5L));
  TRY("setdomainname", syscall(SYS_setdomainname, "taken", 5L));
}

static void scheduling(void) {
  struct sched_param most = {.sched_priority = 99};
  TRY("nice -20", setpriority(PRIO_PROCESS, 0, -20));
  TRY("SCHED_FIFO", sched_setscheduler(0, SCHED_FIFO, &most));
  TRY("SCHED_RR", sched_setscheduler(0, SCHED_RR, &most));
  uint64_t deadline[6] = {48 | (uint64_t)6 << 32, 0, 0, 10000000, 20000000, 20000000};
  TRY("SCHED_DEADLINE", syscall(SYS_sched_setattr, 0L, deadline, 0L));
  TRY("real-time ioprio", syscall(SYS_ioprio_set, 1L, 0L, 1L << 13));
  struct rlimit rt = {99, 99}, nice = {40, 40};
  TRY("RLIMIT_RTPRIO", setrlimit(RLIMIT_RTPRIO, &rt));
  TRY("RLIMIT_NICE", setrlimit(RLIMIT_NICE, &nice));
}

static void *wait_long(void *arg) { sleep(20); return arg; }

/* Both stop at 400. */
static void bombs(char **a) {
  int made = 0, failed = 0;
  if (!strcmp(a[0], "threads")) {
    pthread_attr_t small;
    pthread_attr_init(&small), pthread_attr_setstacksize(&small, 65536);
    for (pthread_t t; made < 400 && !(failed = pthread_create(&t, &small, wait_long, NULL)); made++) {}
  } else {
    int zombies = !strcmp(a[0], "zombies");
    for (pid_t pid; made < 400; made++) {
      if ((pid = fork()) < 0) { failed = errno; break; }
      if (pid == 0) { if (!zombies) sleep(20); _exit(0); }
    }
  }
  char text[64];
  snprintf(text, sizeof text, "%d", made), say("made", text);
  say("then", failed ? name_of(failed) : "allowed");
}

static const char *bomb;
static size_t bomb_mib;

/* More than the sandbox may have, touched page by page. */
static void fill_memory(void) {
  size_t n = bomb_mib * MiB;
  if (!strcmp(bomb, "anonymous") || !strcmp(bomb, "locked")) {
    char *at = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) _exit(errno);
    if (*bomb == 'l' && mlock(at, n)) _exit(errno);
    for (size_t i = 0; i < n; i += 4096) at[i] = 1;
    _exit(0);
  }
  static char piece[MiB];
  memset(piece, 1, sizeof piece);
  if (!strcmp(bomb, "pipes")) {
    for (size_t i = 0; i < bomb_mib;) {
      int p[2];
      if (pipe2(p, O_NONBLOCK)) _exit(errno);
      fcntl(p[1], F_SETPIPE_SZ, MiB);
      ssize_t wrote = write(p[1], piece, MiB);
      if (wrote <= 0) _exit(errno);
      i += wrote == MiB;
      if (p[1] > 1000) _exit(EMFILE);
    }
    _exit(0);
  }
  int fd = !strcmp(bomb, "memfd") ? (int)syscall(SYS_memfd_create, "bomb", 0L) : open(bomb, O_RDWR | O_CREAT, 0600);
  if (fd < 0) _exit(errno);
  for (size_t i = 0; i < bomb_mib; i++)
    if (write(fd, piece, MiB) != MiB) _exit(errno ? errno : ENOSPC);
  _exit(0);
}

static void shared(char **a) {
  int make = !strcmp(a[0], "make");
  key_t key = (key_t)atol(a[1]);
  char name[64];
  snprintf(name, sizeof name, "/%s", a[1]);
  TRY("SysV memory", shmget(key, 4096, make ? IPC_CREAT | 0666 : 0));
  TRY("message queue", syscall(SYS_mq_open, name + 1, make ? O_RDWR | O_CREAT : O_RDWR, 0666L, NULL));
  char path[80];
  snprintf(path, sizeof path, "/dev/shm%s", name);
  TRY("POSIX memory", open(path, make ? O_RDWR | O_CREAT : O_RDWR, 0666));
  snprintf(path, sizeof path, "/tmp%s", name);
  TRY("temporary file", open(path, make ? O_RDWR | O_CREAT : O_RDWR, 0666));
}

/* Sends an open descriptor to whoever listens: he who takes it can be made to hold it, or to read it. */
static void rights(char **a) {
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  strncpy(to.sun_path, a[0], sizeof to.sun_path - 1);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0), sent = open("/usr", O_RDONLY);
  if (connect(fd, (struct sockaddr *)&to, sizeof to)) { told("connect", -1); return; }
  union { struct cmsghdr head; char room[CMSG_SPACE(sizeof(int))]; } control = {0};
  struct iovec one = {"GET", 3};
  struct msghdr message = {.msg_iov = &one, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room};
  struct cmsghdr *c = CMSG_FIRSTHDR(&message);
  c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(c), &sent, sizeof sent);
  for (int i = 0; i < 8; i++) TRY("send a descriptor", sendmsg(fd, &message, MSG_NOSIGNAL));
  sleep(1);
}

int main(int count, char **a) {
  if (count < 2) return 64;
  char *group = a[1];
  a += 2, count -= 2;
  if (!strcmp(group, "euid")) { printf("%d\n", (int)geteuid()); return 0; }
  if (!strcmp(group, "mounts")) mounts();
  else if (!strcmp(group, "namespaces")) namespaces();
  else if (!strcmp(group, "privilege")) privilege();
  else if (!strcmp(group, "devices")) devices();
  else if (!strcmp(group, "handles")) handles();
  else if (!strcmp(group, "foreign")) foreign();
  else if (!strcmp(group, "surface")) surface();
  else if (!strcmp(group, "sockets")) sockets();
  else if (!strcmp(group, "clocks")) clocks();
  else if (!strcmp(group, "scheduling")) scheduling();
  else if (!strcmp(group, "terminal")) terminal();
  else if (!strcmp(group, "keys") && count == 1) keys(a);
  else if (!strcmp(group, "processes")) processes(a);
  else if (!strcmp(group, "signals")) signals(a);
  else if (!strcmp(group, "bombs") && count == 1) bombs(a);
  else if (!strcmp(group, "shared") && count == 2) shared(a);
  else if (!strcmp(group, "rights") && count == 1) rights(a);
  else if (!strcmp(group, "memory") && count == 2) bomb = a[0], bomb_mib = (size_t)atol(a[1]), apart(bomb, fill_memory);
  else return 64;
  printf("end: %d\n", tries);
  return 0;
}
