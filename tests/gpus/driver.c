/* Stands for the driver's library: two devices, of which the second tells nothing beyond its name. */
#include <string.h>

typedef struct { unsigned long long total, free, used; } memory;
typedef struct { unsigned pid; unsigned long long used; unsigned gpu_instance, compute_instance; } process;

enum { SUCCESS = 0, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7 };
static char devices[2];
#define FIRST_ONLY if (device != &devices[0]) return NOT_SUPPORTED

int nvmlInitWithFlags(unsigned flags) { return SUCCESS; }
const char *nvmlErrorString(int code) { return "an error"; }
int nvmlSystemGetDriverVersion(char *text, unsigned size) { strncpy(text, "580.95.05", size); return SUCCESS; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 2; return SUCCESS; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, char **device) { *device = &devices[index]; return SUCCESS; }
int nvmlDeviceGetHandleByUUID(const char *uuid, char **device) {
    if (strcmp(uuid, "GPU-aaaa") && strcmp(uuid, "GPU-bbbb")) return NOT_FOUND;
    *device = &devices[uuid[4] == 'b'];
    return SUCCESS;
}
int nvmlDeviceGetUUID(char *device, char *text, unsigned size) { strncpy(text, device == devices ? "GPU-aaaa" : "GPU-bbbb", size); return SUCCESS; }
int nvmlDeviceGetName(char *device, char *text, unsigned size) { strncpy(text, device == devices ? "NVIDIA H100" : "NVIDIA GB10", size); return SUCCESS; }
int nvmlDeviceGetMemoryInfo(char *device, memory *found) { FIRST_ONLY; found->total = 81559ull << 20; found->used = 1234ull << 20; return SUCCESS; }
int nvmlDeviceGetMinorNumber(char *device, unsigned *minor) { FIRST_ONLY; *minor = 5; return SUCCESS; }
int nvmlDeviceGetClockInfo(char *device, int kind, unsigned *clock) { FIRST_ONLY; *clock = kind == 1 ? 1980 : 2619; return SUCCESS; }
int nvmlDeviceGetTemperature(char *device, int sensor, unsigned *degrees) { FIRST_ONLY; *degrees = 41; return SUCCESS; }
int nvmlDeviceGetPowerUsage(char *device, unsigned *milliwatts) { FIRST_ONLY; *milliwatts = 118500; return SUCCESS; }
int nvmlDeviceGetCurrentClocksThrottleReasons(char *device, unsigned long long *bits) { FIRST_ONLY; *bits = 0x4 | 0x40; return SUCCESS; }
int nvmlDeviceGetEccMode(char *device, unsigned *now, unsigned *later) { FIRST_ONLY; *now = 1; *later = 0; return SUCCESS; }
int nvmlDeviceGetMigMode(char *device, unsigned *now, unsigned *later) { FIRST_ONLY; *now = 0; *later = 1; return SUCCESS; }
int nvmlDeviceGetPersistenceMode(char *device, unsigned *now) { FIRST_ONLY; *now = 1; return SUCCESS; }
int nvmlDeviceGetComputeRunningProcesses_v3(char *device, unsigned *count, process *found) {
    FIRST_ONLY;
    if (!found) { *count = 1; return INSUFFICIENT_SIZE; }
    memset(found, 0, sizeof *found);
    found->pid = 4242; *count = 1;
    return SUCCESS;
}
