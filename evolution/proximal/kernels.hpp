// All kernels of this build, fastest first; which they are CMake writes.
#pragma once

#include "kernel.hpp"

namespace proximal {

#define PROXIMAL_DECLARE(name)   \
    inline namespace name {      \
    extern const Kernel kKernel; \
    }
#define PROXIMAL_EACH_KERNEL_DECLARE
#include "kernels.inc"
#undef PROXIMAL_EACH_KERNEL_DECLARE

constexpr const Kernel* kKernels[] = {
#define PROXIMAL_EACH_KERNEL_LIST
#include "kernels.inc"
#undef PROXIMAL_EACH_KERNEL_LIST
};

}  // namespace proximal
