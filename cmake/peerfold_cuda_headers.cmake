# peerfold_find_cuda_toolkit(): find_package(CUDAToolkit QUIET), which stops with an error in CMake
# 3.25.1 (Debian 12's) where the toolkit has no nvToolsExt (13.0) and the project asks for CMake 3.25.
macro(peerfold_find_cuda_toolkit)
  set(peerfold_required_cmake ${CMAKE_MINIMUM_REQUIRED_VERSION})
  set(CMAKE_MINIMUM_REQUIRED_VERSION 3.24)
  find_package(CUDAToolkit QUIET)
  set(CMAKE_MINIMUM_REQUIRED_VERSION ${peerfold_required_cmake})
endmacro()

# peerfold_add_cuda_headers(<target> [BUILD_INTERFACE])
#
# Lets host compilers that use <target> find the toolkit's headers (its 16-bit float types, libcu++),
# as system headers. nvcc finds them by itself. The build and the installed package share this file.
function(peerfold_add_cuda_headers target)
  foreach(folder IN LISTS CUDAToolkit_INCLUDE_DIRS)
    # From 13.0 on CCCL has a folder of its own there.
    foreach(candidate IN ITEMS ${folder} ${folder}/cccl)
      if(NOT IS_DIRECTORY ${candidate})
        continue()
      endif()
      set(entry $<$<COMPILE_LANGUAGE:CXX>:${candidate}>)
      if("BUILD_INTERFACE" IN_LIST ARGN)
        set(entry $<BUILD_INTERFACE:${entry}>)
      endif()
      target_include_directories(${target} SYSTEM INTERFACE ${entry})
    endforeach()
  endforeach()
endfunction()
