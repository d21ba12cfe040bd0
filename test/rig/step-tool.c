// What steps of tests do and busybox cannot: file capabilities, attributes, and bad behaviour.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/xattr.h>

int main(int argc, char **argv) {
  const char *word = argc > 1 ? argv[1] : "";
  char bytes[64];
  if (!strcmp(word, "setcap")) {
    // Version 2, effective, cap_net_bind_service permitted (linux/capability.h, vfs_cap_data).
    unsigned int data[5] = {0x02000001, 1 << 10, 0, 0, 0};
    if (setxattr(argv[2], "security.capability", data, sizeof data, 0)) { perror("setcap"); return 1; }
  } else if (!strcmp(word, "getcap")) {
    long length = getxattr(argv[2], "security.capability", bytes, sizeof bytes);
    printf("%ld\n", length);
  } else if (!strcmp(word, "setattr")) {
    if (setxattr(argv[2], argv[3], argv[4], strlen(argv[4]), 0)) { perror("setattr"); return 1; }
  } else if (!strcmp(word, "getattr")) {
    long length = getxattr(argv[2], argv[3], bytes, sizeof bytes);
    if (length < 0) { perror("getattr"); return 1; }
    printf("%.*s\n", (int)length, bytes);
  } else if (!strcmp(word, "nonewprivs")) {
    printf("%d\n", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  } else if (!strcmp(word, "fork-bomb")) {
    for (;;) fork();
  } else if (!strcmp(word, "stubborn")) {
    // Ignores whatever can be ignored, in two processes of sessions of their own.
    for (int signal_ = 1; signal_ < 32; signal_++) signal(signal_, SIG_IGN);
    fork();
    setsid();
    for (;;) sleep(1000);
  } else if (!strcmp(word, "memory")) {
    for (;;) { char *block = malloc(1 << 20); if (block) memset(block, 1, 1 << 20); }
  } else if (!strcmp(word, "swap")) {
    // Two names change places as fast as they can, until a third one appears or the parent goes.
    pid_t parent = getppid();
    do for (int i = 0; i < 2000; i++) renameat2(AT_FDCWD, argv[2], AT_FDCWD, argv[3], RENAME_EXCHANGE);
    while (access(argv[4], F_OK) && getppid() == parent);
  } else return 2;
  return 0;
}
