# Looks for the CUDA toolkit as PEERFOLD_CUDA says.
#
# Sets CUDAToolkit_FOUND, and PEERFOLD_HAS_CUDA where the CUDA language is on. A user of the headers
# needs the toolkit only; the language is for peerfold's own programs, or for whoever asks for it.
# Those are compiled as PEERFOLD_QUICK_KERNELS says; PEERFOLD_HAS_QUICK_KERNELS is set where quickly.

if(NOT PEERFOLD_CUDA MATCHES "^(AUTO|ON|OFF)$")
  message(FATAL_ERROR "PEERFOLD_CUDA is '${PEERFOLD_CUDA}'; it takes AUTO, ON or OFF.")
endif()
if(NOT PEERFOLD_QUICK_KERNELS MATCHES "^(AUTO|ON|OFF)$")
  message(FATAL_ERROR "PEERFOLD_QUICK_KERNELS is '${PEERFOLD_QUICK_KERNELS}'; it takes AUTO, ON or "
                      "OFF.")
endif()

set(PEERFOLD_HAS_CUDA OFF)
set(PEERFOLD_HAS_QUICK_KERNELS OFF)
set(cuda_remedy
    "install the toolkit, name its folder with -DCUDAToolkit_ROOT=<folder> or nvcc with "
    "-DCMAKE_CUDA_COMPILER=<nvcc>, or configure with -DPEERFOLD_CUDA=OFF (threads only).")

if(PEERFOLD_CUDA STREQUAL "OFF")
  set(CUDAToolkit_FOUND OFF)
  return()
endif()

peerfold_find_cuda_toolkit()
if(CMAKE_CUDA_COMPILER OR DEFINED ENV{CUDACXX})
  set(cuda_compiler_known ON)
elseif(CUDAToolkit_NVCC_EXECUTABLE)
  # The toolkit's usual folder is not always on PATH.
  set(CMAKE_CUDA_COMPILER ${CUDAToolkit_NVCC_EXECUTABLE} CACHE FILEPATH "The CUDA compiler")
  set(cuda_compiler_known ON)
else()
  set(cuda_compiler_known OFF)
endif()

if(NOT CUDAToolkit_FOUND OR NOT cuda_compiler_known)
  if(PEERFOLD_CUDA STREQUAL "ON")
    message(FATAL_ERROR "PEERFOLD_CUDA is ON, but no CUDA toolkit with nvcc was found: "
                        ${cuda_remedy})
  endif()
  if(PROJECT_IS_TOP_LEVEL)
    message(STATUS "peerfold: no CUDA toolkit found; building for threads only")
  endif()
  return()
endif()

if(PEERFOLD_CUDA STREQUAL "ON"
   OR PEERFOLD_BUILD_TESTS
   OR PEERFOLD_BUILD_EXAMPLES
   OR PEERFOLD_BUILD_BENCHMARKS
   OR PEERFOLD_BUILD_TOOLS)
  if(DEFINED CMAKE_CUDA_ARCHITECTURES)
    set(own_architectures ${CMAKE_CUDA_ARCHITECTURES})
  else()
    set(CMAKE_CUDA_ARCHITECTURES 80 90)
    if(CUDAToolkit_VERSION VERSION_GREATER_EQUAL 12.8)
      list(APPEND CMAKE_CUDA_ARCHITECTURES 100)
    endif()
    # peerfold's own programs run here, or nowhere: one architecture is enough for them.
    execute_process(
      COMMAND nvidia-smi --query-gpu=compute_cap --format=csv,noheader
      OUTPUT_VARIABLE own_architectures
      ERROR_QUIET
      RESULT_VARIABLE failed)
    string(REGEX MATCHALL "[0-9]+\\.[0-9]" own_architectures "${own_architectures}")
    string(REPLACE "." "" own_architectures "${own_architectures}")
    list(REMOVE_DUPLICATES own_architectures)
    if(NOT "${failed}" STREQUAL "0" OR NOT own_architectures)
      set(own_architectures 90)
    endif()
  endif()
  set(PEERFOLD_TEST_ARCHITECTURES ${own_architectures}
      CACHE STRING "CUDA architectures of peerfold's own tests, examples and benchmarks")
  if(NOT DEFINED CMAKE_CUDA_RUNTIME_LIBRARY)
    set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
  endif()
  enable_language(CUDA)
  set(PEERFOLD_HAS_CUDA ON)

  if(PEERFOLD_BUILD_TESTS OR NOT PEERFOLD_QUICK_KERNELS STREQUAL "OFF")
    include(CheckCompilerFlag)
    check_compiler_flag(CUDA --Ofast-compile=max PEERFOLD_HAS_FAST_COMPILE) # from CUDA 12.9 on
  endif()
  file(GLOB gpus /dev/nvidia[0-9]* /dev/dxg)
  if(CMAKE_BUILD_TYPE MATCHES "^(Release)?$"
     AND (PEERFOLD_QUICK_KERNELS STREQUAL "ON"
          OR (PEERFOLD_QUICK_KERNELS STREQUAL "AUTO" AND NOT gpus)))
    message(STATUS "peerfold: CUDA programs are compiled quickly, not well: good for a machine "
                   "without GPUs only (PEERFOLD_QUICK_KERNELS)")
    set(PEERFOLD_HAS_QUICK_KERNELS ON)
    set(CMAKE_CUDA_FLAGS_RELEASE "-O0 -DNDEBUG")
    if(PEERFOLD_HAS_FAST_COMPILE)
      string(APPEND CMAKE_CUDA_FLAGS_RELEASE " --Ofast-compile=max")
    endif()
  endif()
endif()
