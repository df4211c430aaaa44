/* Ends a program at one of its calls to the disk, or lets that call fail: what a crash and a bad disk do.
 *
 *   cut count LOG PROGRAM ARG…       writes into LOG how many calls there were, and the name of each
 *   cut kill NAME N LOG PROGRAM…     SIGKILL before the Nth call that changes something and whose name begins so
 *   cut fail N ERRNO LOG PROGRAM…    the Nth call fails with ERRNO: one that changes something, or any one behind
 *                                    the first flock, where the program begins to write
 *
 * Only the first thread of the program is looked at; its children run free. Exits as the program does, 137 after
 * the kill, 99 when it cannot trace here.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <linux/ptrace.h>
#include <unistd.h>

struct call { long number; const char *name; int changes; };

static const struct call CALLS[] = {
    {SYS_write, "write", 1},       {SYS_pwrite64, "pwrite64", 1},   {SYS_writev, "writev", 1},
    {SYS_fsync, "fsync", 1},       {SYS_fdatasync, "fdatasync", 1}, {SYS_ftruncate, "ftruncate", 1},
    {SYS_fchmod, "fchmod", 1},     {SYS_fchmodat, "fchmodat", 1},   {SYS_mkdirat, "mkdirat", 1},
    {SYS_renameat, "renameat", 1}, {SYS_renameat2, "renameat2", 1}, {SYS_unlinkat, "unlinkat", 1},
    {SYS_linkat, "linkat", 1},     {SYS_symlinkat, "symlinkat", 1}, {SYS_copy_file_range, "copy_file_range", 1},
#ifdef SYS_rename
    {SYS_rename, "rename", 1},     {SYS_unlink, "unlink", 1},       {SYS_mkdir, "mkdir", 1},
    {SYS_rmdir, "rmdir", 1},       {SYS_link, "link", 1},           {SYS_chmod, "chmod", 1},
    {SYS_open, "open", 0},
#endif
    {SYS_openat, "openat", 0},     {SYS_openat2, "openat2", 0},     {SYS_read, "read", 0},
    {SYS_pread64, "pread64", 0},   {SYS_flock, "flock", 0},         {SYS_getdents64, "getdents64", 0},
};

static const struct call *known(long number) {
    for (size_t at = 0; at < sizeof CALLS / sizeof *CALLS; at++)
        if (CALLS[at].number == number) return &CALLS[at];
    return NULL;
}

static void give_up(const char *what) { perror(what); exit(99); }

/* A file that the call would make counts as changed. */
static int changes(const struct call *call, const struct ptrace_syscall_info *info) {
    return call->changes || (call->number == SYS_openat && (info->entry.args[2] & O_CREAT));
}

/* Makes the call that is about to start no call at all. */
static void skip(pid_t pid) {
#if defined(__x86_64__)
    struct user_regs_struct regs;
    if (ptrace(PTRACE_GETREGS, pid, 0, &regs)) give_up("getregs");
    regs.orig_rax = -1;
    if (ptrace(PTRACE_SETREGS, pid, 0, &regs)) give_up("setregs");
#elif defined(__aarch64__)
    int none = -1;
    struct iovec io = {&none, sizeof none};
    if (ptrace(PTRACE_SETREGSET, pid, (void *)NT_ARM_SYSTEM_CALL, &io)) give_up("setregset");
#else
#error "which register holds the number of a call?"
#endif
}

static void answer(pid_t pid, long value) {
    struct user_regs_struct regs;
    struct iovec io = {&regs, sizeof regs};
    if (ptrace(PTRACE_GETREGSET, pid, (void *)NT_PRSTATUS, &io)) give_up("getregset");
#if defined(__x86_64__)
    regs.rax = value;
#else
    regs.regs[0] = value;
#endif
    if (ptrace(PTRACE_SETREGSET, pid, (void *)NT_PRSTATUS, &io)) give_up("setregset");
}

int main(int argc, char **argv) {
    if (argc < 4) return 99;
    int is_kill = !strcmp(argv[1], "kill"), is_fail = !strcmp(argv[1], "fail");
    const char *name = is_kill ? argv[2] : "";
    long wanted = is_kill ? atol(argv[3]) : is_fail ? atol(argv[2]) : -1, error = is_fail ? atol(argv[3]) : 0;
    char **rest = argv + 2 + 2 * (is_kill || is_fail);
    FILE *log = fopen(rest[0], "w");
    if (!log) give_up(rest[0]);
    pid_t pid = fork();
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, 0, 0)) give_up("ptrace");
        raise(SIGSTOP);
        execvp(rest[1], rest + 1);
        give_up(rest[1]);
    }
    int status;
    if (waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status)) give_up("wait");
    if (ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)) give_up("options");
    long seen = 0, signal = 0;
    int has_started = 0, is_skipped = 0, is_locked = 0;
    for (;;) {
        if (ptrace(PTRACE_SYSCALL, pid, 0, signal)) give_up("syscall");
        if (waitpid(pid, &status, 0) < 0) give_up("wait");
        if (WIFEXITED(status)) return WEXITSTATUS(status);
        if (WIFSIGNALED(status)) return 128 + WTERMSIG(status);
        signal = WSTOPSIG(status);
        if (signal == SIGTRAP) { has_started = 1; signal = 0; continue; }
        if (signal != (SIGTRAP | 0x80)) continue;
        signal = 0;
        struct ptrace_syscall_info info;
        if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) < 0) give_up("info");
        if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
            if (is_skipped) answer(pid, -error);
            is_skipped = 0;
            continue;
        }
        const struct call *call = has_started ? known(info.entry.nr) : NULL;
        if (call && call->number == SYS_flock) is_locked = 1;
        if (!call || (!(is_fail && is_locked) && !changes(call, &info))) continue;
        if (strncmp(call->name, name, strlen(name))) continue;
        seen++;
        fprintf(log, "%s\n", call->name);
        fflush(log);
        if (seen != wanted) continue;
        if (is_kill) {
            /* not every kernel gives up the call that is about to start */
            skip(pid);
            kill(pid, SIGKILL);
            while (waitpid(pid, &status, 0) == pid && !WIFSIGNALED(status) && !WIFEXITED(status)) {}
            return 137;
        }
        if (is_fail) { skip(pid); is_skipped = 1; }
    }
}
