# What peerfold's own programs are built with. None of it reaches a user's target.

if(PROJECT_IS_TOP_LEVEL)
  if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "The kind of build" FORCE)
  endif()
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
  set(CMAKE_CXX_EXTENSIONS OFF)

  find_program(PEERFOLD_CCACHE ccache)
  mark_as_advanced(PEERFOLD_CCACHE)
  if(PEERFOLD_CCACHE)
    foreach(language IN ITEMS CXX CUDA)
      if(NOT DEFINED CMAKE_${language}_COMPILER_LAUNCHER)
        set(CMAKE_${language}_COMPILER_LAUNCHER ${PEERFOLD_CCACHE})
      endif()
    endforeach()
  endif()
endif()

# The warnings, for the compile-only tests too, which call the compilers themselves.
set(PEERFOLD_WARNINGS -Wall -Wextra -Wconversion)
# -Wpedantic for .cpp only: through nvcc it drowns in nvcc's own output.
set(PEERFOLD_CXX_WARNINGS ${PEERFOLD_WARNINGS} -Wpedantic)
list(TRANSFORM PEERFOLD_WARNINGS PREPEND -Xcompiler= OUTPUT_VARIABLE PEERFOLD_CUDA_WARNINGS)
if(PEERFOLD_WARNINGS_AS_ERRORS)
  list(APPEND PEERFOLD_CXX_WARNINGS -Werror)
  list(APPEND PEERFOLD_CUDA_WARNINGS -Xcompiler=-Werror -Werror=all-warnings)
endif()

# g++ tidies its memory often by default, and that takes a sixth of its time.
set(PEERFOLD_COMPILER_MEMORY)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set(PEERFOLD_COMPILER_MEMORY --param=ggc-min-heapsize=1000000 --param=ggc-min-expand=100)
endif()
list(TRANSFORM PEERFOLD_COMPILER_MEMORY PREPEND -Xcompiler=
     OUTPUT_VARIABLE PEERFOLD_CUDA_COMPILER_MEMORY)

# peerfold_own_target(<target>)
#
# Links peerfold to one of our own programs, with warnings and, for .cu files, the architectures of
# PEERFOLD_TEST_ARCHITECTURES; where kernels are compiled quickly, as PTX only. (ptxas has those of
# benchmarks/ and of the README in any case.)
function(peerfold_own_target target)
  target_link_libraries(${target} PRIVATE peerfold::peerfold)
  target_compile_features(${target} PRIVATE cxx_std_20)
  target_compile_options(
    ${target} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:${PEERFOLD_CXX_WARNINGS}>"
                      "$<$<COMPILE_LANGUAGE:CUDA>:${PEERFOLD_CUDA_WARNINGS}>"
                      "$<$<COMPILE_LANGUAGE:CXX>:${PEERFOLD_COMPILER_MEMORY}>"
                      "$<$<COMPILE_LANGUAGE:CUDA>:${PEERFOLD_CUDA_COMPILER_MEMORY}>")
  if(PEERFOLD_HAS_CUDA)
    set(architectures ${PEERFOLD_TEST_ARCHITECTURES})
    if(PEERFOLD_HAS_QUICK_KERNELS)
      list(TRANSFORM architectures REPLACE "^([0-9]+).*" "\\1-virtual")
      list(REMOVE_DUPLICATES architectures)
    endif()
    set_target_properties(${target} PROPERTIES CUDA_ARCHITECTURES "${architectures}")
  endif()
endfunction()
