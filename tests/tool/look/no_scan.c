/* Preloaded into the command: it finds a kernel that does not have PAGEMAP_SCAN, as before Linux 6.7. */
#include <errno.h>
#include <sys/ioctl.h>

int ioctl(int descriptor, unsigned long request, ...) {
    (void)descriptor, (void)request;
    errno = ENOTTY;
    return -1;
}
