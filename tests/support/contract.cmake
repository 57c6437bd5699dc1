# The contract suite: the same cases on threads and on GPUs. A header holds the cases of one group; a
# translation unit registers some of them, for rank counts or element types from … to …. Groups of
# the same rank counts share one: together they take two thirds of the time to compile.

# Built apart: the oracle must see no options of a test, and programs are the same everywhere.
add_library(peerfold_test_contract STATIC ${CMAKE_CURRENT_LIST_DIR}/oracle.cpp
            ${CMAKE_CURRENT_LIST_DIR}/contract_program.cpp)
peerfold_own_target(peerfold_test_contract)
target_compile_options(peerfold_test_contract PRIVATE -O2)  # little to compile, much to run
target_include_directories(peerfold_test_contract PUBLIC ${PROJECT_SOURCE_DIR}/tests)

# contract_quick_to_compile(<target>...): for programs on threads that have much to compile and little
# to run. They are not optimised, which halves the time to compile, and compiled by clang++, where
# it is found, which halves it again. g++ compiles those of ThreadSanitizer and of delays,
# optimised, and all in the exhaustive preset.
function(contract_quick_to_compile)
  if(PEERFOLD_EXHAUSTIVE)
    return()
  endif()
  foreach(target IN LISTS ARGN)
    target_compile_options(${target} PRIVATE -O0)
    if(PEERFOLD_CLANGXX AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      set_target_properties(
        ${target} PROPERTIES CXX_COMPILER_LAUNCHER
                             "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/by_clang.sh;${PEERFOLD_CLANGXX}")
    endif()
  endforeach()
endfunction()

# contract_instances(<variable> <place's header> <group>:<first>:<last>[+…]...): writes a translation
# unit for each and puts their names into the variable.
function(contract_instances variable place)
  if(place MATCHES "cuh$")
    set(extension cu)
  else()
    set(extension cpp)
  endif()
  set(files)
  foreach(unit IN LISTS ARGN)
    string(MAKE_C_IDENTIFIER ${unit} name)
    string(REPLACE "+" ";" unit ${unit})
    set(includes)
    set(calls)
    foreach(portion IN LISTS unit)
      string(REPLACE ":" ";" portion ${portion})
      list(GET portion 0 group)
      list(GET portion 1 first)
      list(GET portion 2 last)
      string(APPEND includes "#include \"${group}.hpp\"\n")
      string(APPEND calls "const bool ${group}_${first} = "
                          "peerfold::test::add_${group}<place, ${first}, ${last}>();\n")
    endforeach()
    set(file ${CMAKE_CURRENT_BINARY_DIR}/${name}.${extension})
    configure_file(${CMAKE_CURRENT_FUNCTION_LIST_DIR}/contract_instance.in ${file} @ONLY)
    list(APPEND files ${file})
  endforeach()
  set(${variable} ${files} PARENT_SCOPE)
endfunction()

# contract_program(<target>...): what the programs need. Their tests take longest, so start first.
function(contract_program)
  foreach(program IN LISTS ARGN)
    target_sources(${program} PRIVATE ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/contract.main.cpp)
    target_include_directories(${program} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
    target_link_libraries(${program} PRIVATE peerfold_test_contract)
    string(REGEX REPLACE "\\.tsan$" "" name ${program})
    foreach(label IN ITEMS cpu tsan)
      if(TEST ${label}.${name})
        set_tests_properties(${label}.${name} PROPERTIES COST 100)
      endif()
    endforeach()
  endforeach()
endfunction()

