// A library that answers as NVIDIA's driver does, with a GPU that is the host: `libcuda.so.1` for tests without a card.
//
// A binary is "HOST:" and the path of a shared library, in which kernel NAME is host_NAME(parameters, blocks, block).
// Memory is the host's, behind addresses of its own. FAKE_CUDA_* variables make it old, small, many, or fail.

#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <future>
#include <mutex>
#include <string>

namespace {

constexpr int kSuccess = 0, kInvalidValue = 1, kOutOfMemory = 2, kNoDevice = 100, kNoContext = 201, kNotFound = 500,
              kNotReady = 600, kLaunchFailed = 719;

long number(const char* name, long otherwise) {
    const char* given = std::getenv(name);
    return given ? std::atol(given) : otherwise;
}

void note(const std::string& what) {
    if (const char* path = std::getenv("FAKE_CUDA_LOG")) {
        if (std::FILE* file = std::fopen(path, "a")) {
            std::fputs((what + "\n").c_str(), file);
            std::fclose(file);
        }
    }
}

using Run = void (*)(void**, unsigned, unsigned);
bool started = false, lost = false;
thread_local bool entered = false;
long launches = 0, taken = 0;
std::future<void> running;

}  // namespace

extern "C" {

int cuDriverGetVersion(int* version) {
    *version = static_cast<int>(number("FAKE_CUDA_VERSION", 13000));
    return kSuccess;
}
int cuInit(unsigned) {
    if (const long error = number("FAKE_CUDA_INIT", 0)) return static_cast<int>(error);
    started = true;
    return number("FAKE_CUDA_COUNT", 1) ? kSuccess : kNoDevice;
}
int cuDeviceGetCount(int* count) {
    *count = static_cast<int>(number("FAKE_CUDA_COUNT", 1));
    return started ? kSuccess : 3;
}
int cuDeviceGet(int* device, int place) {
    *device = place;
    return place < number("FAKE_CUDA_COUNT", 1) ? kSuccess : 101;
}
int cuDeviceGetName(char* name, int size, int) {
    std::snprintf(name, static_cast<std::size_t>(size), "Fake H100");
    return kSuccess;
}
int cuDeviceGetUuid_v2(unsigned char* uuid, int device) {
    std::memset(uuid, 0, 16);
    uuid[15] = static_cast<unsigned char>(number("FAKE_CUDA_FIRST", 0) + device);  // of the machine's cards
    return kSuccess;
}
int cuDeviceGetAttribute(int* value, int attribute, int) {
    const long capability = number("FAKE_CUDA_CAPABILITY", 90);
    switch (attribute) {
        case 75: *value = static_cast<int>(capability / 10); return kSuccess;
        case 76: *value = static_cast<int>(capability % 10); return kSuccess;
        case 16: *value = 2; return kSuccess;     // multiprocessors
        case 39: *value = 64; return kSuccess;    // threads of each
        case 17: *value = 0; return kSuccess;     // no limit on a kernel's time
        default: return kInvalidValue;
    }
}
int cuDevicePrimaryCtxRetain(void** context, int device) {
    note("context " + std::to_string(device));
    *context = &started;
    return kSuccess;
}
int cuCtxSetCurrent(void* context) {
    entered = context == &started;
    return entered ? kSuccess : kNoContext;
}
int cuStreamCreate(void** stream, unsigned flags) {
    *stream = &lost;
    return flags == 1 && entered ? kSuccess : kInvalidValue;
}
int cuStreamQuery(void* stream) {
    if (stream != &lost || !entered) return kInvalidValue;
    if (lost) return kLaunchFailed;
    if (!running.valid()) return kSuccess;
    if (running.wait_for(std::chrono::microseconds(100)) != std::future_status::ready) return kNotReady;
    running.get();
    return kSuccess;
}
int cuMemGetInfo(std::size_t* free, std::size_t* total) {
    *total = static_cast<std::size_t>(number("FAKE_CUDA_MEMORY", 1L << 30));
    *free = *total - static_cast<std::size_t>(taken);
    return kSuccess;
}
int cuMemAlloc(std::uint64_t* address, std::size_t size) {
    if (!entered || size == 0) return kInvalidValue;
    if (taken + static_cast<long>(size) > number("FAKE_CUDA_MEMORY", 1L << 30)) return kOutOfMemory;
    taken += static_cast<long>(size);
    auto* block = static_cast<std::uint64_t*>(std::malloc(size + 256));
    block[0] = size;
    std::memset(block + 32, 0xA5, size);  // not cleared
    *address = reinterpret_cast<std::uint64_t>(block + 32);
    return kSuccess;
}
int cuMemFree(std::uint64_t address) {
    auto* block = reinterpret_cast<std::uint64_t*>(address) - 32;
    taken -= static_cast<long>(block[0]);
    std::free(block);
    return kSuccess;
}
int cuMemcpyHtoDAsync(std::uint64_t to, const void* from, std::size_t size, void* stream) {
    if (stream != &lost || running.valid()) return kInvalidValue;
    std::memcpy(reinterpret_cast<void*>(to), from, size);
    return kSuccess;
}
int cuMemcpyDtoHAsync(void* to, std::uint64_t from, std::size_t size, void* stream) {
    if (stream != &lost || running.valid()) return kInvalidValue;
    std::memcpy(to, reinterpret_cast<const void*>(from), size);
    return kSuccess;
}
int cuModuleLoadData(void** module, const void* image) {
    const char* text = static_cast<const char*>(image);
    if (!entered || std::strncmp(text, "HOST:", 5) != 0) return 200;  // no binary of ours
    *module = dlopen(text + 5, RTLD_NOW | RTLD_LOCAL);
    if (!*module) note(dlerror());
    return *module ? kSuccess : 200;
}
int cuModuleGetFunction(void** function, void* module, const char* name) {
    *function = dlsym(module, (std::string("host_") + name).c_str());
    return *function ? kSuccess : kNotFound;
}
int cuFuncGetAttribute(int* value, int attribute, void*) {
    *value = attribute == 3 ? 17360 : attribute == 4 ? 168 : -1;  // bytes of the stack, registers
    return *value < 0 ? kInvalidValue : kSuccess;
}
int cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, void*, int, std::size_t) {
    *blocks = 1;
    return kSuccess;
}
int cuLaunchKernel(void* function, unsigned blocks, unsigned y, unsigned z, unsigned block, unsigned by, unsigned bz,
                   unsigned shared, void* stream, void** parameters, void** extra) {
    if (y != 1 || z != 1 || by != 1 || bz != 1 || shared || extra || stream != &lost || running.valid() || !entered) {
        return kInvalidValue;
    }
    note("launch " + std::to_string(blocks) + " x " + std::to_string(block));
    if (++launches > number("FAKE_CUDA_LAUNCHES", 1L << 30)) {
        lost = true;
        return kSuccess;
    }
    // The driver copies them before it returns; of one parameter, which is all that there is here.
    auto copy = std::make_shared<std::string>(static_cast<const char*>(parameters[0]), 104);
    running = std::async(std::launch::async, [=] {
        void* one[] = {copy->data()};
        reinterpret_cast<Run>(function)(one, blocks, block);
    });
    return kSuccess;
}
int cuGetErrorName(int error, const char** name) {
    *name = error == kOutOfMemory ? "CUDA_ERROR_OUT_OF_MEMORY"
            : error == kLaunchFailed ? "CUDA_ERROR_LAUNCH_FAILED" : "CUDA_ERROR_SOME";
    return kSuccess;
}
int cuGetErrorString(int error, const char** text) {
    *text = error == kOutOfMemory ? "out of memory" : "unspecified launch failure";
    return kSuccess;
}
int cuGetProcAddress_v2(const char* symbol, void** function, int, std::uint64_t, int* status) {
    *function = dlsym(RTLD_DEFAULT, symbol);
    Dl_info found, own;
    // Only what this library has: the process may have a real driver too.
    dladdr(reinterpret_cast<void*>(&cuInit), &own);
    if (*function && (!dladdr(*function, &found) || found.dli_fbase != own.dli_fbase)) *function = nullptr;
    if (!*function) {
        void* handle = dlopen(own.dli_fname, RTLD_NOW | RTLD_NOLOAD);
        *function = handle ? dlsym(handle, symbol) : nullptr;
        if (*function && (!dladdr(*function, &found) || found.dli_fbase != own.dli_fbase)) *function = nullptr;
    }
    if (status) *status = *function ? 0 : 1;
    return *function ? kSuccess : kNotFound;
}
int cuGetProcAddress(const char* symbol, void** function, int version, std::uint64_t flags) {
    return cuGetProcAddress_v2(symbol, function, version, flags, nullptr);
}

}  // extern "C"
